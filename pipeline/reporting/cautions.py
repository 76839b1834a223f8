"""What a reader must be warned of, derived from the figures of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.cleaning.records import CleanSummary
from pipeline.config import RunConfig
from pipeline.evaluation.records import ComparisonSummary
from pipeline.evaluation.rules import TFIDF
from pipeline.ingest.records import IngestSummary
from pipeline.reporting import formatting
from pipeline.reporting.records import Caution, VariantReport
from pipeline.splitting.records import LeakFigure, LeakSummary, SplitSummary
from pipeline.training.records import DeviceRecord
from pipeline.validation.records import ValidationSummary

SMALL_CLASS_ROWS = 400
"""Test rows of the rarer class below which its recall has a 95 % interval wider than ±0.05 (at 0.5)."""

DIFFERING_SHARE = 0.03
"""Difference of the positive share between two parts from which a reader is told."""

LEAK_WORDS = {
    "identical_text": "repeat a text",
    "near_copy": "nearly repeat a text",
    "product": "are of a product",
    "user": "are by a user",
}
"""What a test row shares with the other two parts."""


def cautions(
    config: RunConfig,
    *,
    ingest: IngestSummary | None,
    validation: ValidationSummary | None,
    clean: CleanSummary | None,
    split: SplitSummary | None,
    leaks: LeakSummary | None,
    device: DeviceRecord | None,
    variants: tuple[VariantReport, ...],
    comparison: ComparisonSummary | None,
    best: str | None,
) -> tuple[Caution, ...]:
    """Return every caution, the serious ones first, each group in the order of what it says of the figures."""
    found = [
        *_of_models(variants),
        *_of_baseline(comparison, best),
        *_of_leaks(leaks),
        *_of_training(config, variants),
        *_of_device(device, variants),
        *_of_parts(split),
        *_of_quarantine(validation),
        *_of_notes(ingest, clean, split),
    ]
    return tuple(sorted(found, key=lambda caution: not caution.serious))


def _of_models(variants: tuple[VariantReport, ...]) -> Iterator[Caution]:
    for variant in variants:
        evaluated = variant.evaluated
        if evaluated is not None and evaluated.no_better_than_majority:
            scores = evaluated.scores
            yield Caution(
                kind="collapsed_model",
                serious=True,
                title=f"{variant.title} is no better than the majority",
                text=f"It calls {formatting.share(scores.predicted_positive_share)} of the test reviews positive; its "
                f"balanced accuracy is {formatting.score(scores.balanced_accuracy.value)}, and 0.5 is chance. Its "
                f"accuracy of {formatting.score(scores.accuracy.value)} is the share of the frequent class, not skill.",
            )
        exported = variant.exported
        if exported is not None and exported.identical_ids < exported.checked_rows:
            yield Caution(
                kind="export",
                serious=False,
                title=f"The exported {variant.title} reads some reviews differently",
                text=f"{formatting.count(exported.checked_rows - exported.identical_ids)} of "
                f"{formatting.count(exported.checked_rows)} checked reviews get other word ids from the exported "
                f"model than from the pipeline; the largest difference of a probability is "
                f"{formatting.score(exported.largest_difference)}.",
            )
        if evaluated is not None and evaluated.unusable_probabilities:
            yield Caution(
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
        yield Caution(kind="note", serious=False, title="; ".join(titles), text=warning)


def _of_baseline(comparison: ComparisonSummary | None, best: str | None) -> Iterator[Caution]:
    pair = comparison.between(best, TFIDF) if comparison is not None and best is not None else None
    if pair is not None and pair.shown and pair.balanced_accuracy_difference.value < 0:
        yield Caution(
            kind="below_baseline", serious=False, title="A baseline that counts words is better", text=pair.sentence
        )


def _of_leaks(leaks: LeakSummary | None) -> Iterator[Caution]:
    if leaks is None:
        return
    broken = leaks.broken
    if broken:
        yield Caution(
            kind="broken_promise",
            serious=True,
            title="The split breaks its promise",
            text=f"{_shared(broken)}. The strategy promises none; scores on such rows show memory, not skill.",
        )
    known = [figure for figure in leaks.figures if figure.rows and not figure.promised]
    if known:
        yield Caution(
            kind="leak",
            serious=False,
            title="Training knows something of the test part",
            text=f"{_shared(known)}. This split does not promise otherwise; the scores may be a little too good.",
        )
    if leaks.vocabulary_leak:
        yield Caution(
            kind="vocabulary_leak",
            serious=False,
            title="The vocabulary counts words of the test reviews",
            text="Words were counted in every row, so the choice of words knows the test part: a small leak. Count "
            "words in the training part to be rid of it.",
        )


def _shared(figures: Sequence[LeakFigure]) -> str:
    parts = [
        f"{formatting.count(figure.rows)} ({formatting.share(figure.share)}) {LEAK_WORDS[figure.kind]}"
        for figure in figures
    ]
    return "Of the test rows, " + "; ".join(parts) + " known from training or validation"


def _of_training(config: RunConfig, variants: tuple[VariantReport, ...]) -> Iterator[Caution]:
    if not variants:
        return
    if config.training.padding == "unmasked":
        yield Caution(
            kind="unmasked_padding",
            serious=False,
            title="The padding is not masked",
            text="The network reads the zeros after each review, as the article's does. Short reviews are forgotten.",
        )
    if len(config.training.seeds) == 1:
        yield Caution(
            kind="one_seed",
            serious=False,
            title="One seed only",
            text="Each model was trained once. The intervals cover the choice of test reviews, not the luck of a "
            "training: train with three seeds or more before trusting a small difference.",
        )


def _of_device(device: DeviceRecord | None, variants: tuple[VariantReport, ...]) -> Iterator[Caution]:
    devices = [device] if device is not None else []
    devices += [variant.trained.device for variant in variants if variant.trained is not None]
    for text in dict.fromkeys(found.warning for found in devices if found.warning):
        yield Caution(kind="device", serious=False, title="Trained on the CPU instead of a GPU", text=text)


def _of_parts(split: SplitSummary | None) -> Iterator[Caution]:
    if split is None or not split.parts:
        return
    test = split.part("test")
    rarer = min(test.positive, test.rows - test.positive)
    if rarer < SMALL_CLASS_ROWS:
        name = "positive" if test.positive < test.rows - test.positive else "negative"
        yield Caution(
            kind="small_test_part",
            serious=False,
            title="The test part is small",
            text=f"It holds {formatting.plural(test.rows, 'row')}, of which {formatting.count(rarer)} are {name}. "
            "Intervals are wide: read them before the figures.",
        )
    shares = [part.positive_share for part in split.parts if part.rows]
    if shares and max(shares) - min(shares) > DIFFERING_SHARE:
        parts = ", ".join(f"{part.name} {formatting.share(part.positive_share)}" for part in split.parts)
        yield Caution(
            kind="differing_parts",
            serious=False,
            title="The parts differ in their share of positive reviews",
            text=f"Positive: {parts}. A threshold chosen on validation fits the test part less well.",
        )


def _of_quarantine(validation: ValidationSummary | None) -> Iterator[Caution]:
    quarantined = sum(validation.quarantined.values()) if validation is not None else 0
    if validation is not None and quarantined:
        reasons = ", ".join(f"{reason} {formatting.count(rows)}" for reason, rows in validation.quarantined.items())
        yield Caution(
            kind="quarantine",
            serious=False,
            title=f"{formatting.plural(quarantined, 'row')} in quarantine",
            text=f"{formatting.share(quarantined / validation.rows if validation.rows else 0)} of the rows broke a row "
            f"rule and were set aside: {reasons}.",
        )


def _of_notes(
    ingest: IngestSummary | None, clean: CleanSummary | None, split: SplitSummary | None
) -> Iterator[Caution]:
    for title, notes in (
        ("While reading", ingest.notes if ingest is not None else ()),
        ("While cleaning", clean.notes if clean is not None else ()),
        ("While splitting", split.notes if split is not None else ()),
    ):
        for note in notes:
            yield Caution(kind="note", serious=False, title=title, text=note)
