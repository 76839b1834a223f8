"""A plausible run in a store: what the report's tests and screenshots are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipeline.cleaning.records import CleanSummary, FunnelStep
from pipeline.config import RunConfig, VariantConfig
from pipeline.encoding.records import EncodedPart, EncodingSummary, LengthBin, LengthPercentile
from pipeline.evaluation.records import (
    BaselinesSummary,
    ClassScores,
    Comparison,
    ComparisonSummary,
    ConfusionMatrix,
    EvaluationSummary,
    Interval,
    Mistake,
    Scores,
    WordWeight,
)
from pipeline.evaluation.rules import MAJORITY, TFIDF
from pipeline.ingest.records import IngestedFile, IngestSummary, LandedFile, LandSummary
from pipeline.promotion.records import Candidate, RuleResult, Verdict
from pipeline.reporting import ReportReferences, VariantReferences
from pipeline.splitting.records import LeakFigure, LeakSummary, PartSummary, SplitSummary
from pipeline.store import ArtifactStore
from pipeline.training.records import DeviceRecord, EpochRecord, ExportSummary, PredictSummary, TrainSummary
from pipeline.validation.records import ContractResult, ExpectationResult, ValidationSummary
from pipeline.vocabulary.records import PartCoverage, VocabularySummary
from tests.support import place

NEGATIVE, POSITIVE = 241, 1_203
"""Test rows of each class in the example."""

DEVICE = DeviceRecord(
    kind="cpu", name="2 cores", warning="A GPU was asked for and none was found; this run trained on the CPU."
)


@dataclass(frozen=True)
class ExampleRun:
    """What ``report`` takes."""

    references: ReportReferences
    config: RunConfig


def example_run(store: ArtifactStore, profile: str = "default", **changes: Any) -> ExampleRun:
    """Place a run with a verdict: healthy in ``default`` and ``demo``, with a collapsed model in ``article``.

    Args:
        store: Where to.
        profile: Of the configuration.
        changes: Texts to plant: ``file_name``, ``review``, ``origin``.
    """
    config = RunConfig.from_flat({"profile": profile, "dumps": ["fine_foods_a.csv.gz"], "epochs": 8})
    article = profile == "article"
    data = place_data(store, config, demo=profile == "demo", **changes)
    evaluations = {
        variant.name: evaluation(variant, collapsed=article and variant.direction == "uni", **changes)
        for variant in config.variants
    }
    variants = tuple(
        place_variant(store, variant, evaluations[variant.name], collapsed=article and variant.direction == "uni")
        for variant in config.variants
    )
    baselines = place(
        store,
        "baselines",
        BaselinesSummary(
            evaluations=(tfidf(), majority()),
            positive_terms=(WordWeight(term="great", weight=6.1), WordWeight(term="not disappointed", weight=4.2)),
            negative_terms=(WordWeight(term="not", weight=-7.3), WordWeight(term="disappointed", weight=-6.4)),
            terms=41_207,
            inverse_regularisation=4.0,
        ),
    )
    uni, bi = (evaluations[variant.name] for variant in config.variants)
    comparison = place(
        store,
        "compare",
        ComparisonSummary(comparisons=(compared(bi, uni), compared(bi, tfidf()), compared(uni, tfidf()))),
    )
    verdict = place(store, "decide", the_verdict(bi, uni, accept=not article, demo=profile == "demo"))
    references = data.model_copy(
        update={
            "device": DEVICE,
            "baselines": baselines,
            "variants": variants,
            "comparison": comparison,
            "verdict": verdict,
        }
    )
    return ExampleRun(references, config)


def refused_run(store: ArtifactStore, **changes: Any) -> ExampleRun:
    """Place a run whose raw data broke the contract: only the first artifacts exist."""
    config = RunConfig.from_flat({"profile": "default", "dumps": ["reviews.csv"]})
    landed = place(store, "land", land_summary(demo=False, **changes))
    ingested = place(store, "ingest", ingest_summary(demo=False, **changes))
    broken = ExpectationResult(
        name="expect_column_values_to_be_in_set",
        title="At most 1 % of the rows break a row rule",
        column="score",
        success=False,
        observed="3.9 % (374 of 9,542)",
        expected="at most 1.0 %",
        advice="Look at the quarantined rows below: a shifted column or another score scale is the usual cause.",
    )
    validated = place(
        store,
        "validate_raw",
        validation_summary("raw", broken=(broken,)).model_copy(
            update={"quarantined": {"bad_score": 361, "empty_text": 13}}
        ),
        tables={"quarantine.parquet": quarantine_table(**changes)},
    )
    references = ReportReferences(
        landed=landed,
        ingested=ingested,
        validated_raw=validated,
        refusal=changes.get(
            "refusal",
            "The raw data breaks its contract. At most 1 % of the rows break a row rule: observed 3.9 % (374 of "
            "9,542), expected at most 1.0 %. Look at the quarantined rows, mend the dump and run again.",
        ),
    )
    return ExampleRun(references, config)


def place_data(store: ArtifactStore, config: RunConfig, *, demo: bool, **changes: Any) -> ReportReferences:
    """Place everything from landing to encoding."""
    article = config.profile == "article"
    return ReportReferences(
        landed=place(store, "land", land_summary(demo=demo, **changes)),
        ingested=place(store, "ingest", ingest_summary(demo=demo, **changes)),
        validated_raw=place(
            store,
            "validate_raw",
            validation_summary("raw"),
            tables={"quarantine.parquet": quarantine_table(**changes)},
        ),
        cleaned=place(store, "clean", clean_summary(config)),
        validated_clean=place(store, "validate_clean", validation_summary("clean")),
        parts=place(store, "split", split_summary(config)),
        leaks=place(
            store,
            "check_leaks",
            LeakSummary(
                figures=(
                    LeakFigure(
                        kind="identical_text",
                        rows=3 if article else 0,
                        share=0.0021 if article else 0.0,
                        promised=not article,
                    ),
                    LeakFigure(
                        kind="near_copy",
                        rows=11 if article else 0,
                        share=0.0076 if article else 0.0,
                        promised=not article,
                    ),
                    LeakFigure(kind="product", rows=0, share=0.0, promised=not article),
                    LeakFigure(kind="user", rows=187, share=0.1295, promised=False),
                ),
                vocabulary_leak=article,
            ),
        ),
        vocabulary=place(store, "fit_vocabulary", vocabulary_summary(article)),
        encoded=place(store, "encode", encode_summary()),
    )


def land_summary(*, demo: bool, **changes: Any) -> LandSummary:
    """Return one landed file."""
    name = changes.get("file_name", "fine_foods_a.csv.gz")
    return LandSummary(
        files=(
            LandedFile(
                name=name,
                path="raw/0",
                origin=changes.get("origin", "dumps/fine_foods_a.csv.gz"),
                bytes=1_972_737,
                sha256="5d1f4bcf1f9e3650ef624d7a88348c20ed3f85d647e8fbaac0a730ab2f09f95e",
            ),
        ),
        demo=demo,
    )


def ingest_summary(*, demo: bool, **changes: Any) -> IngestSummary:
    """Return one ingested file."""
    return IngestSummary(
        files=(
            IngestedFile(
                name=changes.get("file_name", "fine_foods_a.csv.gz"),
                format="csv",
                compression="gz",
                encoding="utf-8",
                delimiter=",",
                rows=9_542,
                problem_rows=14,
                column_mapping={"text": "Text", "score": "Score"},
            ),
        ),
        rows=9_542,
        problem_rows=14,
        missing_columns=(),
        notes=(),
        demo=demo,
    )


def validation_summary(data_set: str, broken: tuple[ExpectationResult, ...] = ()) -> ValidationSummary:
    """Return a contract of three clauses that hold, and those that do not."""
    holding = (
        ExpectationResult(
            name="expect_table_row_count_to_be_between",
            title="There are enough rows",
            column=None,
            success=True,
            observed="9,528",
            expected="at least 200",
            advice="Bring more reviews.",
        ),
        ExpectationResult(
            name="expect_column_values_to_be_between",
            title="Every score is 1 to 5",
            column="score",
            success=True,
            observed="1 to 5",
            expected="1 to 5",
            advice="Map the column that holds the stars.",
        ),
        ExpectationResult(
            name="expect_column_mean_to_be_between",
            title="Both classes are there",
            column="score",
            success=True,
            observed="15.3 % negative",
            expected="at least 1.0 % of each",
            advice="Bring reviews of both kinds.",
        ),
    )
    return ValidationSummary(
        data_set=data_set,
        rows=9_542 if data_set == "raw" else 8_530,
        quarantined={"unparseable": 3, "bad_score": 6, "empty_text": 5} if data_set == "raw" else {},
        contract=ContractResult(success=not broken, expectations=broken + holding),
        data_docs="data_docs/index.html",
    )


def quarantine_table(**changes: Any) -> pa.Table:
    """Return a few quarantined rows."""
    name = changes.get("file_name", "fine_foods_a.csv.gz")
    raw = changes.get("review", '4711,B001E4KFG0,A3SGXH7AUHU8GW,delmartian,1,1,"7",1303862400,"Good","I have bought…"')
    rows = [("bad_score", 4_712, "score is '7', expected 1 to 5"), ("bad_score", 5_003, "score is '', expected 1 to 5")]
    rows += [("empty_text", 812, "text is empty"), ("unparseable", 9_120, "12 fields, expected 10")]
    return pa.table(
        {
            "row": [line - 2 for _, line, _ in rows],
            "file": [name for _ in rows],
            "line": [line for _, line, _ in rows],
            "reason": [reason for reason, _, _ in rows],
            "detail": [detail for _, _, detail in rows],
            "raw": [raw for _ in rows],
        }
    )


def clean_summary(config: RunConfig) -> CleanSummary:
    """Return the steps of the cleaning."""
    return CleanSummary(
        normalisation=config.text.normalisation,
        summary_joined=config.text.join_summary,
        stop_words="the project's own list, equal to NLTK's",
        steps=(
            FunnelStep(name="Rows that keep the row rules", reason=None, rows=9_528),
            FunnelStep(name="Drop neutral scores", reason="neutral_score", rows=8_799),
            FunnelStep(name="Drop duplicates", reason="duplicate", rows=8_533),
            FunnelStep(name="Drop impossible votes", reason="helpfulness_above_denominator", rows=8_532),
            FunnelStep(name="Drop reviews without words", reason="no_words", rows=8_530),
        ),
        positive=7_228,
        negative=1_302,
        notes=(),
    )


def split_summary(config: RunConfig) -> SplitSummary:
    """Return three parts of unlike sizes."""

    def part(name: Any, rows: int, positive: int) -> PartSummary:
        return PartSummary(
            name=name,
            rows=rows,
            positive=positive,
            products=rows // 9,
            users=rows - rows // 20,
            first_review=datetime(2002, 1, 5, tzinfo=UTC),
            last_review=datetime(2012, 10, 26, tzinfo=UTC),
        )

    return SplitSummary(
        strategy=config.split.strategy,
        group_by=config.split.group_by,
        parts=(
            part("train", 6_318, 5_370),
            part("validation", 768, 655),
            part("test", NEGATIVE + POSITIVE, POSITIVE),
        ),
        notes=(),
    )


def vocabulary_summary(leak: bool) -> VocabularySummary:
    """Return a vocabulary of the training part, or of every row."""
    return VocabularySummary(
        words=24_118 if leak else 11_902,
        size=24_119 if leak else 11_904,
        unknown_id=None if leak else 1,
        distinct_words=24_118 if leak else 21_377,
        tokens_counted=330_411 if leak else 244_902,
        rows_counted=8_530 if leak else 6_318,
        coverage=(
            PartCoverage(part="train", tokens=244_902, unknown=0 if leak else 9_475),
            PartCoverage(part="validation", tokens=29_877, unknown=0 if leak else 1_689),
            PartCoverage(part="test", tokens=55_632, unknown=0 if leak else 3_171),
        ),
        leak=leak,
    )


def encode_summary() -> EncodingSummary:
    """Return lengths with the long tail that reviews have."""

    def part(name: Any, rows: int, positive: int) -> EncodedPart:
        shares = [
            math.exp(-(((math.log((10 * number + 6) / 27)) / 0.78) ** 2) / 2) / (10 * number + 6)
            for number in range(31)
        ]
        counts = [round(rows * share / sum(shares)) for share in shares]
        counts[2] += rows - sum(counts)
        return EncodedPart(
            name=name,
            rows=rows,
            positive=positive,
            tokens=rows * 36,
            unknown_tokens=rows,
            truncated_rows=sum(counts[15:]),
            truncated_tokens=60 * sum(counts[15:]),
            dropped_tokens=0,
            empty_rows=0,
            mean_length=38.4,
            percentiles=tuple(
                LengthPercentile(percent=percent, words=words)
                for percent, words in ((5, 9), (25, 17), (50, 27), (75, 46), (90, 79), (95, 109), (99, 214), (100, 702))
            ),
            lengths=tuple(
                LengthBin(first=10 * number, last=None if number == 30 else 10 * number + 9, rows=held)
                for number, held in enumerate(counts)
            ),
        )

    return EncodingSummary(
        max_length=150,
        keep="last",
        vocabulary_size=11_904,
        unknown_id=1,
        parts=(
            part("train", 6_318, 5_370),
            part("validation", 768, 655),
            part("test", NEGATIVE + POSITIVE, POSITIVE),
        ),
    )


def place_variant(
    store: ArtifactStore, variant: VariantConfig, judged: EvaluationSummary, *, collapsed: bool
) -> VariantReferences:
    """Place a trained, judged and exported variant."""
    label = variant.name
    return VariantReferences(
        name=variant.name,
        trained=place(store, "train", train_summary(variant, collapsed=collapsed), label=label),
        predicted=place(store, "predict", PredictSummary(model=label, rows=2_212, seconds=1.2), label=label),
        evaluated=place(store, "evaluate", judged, label=label),
        exported=place(
            store,
            "export",
            ExportSummary(
                variant=label,
                files=("model.keras", "saved_model"),
                checked_rows=500,
                identical_ids=500,
                largest_difference=2e-7,
                threshold=judged.threshold,
            ),
            label=label,
        ),
    )


def train_summary(variant: VariantConfig, *, collapsed: bool) -> TrainSummary:
    """Return the account of a training that learns, or of one that stays at the entropy of the labels."""
    share = 5_370 / 6_318
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    losses = (
        [(entropy + 0.004 / epoch, entropy + 0.011 + 0.001 * (epoch % 2)) for epoch in range(1, 6)]
        if collapsed
        else [(0.402, 0.338), (0.262, 0.259), (0.187, 0.231), (0.141, 0.248), (0.102, 0.271)]
    )
    best = min(range(len(losses)), key=lambda index: losses[index][1]) + 1
    return TrainSummary(
        variant=variant,
        weights=3_956_001 if variant.direction == "uni" else 4_306_209,
        epochs=tuple(
            EpochRecord(
                epoch=number,
                loss=loss,
                accuracy=share if collapsed else 1 - loss / 3,
                validation_loss=validation,
                validation_accuracy=share if collapsed else 1 - validation / 3,
                validation_auc=0.5 if collapsed else 0.93,
                seconds=7.4 if variant.direction == "uni" else 13.9,
                reviews_per_second=854.0 if variant.direction == "uni" else 454.0,
            )
            for number, (loss, validation) in enumerate(losses, start=1)
        ),
        best_epoch=best,
        restored_epoch=best if variant.restore_best_weights else len(losses),
        stopped_early=True,
        resumed_from_epoch=None,
        device=DEVICE,
        seconds=37.1 if variant.direction == "uni" else 69.4,
        label_entropy=entropy,
    )


def evaluation(variant: VariantConfig, *, collapsed: bool, **changes: Any) -> EvaluationSummary:
    """Return a variant judged."""
    if collapsed:
        matrix = ConfusionMatrix(true_negative=0, false_positive=NEGATIVE, false_negative=0, true_positive=POSITIVE)
    elif variant.direction == "uni":
        matrix = ConfusionMatrix(true_negative=196, false_positive=45, false_negative=126, true_positive=1_077)
    else:
        matrix = ConfusionMatrix(true_negative=203, false_positive=38, false_negative=118, true_positive=1_085)
    review = changes.get(
        "review",
        "I wanted to love this.<br /><br />The smell is wonderful & the packaging is lovely, my sister's cats adore "
        "theirs — but ours will not touch it, and it is NOT cheap. Maybe a bad batch.",
    )
    return EvaluationSummary(
        model=variant.name,
        kind="variant",
        title=variant.title,
        threshold=0.5 if variant.restore_best_weights is False else 0.7421,
        threshold_source="best balanced accuracy on 768 validation reviews",
        scores=scores(matrix, roc_auc=0.5 if collapsed else 0.934, spread=0.0004 if collapsed else 0.302),
        validation_balanced_accuracy=0.5 if collapsed else 0.871 if variant.direction == "uni" else 0.879,
        no_better_than_majority=collapsed,
        warnings=(),
        mistakes=tuple(
            Mistake(row=row, label=label, probability=probability, text=review)
            for row, label, probability in ((4_021, 0, 0.99971), (811, 0, 0.9981), (7_754, 1, 0.0312))
        ),
    )


def majority() -> EvaluationSummary:
    """Return the majority baseline."""
    matrix = ConfusionMatrix(true_negative=0, false_positive=NEGATIVE, false_negative=0, true_positive=POSITIVE)
    return EvaluationSummary(
        model=MAJORITY,
        kind="baseline",
        title="Always the majority",
        threshold=0.5,
        threshold_source="0.5, as configured",
        scores=scores(matrix, roc_auc=0.5, spread=0.0),
        validation_balanced_accuracy=0.5,
        no_better_than_majority=True,
        warnings=(),
        mistakes=(),
    )


def tfidf() -> EvaluationSummary:
    """Return the baseline that counts words."""
    matrix = ConfusionMatrix(true_negative=207, false_positive=34, false_negative=131, true_positive=1_072)
    return EvaluationSummary(
        model=TFIDF,
        kind="baseline",
        title="TF-IDF with logistic regression",
        threshold=0.7716,
        threshold_source="best balanced accuracy on 768 validation reviews",
        scores=scores(matrix, roc_auc=0.946, spread=0.241),
        validation_balanced_accuracy=0.883,
        no_better_than_majority=False,
        warnings=(),
        mistakes=(),
    )


def scores(matrix: ConfusionMatrix, *, roc_auc: float, spread: float) -> Scores:
    """Return the scores that follow from a confusion matrix, with intervals of a plausible width."""
    true_negative, false_positive = matrix.true_negative, matrix.false_positive
    false_negative, true_positive = matrix.false_negative, matrix.true_positive
    rows = true_negative + false_positive + false_negative + true_positive
    negative = class_scores(true_negative, false_negative, false_positive)
    positive = class_scores(true_positive, false_positive, false_negative)
    constant = true_negative + false_negative == 0
    product = math.prod(
        (
            true_positive + false_positive,
            true_positive + false_negative,
            true_negative + false_positive,
            true_negative + false_negative,
        )
    )
    return Scores(
        rows=rows,
        accuracy=around((true_negative + true_positive) / rows, 0.0 if constant else 0.017),
        balanced_accuracy=around((negative.recall + positive.recall) / 2, 0.0 if constant else 0.026),
        roc_auc=around(roc_auc, 0.0 if constant else 0.015),
        pr_auc=0.984 if not constant else POSITIVE / rows,
        negative_pr_auc=0.781 if not constant else NEGATIVE / rows,
        matthews=0.0 if constant else (true_positive * true_negative - false_positive * false_negative) / product**0.5,
        log_loss=0.2613 if not constant else 0.4508,
        negative=negative,
        positive=positive,
        confusion=matrix,
        predicted_positive_share=(true_positive + false_positive) / rows,
        probability_spread=spread,
    )


def class_scores(right: int, false_alarms: int, missed: int) -> ClassScores:
    """Return precision, recall and F1 of a class."""
    precision = right / (right + false_alarms) if right + false_alarms else 0.0
    recall = right / (right + missed) if right + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return ClassScores(precision=precision, recall=recall, f1=f1, rows=right + missed)


def around(value: float, half_width: float) -> Interval:
    """Return a figure with a symmetric interval."""
    return Interval(value=value, low=max(0.0, value - half_width), high=min(1.0, value + half_width))


def compared(first: EvaluationSummary, second: EvaluationSummary) -> Comparison:
    """Return a plausible comparison of two models."""
    difference = first.scores.balanced_accuracy.value - second.scores.balanced_accuracy.value
    accuracy = first.scores.accuracy.value - second.scores.accuracy.value
    shown = abs(difference) > 0.02
    return Comparison(
        first=first.model,
        second=second.model,
        first_title=first.title,
        second_title=second.title,
        rows=NEGATIVE + POSITIVE,
        both_right=1_230,
        only_first_right=58,
        only_second_right=43,
        both_wrong=113,
        mcnemar_p_value=0.0004 if shown else 0.164,
        accuracy_difference=Interval(value=accuracy, low=accuracy - 0.013, high=accuracy + 0.013),
        balanced_accuracy_difference=Interval(value=difference, low=difference - 0.02, high=difference + 0.02),
        shown=shown,
        sentence=f"{first.title} against {second.title}: {100 * difference:+.1f} points of balanced accuracy, "
        + ("shown." if shown else "not shown."),
    )


def the_verdict(best: EvaluationSummary, other: EvaluationSummary, *, accept: bool, demo: bool) -> Verdict:
    """Return a verdict with rules that pass, or whose last one fails."""
    low = best.scores.balanced_accuracy.low
    return Verdict(
        decision="accept" if accept else "refuse",
        best_model=best.model,
        best_title=best.title,
        sentence=f"{best.title} may be used: balanced accuracy 0.87 (0.85 to 0.90) on 1,444 test reviews, −0.3 points "
        "against TF-IDF with logistic regression."
        if accept
        else f"{best.title} must not be used: against TF-IDF with logistic regression its balanced accuracy is "
        "−8.1 points: below by more than 5 points, so that a model which costs nothing is better.",
        rules=(
            RuleResult(
                name="numbers",
                sentence="Every probability and every figure is a number.",
                figure=0,
                bound=0,
                passed=True,
                if_failed="refuse",
            ),
            RuleResult(
                name="better_than_majority",
                sentence=f"The interval of its balanced accuracy starts at {low:.3f}, above 0.51.",
                figure=low,
                bound=0.51,
                passed=True,
                if_failed="refuse",
            ),
            RuleResult(
                name="not_below_tfidf",
                sentence="Against TF-IDF with logistic regression its balanced accuracy is "
                + ("−0.3 points." if accept else "−8.1 points: below by more than 5 points."),
                figure=-0.023 if accept else -0.103,
                bound=-0.05,
                passed=accept,
                if_failed="refuse",
            ),
        ),
        candidates=tuple(
            Candidate(
                model=item.model, title=item.title, validation_balanced_accuracy=item.validation_balanced_accuracy
            )
            for item in (best, other)
        ),
        demo=demo,
    )
