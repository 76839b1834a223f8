"""Warnings of the report, derived from the evidence of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.config import RunConfig
from pipeline.evaluation.records import EvaluationSummary, ModelCost, Scores, WarningCode
from pipeline.evaluation.rules import MAJORITY_BOUND, SMALL_CLASS_ROWS, best_first
from pipeline.evaluation.text import comparison_sentence
from pipeline.reporting import formatting
from pipeline.reporting.records import ReportWarning, RunEvidence, VariantReport
from pipeline.splitting.records import LeakageFigure

DIFFERING_SHARE = 0.03
"""Difference of the positive share between two splits from which there is a warning."""
CHANCE = 0.5
"""Pass rate of a behavioral test by guessing."""
RELEVANT_GAIN = 0.01
"""Difference of balanced accuracy between the chosen threshold and 0.5 from which there is a warning."""
MAX_NAMED = 3
"""Drifted columns and new words that a warning names."""
NEW_WORD_SHARE = 0.05
"""Share of words that are not in earlier reviews above which there is a warning."""
LEAK_TEXTS = {
    "identical_text": "have the text of a row",
    "near_duplicate": "are near-duplicates of a row",
    "product": "have the product of a row",
    "user": "have the user of a row",
}
"""What a test row shares with the other two splits. Identical short texts are no leakage."""


def find_warnings(evidence: RunEvidence, config: RunConfig) -> tuple[ReportWarning, ...]:
    """Return every warning about a run, the serious ones first.

    Args:
        evidence: The summaries of the run.
        config: Its configuration.
    """
    best = evidence.best
    found = [
        *(warning for variant in evidence.variants for warning in _of_variant(variant)),
        *_of_evaluations(evidence.variants),
        *_of_rivals(evidence),
        *(_of_behavior(best, demo=evidence.fetch.demo) if best is not None else ()),
        *_of_leakage(evidence),
        *(_of_probabilities(best.title, best.evaluated) if best is not None and best.evaluated is not None else ()),
        *_of_training(evidence, config),
        *_of_drift(evidence),
        *_of_splits(evidence),
        *_of_quarantine(evidence),
        *_of_notes(evidence),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda warning: not warning.serious))


def _of_variant(variant: VariantReport) -> Iterator[ReportWarning]:
    evaluated, exported = variant.evaluated, variant.exported
    if evaluated is not None and evaluated.no_better_than_majority:
        yield ReportWarning(
            code="collapsed_model",
            serious=True,
            title=f"{variant.title} is no better than the majority class",
            text=_collapse(evaluated),
        )
    if exported is not None and exported.identical_ids < exported.checked_rows:
        yield ReportWarning(
            code="export",
            title=f"The exported {variant.title} encodes some reviews differently",
            text=f"{formatting.count(exported.checked_rows - exported.identical_ids)} of "
            f"{formatting.count(exported.checked_rows)} checked reviews have other token ids in the exported model "
            "than in the pipeline. The largest difference in probability is "
            f"{formatting.score(exported.largest_difference)}.",
        )
    if evaluated is not None and evaluated.unusable_probabilities:
        yield ReportWarning(
            code="diverged_model",
            serious=True,
            title=f"{variant.title} predicts NaN or infinity for some reviews",
            text=f"{formatting.plural(evaluated.unusable_probabilities, 'validation or test review')} had no valid "
            "probability and count as 0.5. The training diverged or the model is corrupt.",
        )


def _collapse(evaluated: EvaluationSummary) -> str:
    scores = evaluated.scores
    sentences = [
        f"It predicts positive for {formatting.share(scores.predicted_positive_share)} of the test reviews.",
        f"Its balanced accuracy is {formatting.score(scores.balanced_accuracy.value)} (chance: 0.5).",
        f"Its accuracy is {formatting.score(scores.accuracy.value)} (majority: {formatting.score(_majority(scores))}).",
    ]
    best = next((point for point in evaluated.operating_points if point.goal == "balanced_accuracy"), None)
    area = scores.roc_auc
    if best is not None and area.low > MAJORITY_BOUND and best.test.balanced_accuracy > MAJORITY_BOUND:
        sentences.append(
            f"Its probabilities do rank the reviews (ROC-AUC {formatting.score(area.value)}): with a threshold of "
            f"{formatting.score(best.threshold)}, the best on validation, it would find "
            f"{formatting.share(best.test.negative_recall)} of the negative reviews."
        )
    return " ".join(sentences)


def _majority(scores: Scores) -> float:
    return max(scores.negative.rows, scores.positive.rows) / scores.rows if scores.rows else 0.0


NOTE_TEXTS: dict[WarningCode, tuple[str, str]] = {
    "below_majority_share": (
        "The accuracy of {title} is below the share of the majority class",
        "{value} against {bound}: the threshold also serves the smaller class. Use balanced accuracy.",
    ),
    "validation_drop": (
        "{title} is worse on the test split than on validation",
        (
            "Balanced accuracy was {bound} on validation and is {value} on the test split: the test reviews differ, or "
            "the model overfits validation."
        ),
    ),
    "worse_than_constant": (
        "The probabilities of {title} are worse than a constant",
        (
            "Its log loss is {value}; always predicting the share of positive reviews has {bound}."
            " The predicted classes may still be right."
        ),
    ),
}
"""Title and text of the warnings of an evaluation that name no further figures."""


def _of_evaluations(variants: Sequence[VariantReport]) -> Iterator[ReportWarning]:
    for variant in variants:
        for warning in variant.evaluated.warnings if variant.evaluated is not None else ():
            if warning.code in NOTE_TEXTS:
                figures = {"value": formatting.score(warning.value), "bound": formatting.score(warning.bound)}
                title, text = (text.format(title=variant.title, **figures) for text in NOTE_TEXTS[warning.code])
                yield ReportWarning(code="note", title=title, text=text)


def _of_rivals(evidence: RunEvidence) -> Iterator[ReportWarning]:
    """Yield the best cheaper model that the best LSTM is not shown to beat: a baseline, or averaged vectors."""
    networks = [summary for summary in evidence.evaluations if summary.variant is not None]
    lstms = best_first(one for one in networks if one.variant is not None and one.variant.direction != "none")
    cheaper = best_first(one for one in evidence.evaluations if one not in lstms)
    if not lstms or evidence.comparison is None:
        return
    lstm = lstms[0]
    for rival in cheaper:
        pair = evidence.comparison.between(lstm.model, rival.model)
        opposite = evidence.comparison.between(rival.model, lstm.model)
        found = pair or opposite
        if found is None:
            continue
        difference = found.balanced_accuracy_difference.value * (1 if pair is not None else -1)
        if found.significant and difference > 0:
            continue
        better = found.significant and difference < 0
        yield ReportWarning(
            code="below_baseline",
            title=f"{rival.title} is better than {lstm.title}"
            if better
            else f"{lstm.title} is not shown to be better than {rival.title}",
            text=comparison_sentence(found) + _cost_sentence(lstm, rival, evidence.costs),
        )
        return


def _cost_sentence(lstm: EvaluationSummary, rival: EvaluationSummary, costs: Sequence[ModelCost]) -> str:
    """Return that the LSTM is not worth its cost, with the figures; empty if a cost is unknown or not higher."""
    cost = {one.model: one for one in costs}
    mine, other = cost.get(lstm.model), cost.get(rival.model)
    if mine is None or other is None or mine.training_seconds <= other.training_seconds:
        return ""
    return (
        f" The LSTM is not worth its cost here: it was trained in {formatting.duration(mine.training_seconds)}, "
        f"{rival.title} in {formatting.duration(other.training_seconds)}."
    )


def _of_behavior(best: VariantReport, *, demo: bool) -> Iterator[ReportWarning]:
    """Yield the behavioral tests that the best variant fails more often than guessing would.

    The words of generated reviews are few, so the failures of a demo model are not serious.
    """
    for test in best.behavioral_tests.tests if best.behavioral_tests is not None else ():
        if test.pass_rate.high < CHANCE:
            yield ReportWarning(
                code="failed_behavior",
                serious=test.kind == "minimum_functionality" and not demo,
                title=f"{best.title} fails a behavioral test: {test.title}",
                text=f"It passes {formatting.count(test.passed)} of {formatting.plural(test.cases, 'case')} "
                f"({formatting.share_interval(test.pass_rate)}). Expectation: {test.expectation}",
            )


def _of_probabilities(title: str, evaluated: EvaluationSummary) -> Iterator[ReportWarning]:
    error = evaluated.scores.calibration_error
    if any(warning.code == "poor_calibration" for warning in evaluated.warnings):
        yield ReportWarning(
            code="calibration",
            title=f"{title} is poorly calibrated",
            text=f"Its expected calibration error is {formatting.share(error.value)} "
            f"({formatting.share_interval(error)}).{_worst_bin(evaluated)} The predicted classes may still be right.",
        )
    chosen = next((point for point in evaluated.operating_points if point.chosen), None)
    half = next((point for point in evaluated.operating_points if point.goal == "half"), None)
    if chosen is None or half is None or chosen.goal == "half":
        return
    if abs(chosen.test.balanced_accuracy - half.test.balanced_accuracy) >= RELEVANT_GAIN:
        yield ReportWarning(
            code="threshold",
            title=f"The scores apply only to the threshold {formatting.score(chosen.threshold)}",
            text=f"It was chosen on the validation split. At 0.5 the balanced accuracy is "
            f"{formatting.score(half.test.balanced_accuracy)} instead of "
            f"{formatting.score(chosen.test.balanced_accuracy)}, and the negative recall is "
            f"{formatting.share(half.test.negative_recall)} instead of "
            f"{formatting.share(chosen.test.negative_recall)}.",
        )


def _worst_bin(evaluated: EvaluationSummary) -> str:
    bins = evaluated.curves.calibration if evaluated.curves is not None else ()
    if not bins:
        return ""
    worst = max(bins, key=lambda one: one.rows * abs(one.mean_probability - one.positive_share.value))
    return (
        f" Of {formatting.plural(worst.rows, 'review')} with a mean probability of "
        f"{formatting.score(worst.mean_probability)}, {formatting.share(worst.positive_share.value)} are positive."
    )


def _of_drift(evidence: RunEvidence) -> Iterator[ReportWarning]:
    comparison = evidence.data_profile.comparison if evidence.data_profile is not None else None
    if comparison is None:
        return
    drifted = [column for column in comparison.columns if column.moved]
    if drifted:
        named = "; ".join(
            f"{column.title} (population stability index {formatting.score(column.stability_index)}, bound "
            f"{formatting.score(column.bound)})"
            for column in drifted[:MAX_NAMED]
        )
        more = f"; and {len(drifted) - MAX_NAMED} more" if len(drifted) > MAX_NAMED else ""
        yield ReportWarning(
            code="drift",
            title="The reviews have drifted from earlier ones",
            text=f"Drifted columns: {named}{more}. A model of earlier reviews may not fit these.",
        )
    if comparison.label_shifted:
        yield ReportWarning(
            code="drift",
            title="The share of positive reviews has changed",
            text=f"By {formatting.points(comparison.positive_share_shift.value)} "
            f"({formatting.points_interval(comparison.positive_share_shift)}) since the earlier reviews.",
        )
    if comparison.new_word_share > NEW_WORD_SHARE:
        words = ", ".join(f"“{new.word}”" for new in comparison.new_words[:MAX_NAMED])
        yield ReportWarning(
            code="drift",
            title="Many words are new",
            text=f"{formatting.share(comparison.new_word_share)} of the words are not in earlier reviews"
            + (f", for example {words}." if words else "."),
        )
    if comparison.quarantine_risen:
        yield ReportWarning(
            code="quarantine",
            title="More rows break the row rules than before",
            text=f"{formatting.share(comparison.quarantined_share)} of the rows are quarantined, earlier "
            f"{formatting.share(comparison.previous_quarantined_share)}. The export of the dump may have changed.",
        )


def _of_leakage(evidence: RunEvidence) -> Iterator[ReportWarning]:
    leakage = evidence.leaks
    if leakage is None:
        return
    if leakage.violated:
        yield ReportWarning(
            code="violated_guarantee",
            serious=True,
            title="The split violates its guarantee",
            text=f"{_shared(leakage.violated)} The strategy guarantees none. Scores on such rows measure memorization.",
        )
    known = [
        figure for figure in leakage.figures if figure.rows and not figure.guaranteed and figure.kind in LEAK_TEXTS
    ]
    if known:
        yield ReportWarning(
            code="data_leakage",
            title="Test and training data overlap",
            text=f"{_shared(known)} The split strategy allows this; the scores may be slightly too high.",
        )
    if leakage.vocabulary_leakage:
        yield ReportWarning(
            code="vocabulary_leakage",
            title="The vocabulary includes words of the test reviews",
            text="The words of all rows were counted, so the vocabulary depends on the test split: a small leakage. "
            "Count the words of the training split to avoid it.",
        )


def _shared(figures: Sequence[LeakageFigure]) -> str:
    parts = [
        f"{formatting.count(figure.rows)} ({formatting.share(figure.share)}) {LEAK_TEXTS[figure.kind]}"
        for figure in figures
    ]
    return f"Of the test rows, {'; '.join(parts)} of the training or validation split."


def _of_training(evidence: RunEvidence, config: RunConfig) -> Iterator[ReportWarning]:
    if evidence.variants and config.training.padding == "unmasked":
        yield ReportWarning(
            code="unmasked_padding",
            title="The padding is not masked",
            text="The network reads the zeros after each review, as the network of the article does, and forgets short "
            "reviews.",
        )
    if evidence.variants and len(config.training.seeds) == 1:
        yield ReportWarning(
            code="one_seed",
            title="Only one training seed",
            text="Each model was trained once. The intervals cover the sampling of test reviews, not the randomness of "
            "training. Train with three seeds or more before you rely on a small difference.",
        )
    devices = [evidence.device, *(variant.trained.device for variant in evidence.variants if variant.trained)]
    for text in dict.fromkeys(device.warning for device in devices if device is not None and device.warning):
        yield ReportWarning(code="device", title="Trained on the CPU instead of a GPU", text=text)


def _of_splits(evidence: RunEvidence) -> Iterator[ReportWarning]:
    split = evidence.split
    if split is None or not split.splits:
        return
    test = split.by_name("test")
    rarer = min(test.positive, test.rows - test.positive)
    if rarer < SMALL_CLASS_ROWS:
        name = "positive" if test.positive < test.rows - test.positive else "negative"
        yield ReportWarning(
            code="small_test_split",
            title="The test split is small",
            text=f"It has {formatting.plural(test.rows, 'row')}, of which {formatting.count(rarer)} are {name}. The "
            "intervals are wide; read them before the scores.",
        )
    shares = [one.positive_share for one in split.splits if one.rows]
    if shares and max(shares) - min(shares) > DIFFERING_SHARE:
        named = ", ".join(f"{one.name} {formatting.share(one.positive_share)}" for one in split.splits)
        yield ReportWarning(
            code="differing_splits",
            title="The splits differ in their share of positive reviews",
            text=f"Positive: {named}. A threshold chosen on validation fits the test split less well.",
        )


def _of_quarantine(evidence: RunEvidence) -> Iterator[ReportWarning]:
    validation = evidence.validation_raw
    quarantined = sum(validation.quarantined.values()) if validation is not None else 0
    if validation is not None and quarantined:
        reasons = ", ".join(f"{reason} {formatting.count(rows)}" for reason, rows in validation.quarantined.items())
        yield ReportWarning(
            code="quarantine",
            title=f"{formatting.plural(quarantined, 'row')} quarantined",
            text=f"{formatting.share(quarantined / validation.rows if validation.rows else 0)} of the rows broke a row "
            f"rule and were excluded: {reasons}.",
        )


def _of_notes(evidence: RunEvidence) -> Iterator[ReportWarning]:
    for title, summary in (
        ("Reading the dump", evidence.ingest),
        ("Cleaning", evidence.clean),
        ("Splitting", evidence.split),
    ):
        for note in summary.notes if summary is not None else ():
            yield ReportWarning(code="note", title=title, text=note)
