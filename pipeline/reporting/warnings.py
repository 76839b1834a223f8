"""What a reader must be warned of, derived from the figures of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.cleaning.records import CleanSummary
from pipeline.config import RunConfig
from pipeline.evaluation.records import ComparisonSummary, EvaluationSummary, Scores
from pipeline.evaluation.rules import MAJORITY_BOUND, TFIDF
from pipeline.evaluation.text import comparison_sentence
from pipeline.profiling.records import ProfileSummary
from pipeline.readers.records import IngestSummary
from pipeline.reporting import formatting
from pipeline.reporting.records import ReportWarning, VariantReport
from pipeline.splitting.records import LeakageFigure, LeakageSummary, SplitSummary
from pipeline.training.records import DeviceRecord
from pipeline.validation.records import ValidationSummary

SMALL_CLASS_ROWS = 400
"""Test rows of the rarer class below which its recall has a 95 % interval wider than ±0.05 (at 0.5)."""

DIFFERING_SHARE = 0.03
"""Difference of the positive share between two parts from which a reader is told."""

CALIBRATION_BOUND = 0.05
"""Expected calibration error that its interval must pass before a reader is told: five points are what the verdict
counts as a difference that matters (docs/explanation/evaluation.md)."""

CHANCE = 0.5
"""What a coin passes of the behavior tests."""

TELLING_THRESHOLD = 0.01
"""Difference of balanced accuracy between the chosen threshold and 0.5 from which the choice is worth a word."""

MOST_MOVED = 3
"""Columns, and words, of the comparison with earlier reviews that a warning names."""

NEW_WORD_SHARE = 0.05
"""Share of words that earlier reviews lack from which a reader is told (one word in twenty)."""

LEAK_WORDS = {
    "identical_text": "repeat a text",
    "near_duplicate": "nearly repeat a text",
    "product": "are of a product",
    "user": "are by a user",
}
"""What a test row shares with the other two parts."""


def warnings(
    config: RunConfig,
    *,
    demo: bool,
    ingest: IngestSummary | None,
    validation: ValidationSummary | None,
    clean: CleanSummary | None,
    data_profile: ProfileSummary | None,
    split: SplitSummary | None,
    leaks: LeakageSummary | None,
    device: DeviceRecord | None,
    variants: tuple[VariantReport, ...],
    comparison: ComparisonSummary | None,
    best: str | None,
) -> tuple[ReportWarning, ...]:
    """Return every warning, the serious ones first, each group in the order of what it says of the figures."""
    found = [
        *_of_models(variants),
        *_of_baseline(comparison, best),
        *_of_behavior(variants, best, demo=demo),
        *_of_leaks(leaks),
        *_of_probabilities(variants, best),
        *_of_training(config, variants),
        *_of_drift(data_profile),
        *_of_device(device, variants),
        *_of_parts(split),
        *_of_quarantine(validation),
        *_of_notes(ingest, clean, split),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda warning: not warning.serious))


def _of_models(variants: tuple[VariantReport, ...]) -> Iterator[ReportWarning]:
    for variant in variants:
        evaluated = variant.evaluated
        if evaluated is not None and evaluated.no_better_than_majority:
            scores = evaluated.scores
            yield ReportWarning(
                kind="collapsed_model",
                serious=True,
                title=f"{variant.title} is no better than the majority",
                text=f"It calls {formatting.share(scores.predicted_positive_share)} of the test reviews positive; its "
                f"balanced accuracy is {formatting.score(scores.balanced_accuracy.value)}, and 0.5 is chance. Its "
                f"accuracy of {formatting.score(scores.accuracy.value)} is "
                + (
                    "the share of one class, not skill."
                    if scores.predicted_positive_share in (0, 1)
                    else f"no skill: always the larger class has {formatting.score(_larger_share(scores))}."
                )
                + _ranking(evaluated),
            )
        exported = variant.exported
        if exported is not None and exported.identical_ids < exported.checked_rows:
            yield ReportWarning(
                kind="export",
                serious=False,
                title=f"The exported {variant.title} reads some reviews differently",
                text=f"{formatting.count(exported.checked_rows - exported.identical_ids)} of "
                f"{formatting.count(exported.checked_rows)} checked reviews get other word ids from the exported "
                f"model than from the pipeline; the largest difference of a probability is "
                f"{formatting.score(exported.largest_difference)}.",
            )
        if evaluated is not None and evaluated.unusable_probabilities:
            yield ReportWarning(
                kind="diverged_model",
                serious=True,
                title=f"{variant.title} gives no probability for some reviews",
                text=f"{formatting.plural(evaluated.unusable_probabilities, 'validation or test review')} got "
                "something that is no number of 0–1 and counts as 0.5: the training diverged or the model is damaged.",
            )
    told: dict[str, list[str]] = {}
    for variant in variants:
        evaluated = variant.evaluated
        if evaluated is not None and not evaluated.no_better_than_majority and not evaluated.unusable_probabilities:
            for warning in evaluated.warnings:
                told.setdefault(warning, []).append(variant.title)
    for warning, titles in told.items():
        # Up to its colon a warning says what, behind it why: that makes a title and a text.
        what, colon, why = warning.partition(": ")
        title = f"{'; '.join(titles)}: {_lower(what)}" if colon else "; ".join(titles)
        yield ReportWarning(
            kind="note", serious=False, title=title, text=why[:1].upper() + why[1:] if colon else warning
        )


def _larger_share(scores: Scores) -> float:
    return max(scores.negative.rows, scores.positive.rows) / scores.rows if scores.rows else 0.0


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _ranking(evaluated: EvaluationSummary) -> str:
    """Say what a model could do that only its threshold spoils."""
    best = next((point for point in evaluated.operating_points if point.goal == "balanced_accuracy"), None)
    area = evaluated.scores.roc_auc
    if best is None or area.low <= MAJORITY_BOUND or best.test.balanced_accuracy <= MAJORITY_BOUND:
        return ""
    return (
        f" Its probabilities do rank the reviews (ROC-AUC {formatting.score(area.value)}): at the threshold "
        f"{formatting.score(best.threshold)}, the best on validation, it would find "
        f"{formatting.share(best.test.negative_recall)} of the negative reviews."
    )


def _example(evaluated: EvaluationSummary) -> str:
    """Return the bin of probabilities that is furthest from the truth, in words."""
    bins = evaluated.curves.calibration if evaluated.curves is not None else ()
    if not bins:
        return ""
    worst = max(bins, key=lambda one: one.rows * abs(one.mean_probability - one.positive_share.value))
    return (
        f" Of {formatting.plural(worst.rows, 'review')} given about {formatting.score(worst.mean_probability)}, "
        f"{formatting.share(worst.positive_share.value)} are positive."
    )


def _of_baseline(comparison: ComparisonSummary | None, best: str | None) -> Iterator[ReportWarning]:
    pair = comparison.between(best, TFIDF) if comparison is not None and best is not None else None
    if pair is not None and pair.significant and pair.balanced_accuracy_difference.value < 0:
        yield ReportWarning(
            kind="below_baseline",
            serious=False,
            title="A baseline that counts words is better",
            text=comparison_sentence(pair),
        )


def _of_behavior(variants: tuple[VariantReport, ...], best: str | None, *, demo: bool) -> Iterator[ReportWarning]:
    """Warn of behavior tests that the chosen model passes less often than a coin would.

    Generated reviews teach few of the words that plain English has, so that a demo model's failure is no surprise.
    """
    for variant in variants:
        if variant.name != best or variant.behavioral_tests is None:
            continue
        for test in variant.behavioral_tests.tests:
            if test.pass_rate.high < CHANCE:
                plain = test.kind == "minimum_functionality"
                yield ReportWarning(
                    kind="failed_behavior",
                    serious=plain and not demo,
                    title=f"{variant.title} fails a test of plain sentences: {test.title}"
                    if plain
                    else f"{variant.title} fails a behavior test: {test.title}",
                    text=f"It passes {formatting.count(test.passed)} of {formatting.plural(test.cases, 'case')} "
                    f"({formatting.share_interval(test.pass_rate)}). Expected: {_lower(test.expectation)}",
                )


def _of_probabilities(variants: tuple[VariantReport, ...], best: str | None) -> Iterator[ReportWarning]:
    """Warn of the chosen model's probabilities: badly calibrated, or useless at the customary threshold."""
    for variant in variants:
        evaluated = variant.evaluated
        if variant.name != best or evaluated is None:
            continue
        error = evaluated.scores.calibration_error
        if error.low > CALIBRATION_BOUND:
            yield ReportWarning(
                kind="calibration",
                serious=False,
                title=f"The probabilities of {variant.title} are no chances",
                text=f"They are off by {formatting.share(error.value)} on average ({formatting.share_interval(error)}; "
                f"expected calibration error).{_example(evaluated)} Its answers may still be right.",
            )
        chosen = next((point for point in evaluated.operating_points if point.chosen), None)
        half = next((point for point in evaluated.operating_points if point.goal == "half"), None)
        if chosen is None or half is None or chosen.goal == "half":
            continue
        gain = chosen.test.balanced_accuracy - half.test.balanced_accuracy
        if abs(gain) >= TELLING_THRESHOLD:
            yield ReportWarning(
                kind="threshold",
                serious=False,
                title=f"The figures hold at the threshold {formatting.score(chosen.threshold)} only",
                text=f"It was chosen on the validation part. At 0.5 balanced accuracy would be "
                f"{formatting.score(half.test.balanced_accuracy)} instead of "
                f"{formatting.score(chosen.test.balanced_accuracy)}, and {formatting.share(half.test.negative_recall)} "
                f"of the negative reviews would be found instead of {formatting.share(chosen.test.negative_recall)}.",
            )


def _of_drift(data_profile: ProfileSummary | None) -> Iterator[ReportWarning]:
    before = data_profile.comparison if data_profile is not None else None
    if before is None:
        return
    moved = [column for column in before.columns if column.moved]
    if moved:
        named = "; ".join(
            f"{column.title} (stability index {formatting.score(column.stability_index)}, chance stays below "
            f"{formatting.score(column.bound)})"
            for column in moved[:MOST_MOVED]
        )
        more = f"; and {len(moved) - MOST_MOVED} more" if len(moved) > MOST_MOVED else ""
        yield ReportWarning(
            kind="drift",
            serious=False,
            title="The reviews differ from earlier ones",
            text=f"Moved beyond chance: {named}{more}. A model of the earlier reviews may not fit these.",
        )
    if before.label_shifted:
        yield ReportWarning(
            kind="drift",
            serious=False,
            title="The share of positive reviews differs from earlier ones",
            text=f"By {formatting.points(before.positive_share_shift.value)} "
            f"({formatting.points_interval(before.positive_share_shift)}).",
        )
    if before.new_word_share > NEW_WORD_SHARE:
        words = ", ".join(f"“{new.word}”" for new in before.new_words[:MOST_MOVED])
        yield ReportWarning(
            kind="drift",
            serious=False,
            title="Many words stand in no earlier review",
            text=f"{formatting.share(before.new_word_share)} of the words" + (f", such as {words}." if words else "."),
        )
    if before.quarantine_risen:
        yield ReportWarning(
            kind="quarantine",
            serious=False,
            title="More rows break the rules than before",
            text=f"{formatting.share(before.quarantined_share)} of the rows are in quarantine, "
            f"{formatting.share(before.previous_quarantined_share)} were: the export that makes the dump may have "
            "changed.",
        )


def _of_leaks(leaks: LeakageSummary | None) -> Iterator[ReportWarning]:
    if leaks is None:
        return
    broken = leaks.violated
    if broken:
        yield ReportWarning(
            kind="broken_promise",
            serious=True,
            title="The split breaks its promise",
            text=f"{_shared(broken)}. The strategy promises none; scores on such rows show memory, not skill.",
        )
    known = [figure for figure in leaks.figures if figure.rows and not figure.guaranteed]
    if known:
        yield ReportWarning(
            kind="leak",
            serious=False,
            title="Training knows something of the test part",
            text=f"{_shared(known)}. This split does not promise otherwise; the scores may be a little too good.",
        )
    if leaks.vocabulary_leakage:
        yield ReportWarning(
            kind="vocabulary_leakage",
            serious=False,
            title="The vocabulary counts words of the test reviews",
            text="Words were counted in every row, so the choice of words knows the test part: a small leak. Count "
            "words in the training part to be rid of it.",
        )


def _shared(figures: Sequence[LeakageFigure]) -> str:
    parts = [
        f"{formatting.count(figure.rows)} ({formatting.share(figure.share)}) {LEAK_WORDS[figure.kind]}"
        for figure in figures
    ]
    return "Of the test rows, " + "; ".join(parts) + " known from training or validation"


def _of_training(config: RunConfig, variants: tuple[VariantReport, ...]) -> Iterator[ReportWarning]:
    if not variants:
        return
    if config.training.padding == "unmasked":
        yield ReportWarning(
            kind="unmasked_padding",
            serious=False,
            title="The padding is not masked",
            text="The network reads the zeros after each review, as the article's does. Short reviews are forgotten.",
        )
    if len(config.training.seeds) == 1:
        yield ReportWarning(
            kind="one_seed",
            serious=False,
            title="One seed only",
            text="Each model was trained once. The intervals cover the choice of test reviews, not the luck of a "
            "training: train with three seeds or more before trusting a small difference.",
        )


def _of_device(device: DeviceRecord | None, variants: tuple[VariantReport, ...]) -> Iterator[ReportWarning]:
    devices = [device] if device is not None else []
    devices += [variant.trained.device for variant in variants if variant.trained is not None]
    for text in dict.fromkeys(found.warning for found in devices if found.warning):
        yield ReportWarning(kind="device", serious=False, title="Trained on the CPU instead of a GPU", text=text)


def _of_parts(split: SplitSummary | None) -> Iterator[ReportWarning]:
    if split is None or not split.splits:
        return
    test = split.by_name("test")
    rarer = min(test.positive, test.rows - test.positive)
    if rarer < SMALL_CLASS_ROWS:
        name = "positive" if test.positive < test.rows - test.positive else "negative"
        yield ReportWarning(
            kind="small_test_part",
            serious=False,
            title="The test part is small",
            text=f"It holds {formatting.plural(test.rows, 'row')}, of which {formatting.count(rarer)} are {name}. "
            "Intervals are wide: read them before the figures.",
        )
    shares = [part.positive_share for part in split.splits if part.rows]
    if shares and max(shares) - min(shares) > DIFFERING_SHARE:
        parts = ", ".join(f"{part.name} {formatting.share(part.positive_share)}" for part in split.splits)
        yield ReportWarning(
            kind="differing_parts",
            serious=False,
            title="The parts differ in their share of positive reviews",
            text=f"Positive: {parts}. A threshold chosen on validation fits the test part less well.",
        )


def _of_quarantine(validation: ValidationSummary | None) -> Iterator[ReportWarning]:
    quarantined = sum(validation.quarantined.values()) if validation is not None else 0
    if validation is not None and quarantined:
        reasons = ", ".join(f"{reason} {formatting.count(rows)}" for reason, rows in validation.quarantined.items())
        yield ReportWarning(
            kind="quarantine",
            serious=False,
            title=f"{formatting.plural(quarantined, 'row')} in quarantine",
            text=f"{formatting.share(quarantined / validation.rows if validation.rows else 0)} of the rows broke a row "
            f"rule and were excluded: {reasons}.",
        )


def _of_notes(
    ingest: IngestSummary | None, clean: CleanSummary | None, split: SplitSummary | None
) -> Iterator[ReportWarning]:
    for title, notes in (
        ("While reading", ingest.notes if ingest is not None else ()),
        ("While cleaning", clean.notes if clean is not None else ()),
        ("While splitting", split.notes if split is not None else ()),
    ):
        for note in notes:
            yield ReportWarning(kind="note", serious=False, title=title, text=note)
