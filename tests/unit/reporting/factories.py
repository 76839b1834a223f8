"""A plausible run in a store: what the report's tests and screenshots are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import NormalDist, fmean, stdev
from typing import Any

import pyarrow as pa

from pipeline.behavioral_tests.records import (
    BehavioralTestsSummary,
    BehaviorCase,
    BehaviorTest,
    ExplainedMistake,
    WordEffect,
)
from pipeline.cleaning.records import CleanSummary, FunnelStep
from pipeline.config import RunConfig, VariantConfig
from pipeline.dataset.merging import MERGE, REPEATED, WINDOW
from pipeline.dataset.records import ClaimedFile, Window, WindowDump
from pipeline.encoding.records import (
    EncodedSplit,
    EncodingSummary,
    LengthBin,
    LengthPercentile,
    SplitCoverage,
    VocabularySummary,
)
from pipeline.evaluation.assessment import warnings_for
from pipeline.evaluation.paired import accuracy_difference, paired_differences
from pipeline.evaluation.records import (
    BaselinesSummary,
    CalibrationBin,
    ClassScores,
    Comparison,
    ComparisonSummary,
    ConfusionMatrix,
    Curves,
    DistributionBin,
    EvaluationSummary,
    Mistake,
    ModelCost,
    OperatingPoint,
    PairedCounts,
    Scores,
    SeedGroup,
    Slice,
    Spread,
    SuspectedLabel,
    ThresholdScores,
    VariantIdentity,
    WordWeight,
)
from pipeline.evaluation.rules import MAJORITY, TFIDF
from pipeline.profiling.records import ColumnDrift, DriftBin, DumpComparison, NewWord, PeriodShare, ProfileSummary
from pipeline.promotion.champions import ChampionModel
from pipeline.promotion.records import (
    AcceptanceResult,
    Candidate,
    ComparedModel,
    ComparedSlice,
    GateDecision,
    HeadToHeadSummary,
    RowSet,
    RowSetName,
    Rule,
)
from pipeline.readers.records import IngestedFile, IngestSummary, RatingScaleRecord
from pipeline.run_state import RunState, VariantState
from pipeline.sources.records import FetchedFile, FetchSummary
from pipeline.splitting.records import LeakageFigure, LeakageSummary, SplitInfo, SplitSummary
from pipeline.statistics import Interval, wilson_interval
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace
from pipeline.training.records import (
    DeviceRecord,
    EpochRecord,
    ExportSummary,
    LinearPartSummary,
    PredictSummary,
    TrainSummary,
)
from pipeline.validation.records import ContractResult, ExpectationResult, ValidationSummary
from tests.factories import Given, place, replaced

NEGATIVE, POSITIVE = 241, 1_203
"""Test rows of each class in the example."""

LANDED_DIGEST = "5d1f4bcf1f9e3650ef624d7a88348c20ed3f85d647e8fbaac0a730ab2f09f95e"

WINDOW_ROWS_LEFT_OUT = 5_211
"""Copies of reviews of earlier dumps in the example's window."""
TRAIN, WINDOW_TRAIN = 6_318, 11_614
"""Rows of the training part, of the dump alone and of the window; the other parts are the same."""
WINDOW_NEAR_COPIES = 7
"""Rows of the window that splitting sets aside; of the dump alone there are none."""

TEST_ENTROPY = -sum(
    rows / (NEGATIVE + POSITIVE) * math.log(rows / (NEGATIVE + POSITIVE)) for rows in (NEGATIVE, POSITIVE)
)
"""Of the test labels, in nats."""

DEVICE = DeviceRecord(
    kind="cpu", name="2 cores", warning="A GPU was asked for and none was found; this run trained on the CPU."
)


@dataclass(frozen=True)
class ExampleRun:
    """What ``report`` takes."""

    state: RunState
    config: RunConfig


def example_run(store: ArtifactStore, profile: str = "default", **changes: Any) -> ExampleRun:
    """Place a run with a acceptance: healthy in ``default`` and ``demo``, with a collapsed model in ``article``.

    ``default`` meets a champion, the others are the first of their store.

    Args:
        store: Where to.
        profile: Of the configuration; ``default`` trains two seeds of each direction.
        changes: Texts to plant: ``file_name``, ``review``, ``origin``, ``word``, ``label``, ``case``, ``champion``
            (a title), ``reason`` (of a forced promotion); ``accept``: whether the verdict is so; ``seeds``; ``window``:
            whether earlier dumps are laid together with the run's own.
    """
    values: dict[str, Any] = {"profile": profile, "dumps": ["fine_foods_a.csv.gz"], "epochs": 8}
    config = RunConfig.from_flat(values | {"seeds": changes.get("seeds", [1, 2] if profile == "default" else [1])})
    article, demo = profile == "article", profile == "demo"
    evaluations = {
        variant.name: evaluation(variant, collapsed=article and variant.direction == "uni", **changes)
        for variant in config.variants
    }
    variants = tuple(
        place_variant(
            store, variant, evaluations[variant.name], collapsed=article and variant.direction == "uni", **changes
        )
        for variant in config.variants
    )
    word = changes.get("word", "great")
    baselines = place(
        store,
        "baselines",
        BaselinesSummary(
            evaluations=(tfidf(), majority()),
            positive_terms=terms(6.1, word, "love", "delicious", "best", "not disappointed", "perfect", "excellent"),
            negative_terms=terms(-7.3, "not", "disappointed", "terrible", "waste", "return", "stale", "not worth"),
            terms=41_207,
            inverse_regularization=4.0,
            costs=(ModelCost(model=TFIDF, training_seconds=14.2, scoring_rate=8_150.4, model_bytes=3_400_000),),
        ),
    )
    first = {
        direction: next(
            evaluations[variant.name]
            for variant in (reversed(config.variants) if direction == "bi" else config.variants)
            if variant.direction == direction
        )
        for direction in config.training.directions
    }
    accept = changes.get("accept", not article)
    uni, bi = first["uni"], first["bi"]
    comparison = place(
        store,
        "compare",
        ComparisonSummary(
            comparisons=(
                compared(bi, uni),
                compared(bi, tfidf(), difference=None if accept else -0.081),
                compared(uni, tfidf()),
            ),
            seed_groups=seed_groups(config, evaluations),
            suspected_label_rows=12,
            suspected_labels=suspected_labels(**changes),
        ),
    )
    data = place_data(store, config, demo=demo, **changes)
    acceptance = the_verdict(bi, uni, accept=accept, demo=demo)
    challenge = the_challenge(bi, **changes) if profile == "default" else None
    decision = the_decision(acceptance, challenge, challenger_of(acceptance, variants, data), **changes)
    tests = examination(TFIDF, "TF-IDF with logistic regression", **changes)
    made = {
        "baselines": baselines,
        "run_baseline_behavioral_tests": place(store, "run_behavioral_tests", tests),
        "compare": comparison,
        "check_acceptance": place(store, "check_acceptance", acceptance),
        "compare_to_champion": None if challenge is None else place(store, "compare_to_champion", challenge),
        "gate": place(store, "gate", decision),
    }
    state = replaced(data, made).model_copy(update={"device": DEVICE, "variants": variants})
    return ExampleRun(state, config)


def window_run(store: ArtifactStore, **changes: Any) -> ExampleRun:
    """Place a run whose reviews were laid together with those of two earlier dumps."""
    return example_run(store, "default", window=True, **changes)


def rejected_run(store: ArtifactStore, **changes: Any) -> ExampleRun:
    """Place a run of sound data and models whose verdict is no."""
    return example_run(store, "default", accept=False, **changes)


def minimal_run(store: ArtifactStore) -> ExampleRun:
    """Place a run with a verdict and nothing that may be missing: no curves, slices, examinations, profile or gate."""
    config = RunConfig.from_flat({"profile": "default", "dumps": ["fine_foods_a.csv.gz"], "directions": ["bi"]})
    variant = config.variants[0]
    bare = evaluation(variant, collapsed=False).model_copy(
        update={"curves": None, "slices": (), "operating_points": (), "label_entropy": None, "mistakes": ()}
    )
    placed = place_variant(store, variant, bare, collapsed=False)
    baselines = tuple(
        judged.model_copy(update={"curves": None, "operating_points": (), "label_entropy": None})
        for judged in (tfidf(), majority())
    )
    comparison = ComparisonSummary(comparisons=(compared(bare, baselines[0]),))
    acceptance = the_verdict(bare, bare, accept=True, demo=False)
    made = {
        "profile": None,
        "build_dataset": None,
        "baselines": place(store, "baselines", BaselinesSummary(evaluations=baselines), label="minimal"),
        "compare": place(store, "compare", comparison, label="minimal"),
        "check_acceptance": place(store, "check_acceptance", acceptance, label="minimal"),
    }
    variants = (replaced(placed, {"export": None, "run_behavioral_tests": None}),)
    state = replaced(place_data(store, config, demo=False), made).model_copy(update={"variants": variants})
    return ExampleRun(state, config)


def refused_run(store: ArtifactStore, **changes: Any) -> ExampleRun:
    """Place a run whose raw data broke the contract: only the first artifacts exist."""
    config = RunConfig.from_flat({"profile": "default", "dumps": ["reviews.csv"]})
    fetched = place(store, "fetch", land_summary(demo=False, **changes))
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
    state = RunState(
        artifacts={"fetch": fetched, "ingest": ingested, "validate_raw": validated},
        refusal=changes.get(
            "refusal",
            "The raw data breaks its contract. At most 1 % of the rows break a row rule: observed 3.9 % (374 of "
            "9,542), expected at most 1.0 %. Look at the quarantined rows, mend the dump and run again.",
        ),
    )
    return ExampleRun(state, config)


def place_data(store: ArtifactStore, config: RunConfig, *, demo: bool, **changes: Any) -> RunState:
    """Place everything from landing to encoding."""
    article, window = config.profile == "article", changes.get("window", False)
    cleaned = place(store, "clean", clean_summary(config))
    artifacts = {
        "fetch": place(store, "fetch", land_summary(demo=demo, **changes)),
        "ingest": place(store, "ingest", ingest_summary(demo=demo, **changes)),
        "validate_raw": place(
            store,
            "validate_raw",
            validation_summary("raw"),
            tables={"quarantine.parquet": quarantine_table(**changes)},
        ),
        "clean": cleaned,
        "validate_clean": place(store, "validate_clean", validation_summary("clean")),
        "profile": place(store, "profile", profile_summary(**changes)),
        "build_dataset": place_window(store, clean_summary(config), **changes) if window else cleaned,
        "split": place_splits(
            store, split_summary(config, WINDOW_TRAIN if window else TRAIN), WINDOW_NEAR_COPIES if window else 0
        ),
        "check_leakage": place(
            store,
            "check_leakage",
            LeakageSummary(
                figures=(
                    LeakageFigure(
                        kind="identical_text",
                        rows=3 if article else 0,
                        share=0.0021 if article else 0.0,
                        guaranteed=not article,
                    ),
                    LeakageFigure(
                        kind="near_duplicate",
                        rows=11 if article else 0,
                        share=0.0076 if article else 0.0,
                        guaranteed=not article,
                    ),
                    LeakageFigure(kind="product", rows=0, share=0.0, guaranteed=not article),
                    LeakageFigure(kind="user", rows=187, share=0.1295, guaranteed=False),
                ),
                vocabulary_leakage=article,
            ),
        ),
        "fit_vocabulary": place(store, "fit_vocabulary", vocabulary_summary(article)),
        "encode": place(store, "encode", encode_summary()),
    }
    return RunState(artifacts=artifacts)


def place_window(store: ArtifactStore, clean: CleanSummary, **changes: Any) -> ArtifactReference:
    """Place the clean reviews of three dumps, the last of them the run's own, laid together."""
    own = clean.positive + clean.negative
    dumps = tuple(
        WindowDump(
            fetched=ArtifactReference(stage="fetch", key=str(number) * 32),
            files=(ClaimedFile(name=changes.get("file_name", name), sha256=digest, bytes=1_500_000),),
            received_at=datetime(2026, 8 + number, 2, 4, 1, tzinfo=UTC),
            rows=rows,
            repeated=repeated,
        )
        for number, (name, digest, rows, repeated) in enumerate(
            (
                ("fine_foods_2010.csv.gz", "0a" * 32, 4_310, 0),
                ("fine_foods_2011.csv.gz", "7e" * 32, 6_204, 612),
                ("fine_foods_a.csv.gz", LANDED_DIGEST, own, WINDOW_ROWS_LEFT_OUT - 612),
            )
        )
    )
    rows = sum(dump.rows for dump in dumps)
    left = rows - WINDOW_ROWS_LEFT_OUT
    steps = (
        FunnelStep(name="read", reason=None, rows=rows),
        FunnelStep(name="drop copies of reviews of earlier dumps", reason=REPEATED, rows=left),
    )
    summary = clean.model_copy(update={"steps": steps, "positive": left - 2_310, "negative": 2_310})

    def build(work: Workspace) -> Outcome:
        (work.folder / WINDOW).write_text(Window(dumps=dumps).model_dump_json(), encoding="utf-8")
        excluded = {REPEATED: WINDOW_ROWS_LEFT_OUT}
        return Outcome(summary, rows=RowAccount(rows_in=rows, kept=left, excluded=excluded))

    return store.produce(MERGE, inputs={}, params=Given(label="test"), build=build)


def place_splits(store: ArtifactStore, split: SplitSummary, near_duplicates: int) -> ArtifactReference:
    """Place the parts, with an account of the rows that splitting excluded."""
    excluded = {"near_duplicate_across_splits": near_duplicates} if near_duplicates else {}
    rows = sum(part.rows for part in split.splits)
    return store.produce(
        Stage("split"),
        inputs={},
        params=Given(label=f"{rows} rows"),
        build=lambda _: Outcome(split, rows=RowAccount(rows_in=rows + near_duplicates, kept=rows, excluded=excluded)),
    )


def land_summary(*, demo: bool, **changes: Any) -> FetchSummary:
    """Return one fetched file."""
    name = changes.get("file_name", "fine_foods_a.csv.gz")
    return FetchSummary(
        files=(
            FetchedFile(
                name=name,
                path="raw/0",
                origin=changes.get("origin", "dumps/fine_foods_a.csv.gz"),
                bytes=1_972_737,
                sha256=LANDED_DIGEST,
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
        rating_scale=RatingScaleRecord(
            name="1-5", automatic=True, sentiments="1, 2 are negative; 3 is neutral; 4, 5 are positive"
        ),
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
        normalization=config.text.normalization,
        summary_joined=config.text.include_summary,
        stop_words_sha256="",
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


def split_summary(config: RunConfig, train: int = TRAIN) -> SplitSummary:
    """Return three parts of unlike sizes."""

    def part(name: Any, rows: int, positive: int) -> SplitInfo:
        return SplitInfo(
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
        splits=(
            part("train", train, round(0.85 * train)),
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
            SplitCoverage(split="train", tokens=244_902, unknown=0 if leak else 9_475),
            SplitCoverage(split="validation", tokens=29_877, unknown=0 if leak else 1_689),
            SplitCoverage(split="test", tokens=55_632, unknown=0 if leak else 3_171),
        ),
        leakage=leak,
    )


def encode_summary() -> EncodingSummary:
    """Return lengths with the long tail that reviews have."""

    def part(name: Any, rows: int, positive: int) -> EncodedSplit:
        shares = [
            math.exp(-(((math.log((10 * number + 6) / 27)) / 0.78) ** 2) / 2) / (10 * number + 6)
            for number in range(31)
        ]
        counts = [round(rows * share / sum(shares)) for share in shares]
        counts[2] += rows - sum(counts)
        return EncodedSplit(
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
        splits=(
            part("train", 6_318, 5_370),
            part("validation", 768, 655),
            part("test", NEGATIVE + POSITIVE, POSITIVE),
        ),
    )


def place_variant(
    store: ArtifactStore, variant: VariantConfig, judged: EvaluationSummary, *, collapsed: bool, **changes: Any
) -> VariantState:
    """Place a trained, judged and exported variant."""
    label = variant.name
    artifacts = {
        "train": place(
            store,
            "train",
            train_summary(variant, collapsed=collapsed),
            texts={"model.keras": "w" * 2_000},
            label=label,
        ),
        "predict": place(store, "predict", PredictSummary(model=label, rows=2_212, seconds=1.2), label=label),
        "evaluate": place(store, "evaluate", judged, label=label),
        "export": place(
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
        "run_behavioral_tests": place(
            store,
            "run_behavioral_tests",
            examination(label, variant.title, collapsed=collapsed, **changes),
            label=label,
        ),
    }
    return VariantState.of(variant).model_copy(update={"artifacts": artifacts})


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
        linear_part=LinearPartSummary(
            network_weight=0.62,
            linear_weight=0.66,
            network_validation_auc=0.93,
            linear_validation_auc=0.945,
            validation_auc=0.951,
        )
        if variant.linear_part
        else None,
    )


def evaluation(variant: VariantConfig, *, collapsed: bool, **changes: Any) -> EvaluationSummary:
    """Return a variant judged."""
    if collapsed:
        matrix = ConfusionMatrix(true_negative=0, false_positive=NEGATIVE, false_negative=0, true_positive=POSITIVE)
    elif variant.direction == "uni":
        matrix = ConfusionMatrix(true_negative=196, false_positive=45, false_negative=126, true_positive=1_077)
    else:
        matrix = ConfusionMatrix(true_negative=203, false_positive=38, false_negative=118, true_positive=1_085)
    seed = variant.seed - 1
    if seed and not collapsed:
        # Another seed finds a few negative reviews more.
        matrix = ConfusionMatrix(
            true_negative=matrix.true_negative + 2 * seed,
            false_positive=matrix.false_positive - 2 * seed,
            false_negative=matrix.false_negative + 5 * seed,
            true_positive=matrix.true_positive - 5 * seed,
        )
    threshold = 0.7421 if variant.restore_best_weights else 0.5
    review = changes.get(
        "review",
        "I wanted to love this.<br /><br />The smell is wonderful & the packaging is lovely, my sister's cats adore "
        "theirs — but ours will not touch it, and it is NOT cheap. Maybe a bad batch.",
    )
    summary = EvaluationSummary(
        model=variant.name,
        kind="variant",
        title=variant.title,
        variant=VariantIdentity.of(variant),
        threshold=threshold,
        threshold_source="best balanced accuracy on 768 validation reviews",
        scores=scores(matrix, roc_auc=0.5 if collapsed else 0.934, spread=0.0004 if collapsed else 0.302),
        validation_balanced_accuracy=0.5
        if collapsed
        else (0.871 if variant.direction == "uni" else 0.879) + 0.002 * seed,
        no_better_than_majority=collapsed,
        warnings=(),
        mistakes=tuple(
            Mistake(
                row=row,
                label=label,
                probability=probability,
                text=review,
                stars=5 if label else 1,
                summary=changes.get("review", "Not what I hoped for"),
            )
            for row, label, probability in ((4_021, 0, 0.99971), (811, 0, 0.9981), (7_754, 1, 0.0312))
        ),
        operating_points=operating_points(matrix, threshold),
        curves=curves(0.5 if collapsed else 0.934),
        slices=() if collapsed else slices(**changes),
        label_entropy=TEST_ENTROPY,
    )
    return summary.model_copy(update={"warnings": tuple(warnings_for(summary))})


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
        curves=curves(0.5),
        label_entropy=TEST_ENTROPY,
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
        operating_points=operating_points(matrix, 0.7716),
        curves=curves(0.946),
        label_entropy=TEST_ENTROPY,
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
        balanced_accuracy=around((negative.recall.value + positive.recall.value) / 2, 0.0 if constant else 0.026),
        roc_auc=around(roc_auc, 0.0 if constant else 0.015),
        pr_auc=around(POSITIVE / rows, 0.0) if constant else around(0.984, 0.006),
        negative_pr_auc=around(NEGATIVE / rows, 0.0) if constant else around(0.781, 0.041),
        matthews=around(
            0.0 if constant else (true_positive * true_negative - false_positive * false_negative) / product**0.5,
            0.0 if constant else 0.045,
        ),
        log_loss=around(TEST_ENTROPY, 0.0) if constant else around(0.2613, 0.031),
        brier_score=around(0.139, 0.0) if constant else around(0.0812, 0.011),
        calibration_error=around(0.004, 0.0) if constant else around(0.0321, 0.012),
        negative=negative,
        positive=positive,
        confusion=matrix,
        predicted_positive_share=(true_positive + false_positive) / rows,
        probability_spread=spread,
    )


def class_scores(right: int, false_alarms: int, missed: int) -> ClassScores:
    """Return precision, recall and F1 of a class, with Wilson's intervals in place of resampled ones."""
    recall = wilson_interval(right, right + missed)
    precision = wilson_interval(right, right + false_alarms) if right + false_alarms else around(0.0, 0.0)
    both = precision.value + recall.value
    f1 = 2 * precision.value * recall.value / both if both else 0.0
    if not right + false_alarms or not right:
        recall = around(recall.value, 0.0)
    return ClassScores(precision=precision, recall=recall, f1=around(f1, 0.03 if both else 0.0), rows=right + missed)


def around(value: float, half_width: float) -> Interval:
    """Return a figure with a symmetric interval."""
    return Interval(value=value, low=max(0.0, value - half_width), high=min(1.0, value + half_width))


def compared(first: EvaluationSummary, second: EvaluationSummary, difference: float | None = None) -> Comparison:
    """Return a plausible comparison of two models."""
    if difference is None:
        difference = first.scores.balanced_accuracy.value - second.scores.balanced_accuracy.value
    accuracy = first.scores.accuracy.value - second.scores.accuracy.value
    significant = abs(difference) > 0.02
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
        mcnemar_p_value=0.0004 if significant else 0.164,
        accuracy_difference=Interval(value=accuracy, low=accuracy - 0.013, high=accuracy + 0.013),
        balanced_accuracy_difference=Interval(value=difference, low=difference - 0.02, high=difference + 0.02),
        significant=significant,
    )


def terms(strongest: float, *words: str) -> tuple[WordWeight, ...]:
    """Return words with falling weight."""
    return tuple(WordWeight(term=word, weight=strongest * 0.9**place) for place, word in enumerate(words))


def curves(roc_auc: float, points: int = 60) -> Curves:
    """Return the curves of two classes whose log-odds are normal with unit variance (binormal model).

    Args:
        roc_auc: Area under the ROC curve, from which the distance of the two means follows.
        points: Of each curve.
    """
    normal = NormalDist()
    distance = math.sqrt(2) * normal.inv_cdf(roc_auc)
    share = POSITIVE / (NEGATIVE + POSITIVE)
    cuts = [6 - 12 * place / (points - 1) for place in range(points)]
    # Share of each class above a cut: means are half the distance on either side of zero.
    alarms = [normal.cdf(-distance / 2 - cut) for cut in cuts]
    found = [normal.cdf(distance / 2 - cut) for cut in cuts]
    roc = ((0.0, 0.0), *zip(alarms, found, strict=True), (1.0, 1.0))
    positive = tuple(
        (hit, share * hit / (share * hit + (1 - share) * alarm)) for alarm, hit in zip(alarms, found, strict=True)
    )
    negative = tuple(
        (1 - alarm, (1 - share) * (1 - alarm) / ((1 - share) * (1 - alarm) + share * (1 - hit)))
        for alarm, hit in zip(reversed(alarms), reversed(found), strict=True)
        if hit < 1
    )
    edges = [place / 20 for place in range(21)]
    return Curves(
        roc=roc,
        negative_precision_recall=negative,
        positive_precision_recall=positive,
        calibration=tuple(
            CalibrationBin(
                low=(place - 1) / 10,
                high=place / 10,
                mean_probability=(place - 0.5) / 10,
                positive_share=wilson_interval(round(rows * min(1, ((place - 0.5) / 10) ** 0.8)), rows),
                rows=rows,
            )
            for place, rows in enumerate((61, 34, 30, 28, 31, 36, 52, 98, 214, 860), start=1)
        ),
        distribution=tuple(
            DistributionBin(
                low=low,
                high=high,
                negative=round(NEGATIVE * _between(low, high, -distance / 2)),
                positive=round(POSITIVE * _between(low, high, distance / 2)),
            )
            for low, high in pairwise(edges)
        ),
    )


def _between(low: float, high: float, mean: float) -> float:
    """Return the share of a class whose probability lies between two bounds."""

    def below(probability: float) -> float:
        if probability in (0, 1):
            return float(probability)
        return NormalDist(2 * mean, 2).cdf(math.log(probability / (1 - probability)))

    return below(high) - below(low)


def operating_points(matrix: ConfusionMatrix, chosen: float) -> tuple[OperatingPoint, ...]:
    """Return three thresholds; the run asked for the one that its scores are made at."""

    def given(negative_recall: float, positive_recall: float) -> ThresholdScores:
        true_negative, true_positive = negative_recall * NEGATIVE, positive_recall * POSITIVE
        called_positive = NEGATIVE - true_negative + true_positive
        called_negative = NEGATIVE + POSITIVE - called_positive
        return ThresholdScores(
            accuracy=(true_negative + true_positive) / (NEGATIVE + POSITIVE),
            balanced_accuracy=(negative_recall + positive_recall) / 2,
            negative_precision=true_negative / called_negative if called_negative else 0.0,
            negative_recall=negative_recall,
            positive_precision=true_positive / called_positive if called_positive else 0.0,
            positive_recall=positive_recall,
            called_positive_share=called_positive / (NEGATIVE + POSITIVE),
        )

    here = given(matrix.true_negative / NEGATIVE, matrix.true_positive / POSITIVE)
    rows = [
        ("negative_recall_90", "at least 90 % of the negative reviews found", 0.861, given(0.905, 0.842)),
    ]
    if chosen == 0.5:
        rows.append(("half", "0.5", 0.5, here))
    else:
        rows += [
            ("balanced_accuracy", "best balanced accuracy", chosen, here),
            ("half", "0.5", 0.5, given(0.701, 0.958)),
        ]
    return tuple(
        OperatingPoint(
            goal=goal, title=title, threshold=threshold, chosen=threshold == chosen, validation=scored, test=scored
        )
        for goal, title, threshold, scored in sorted(rows, key=lambda row: row[2])
    )


def slices(**changes: Any) -> tuple[Slice, ...]:
    """Return slices of three dimensions, the worst gap first, one of them too small."""
    label = changes.get("label", "4 stars")

    def part(named: tuple[str, str, str], rows: int, gap: float, width: float) -> Slice:
        dimension, title, name = named
        right = round(rows * (0.892 + gap))
        return Slice(
            dimension=dimension,
            dimension_title=title,
            label=name,
            rows=rows,
            negative_rows=rows // 6,
            accuracy=wilson_interval(right, rows),
            expected_accuracy=0.892,
            gap=Interval(value=gap, low=gap - width, high=gap + width),
            balanced_accuracy=Interval(value=0.86 + gap, low=0.81 + gap, high=0.91 + gap) if rows > 200 else None,
            too_small=rows < 97,
        )

    return (
        part(("stars", "Stars", label), 214, -0.089, 0.041),
        part(("negation", "Negation", "with a negation"), 602, -0.048, 0.022),
        part(("length", "Length", "over 150 words"), 118, -0.041, 0.052),
        part(("year", "Year", "2012"), 511, -0.006, 0.021),
        part(("length", "Length", "1–20 words"), 403, 0.012, 0.019),
        part(("stars", "Stars", "5 stars"), 989, 0.031, 0.011),
        part(("votes", "Votes", "10 and more"), 41, -0.115, 0.14),
    )


def seed_groups(config: RunConfig, evaluations: dict[str, EvaluationSummary]) -> tuple[SeedGroup, ...]:
    """Return the spread of each direction over its seeds."""

    def spread(values: list[float]) -> Spread:
        return Spread(
            mean=fmean(values),
            standard_deviation=stdev(values) if len(values) > 1 else 0.0,
            low=min(values),
            high=max(values),
        )

    groups = []
    for direction in config.training.directions:
        members = [variant for variant in config.variants if variant.direction == direction]
        judged = [evaluations[variant.name].scores for variant in members]
        groups.append(
            SeedGroup(
                name=direction,
                title={"uni": "Unidirectional LSTM", "bi": "Bidirectional LSTM"}[direction],
                seeds=tuple(variant.seed for variant in members),
                accuracy=spread([found.accuracy.value for found in judged]),
                balanced_accuracy=spread([found.balanced_accuracy.value for found in judged]),
                roc_auc=spread([found.roc_auc.value for found in judged]),
            )
        )
    return tuple(groups)


def suspected_labels(**changes: Any) -> tuple[SuspectedLabel, ...]:
    """Return two reviews whose stars speak against their text."""
    text = changes.get("review", "This is the best coffee I ever had, I order it every month and my friends love it.")
    return tuple(
        SuspectedLabel(
            row=row,
            label=0,
            stars=1,
            probability=probability,
            baseline_probability=0.991,
            text=text,
            summary=changes.get("review", "The best!"),
        )
        for row, probability in ((4_021, 0.99971), (811, 0.9981))
    )


def examination(model: str, title: str, *, collapsed: bool = False, **changes: Any) -> BehavioralTestsSummary:
    """Return behavior tests, and mistakes taken apart."""
    case = changes.get("case", "The coffee was not bad at all.")
    linear = model == TFIDF

    def behavior(named: tuple[Any, str, str], expectation: str, cases: int, passed: int) -> BehaviorTest:
        kind, name, what = named
        passed = cases // 2 if collapsed else passed
        return BehaviorTest(
            kind=kind,
            name=name,
            title=what,
            expectation=expectation,
            cases=cases,
            passed=passed,
            pass_rate=wilson_interval(passed, cases),
            failures=tuple(
                BehaviorCase(
                    text=case,
                    changed=None if kind == "minimum_functionality" else case + " Really.",
                    probability=0.08 + place / 100,
                    changed_probability=None if kind == "minimum_functionality" else 0.91,
                )
                for place in range(min(3, cases - passed))
            ),
        )

    pieces = ("I ", "wanted ", "to ", "love ", "this, ", "but ", "the ", "smell ", "is ", "awful ", "and ", "I ",
              "am ", "not ", f"{changes.get('word', 'amused')} ", "by ", "it.")  # fmt: skip
    effects = (0.02, -0.31, 0.0, 1.92, 0.11, -0.42, 0.01, -0.12, 0.03, -1.44, 0.05, 0.0, 0.02, -0.88, 0.52, 0.0, 0.04)
    return BehavioralTestsSummary(
        model=model,
        title=title,
        threshold=0.7421,
        tests=(
            behavior(
                ("minimum_functionality", "plain", "Plain praise and complaint"),
                "A sentence that only praises is called positive, one that only complains negative.",
                60,
                58,
            ),
            behavior(
                ("negation", "negated_praise", "Praise that is negated"),
                "“not good” is called negative.",
                48,
                14 if linear else 31,
            ),
            behavior(
                ("invariance", "other_product", "Another product"),
                "Another product's name leaves the answer as it is.",
                40,
                40 if linear else 38,
            ),
            behavior(
                ("direction", "added_complaint", "A complaint at the end"),
                "A complaint at the end never raises the probability of positive.",
                40,
                37,
            ),
        ),
        explained=()
        if collapsed
        else (
            ExplainedMistake(
                row=4_021,
                label=0,
                probability=0.99971,
                words=tuple(WordEffect(text=text, effect=effect) for text, effect in zip(pieces, effects, strict=True)),
            ),
        ),
    )


def profile_summary(**changes: Any) -> ProfileSummary:
    """Return the shape of a dump that follows another one."""

    def bins(*shares: tuple[str, float, float]) -> tuple[DriftBin, ...]:
        return tuple(DriftBin(label=label, share=now, previous_share=before) for label, now, before in shares)

    return ProfileSummary(
        rows=8_530,
        positive=7_228,
        stars=(792, 510, 0, 1_214, 6_014),
        oldest=datetime(2002, 1, 5, tzinfo=UTC),
        newest=datetime(2012, 10, 26, tzinfo=UTC),
        products=947,
        users=8_104,
        repeated_texts=23,
        periods=tuple(
            PeriodShare(
                period=str(2002 + place),
                rows=rows,
                positive_share=wilson_interval(round(rows * (0.9 - 0.006 * place)), rows),
            )
            for place, rows in enumerate((12, 18, 55, 90, 190, 480, 760, 1_120, 1_610, 2_185, 2_010))
        ),
        comparison=DumpComparison(
            previous_dumps=("fine_foods_2011.csv.gz",),
            previous_rows=6_204,
            previous_newest=datetime(2011, 12, 31, tzinfo=UTC),
            repeated_rows=5_871,
            columns=(
                ColumnDrift(
                    name="length",
                    title="Length in words",
                    bins=bins(
                        ("1–20", 0.31, 0.24), ("21–50", 0.42, 0.43), ("51–100", 0.18, 0.21), ("101+", 0.09, 0.12)
                    ),
                    stability_index=0.0331,
                    bound=0.0019,
                    moved=True,
                ),
                ColumnDrift(
                    name="stars",
                    title="Stars",
                    bins=bins(("1", 0.09, 0.09), ("2", 0.06, 0.06), ("4", 0.14, 0.15), ("5", 0.71, 0.70)),
                    stability_index=0.0009,
                    bound=0.0021,
                    moved=False,
                ),
            ),
            positive_share_shift=Interval(value=-0.008, low=-0.019, high=0.003),
            label_shifted=False,
            new_word_share=0.0142,
            new_words=(
                NewWord(word=changes.get("word", "keurig"), reviews=61),
                NewWord(word="k-cup", reviews=44),
            ),
            quarantined_share=0.0015,
            previous_quarantined_share=0.0011,
            quarantine_risen=False,
        ),
    )


def the_verdict(best: EvaluationSummary, other: EvaluationSummary, *, accept: bool, demo: bool) -> AcceptanceResult:
    """Return an acceptance result with rules that pass, or whose last one fails."""
    balanced = best.scores.balanced_accuracy
    return AcceptanceResult(
        decision="accepted" if accept else "rejected",
        best_model=best.model,
        best_title=best.title,
        rules=(
            Rule(
                code="finite_scores",
                passed=True,
                if_failed="rejected",
                value=0,
                bound=0,
                details={"unusable": 0, "not_finite": 0},
            ),
            Rule(
                code="better_than_majority",
                passed=True,
                if_failed="rejected",
                value=balanced.low,
                bound=0.51,
                details={"balanced_accuracy": balanced.value, "high": balanced.high, "rows": best.scores.rows},
            ),
            Rule(
                code="not_below_tfidf",
                passed=accept,
                if_failed="rejected",
                value=-0.023 if accept else -0.101,
                bound=-0.05,
                details={"difference": -0.003 if accept else -0.081, "metric": "balanced_accuracy"},
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


def challenger_of(acceptance: AcceptanceResult, variants: tuple[VariantState, ...], data: RunState) -> ChampionModel:
    """Return the best model of a run as the gate knows it."""
    best = next(variant for variant in variants if variant.name == acceptance.best_model)
    return ChampionModel(
        name=best.name,
        title=acceptance.best_title,
        run_name="scheduled__2026-11-23",
        demo=acceptance.demo,
        exported=best["export"],
        evaluated=best["evaluate"],
        behavioral_tests=best["run_behavioral_tests"],
        cleaned=data["build_dataset"],
        parts=data["split"],
        fetched=data["fetch"],
        validated_raw=data["validate_raw"],
    )


def the_challenge(best: EvaluationSummary, **changes: Any) -> HeadToHeadSummary:
    """Return a challenger a little above the champion on its own test part, and level on the champion's."""
    champion = changes.get("champion", "Bidirectional LSTM, seed 3")

    def row_set(name: RowSetName, negative: PairedCounts, positive: PairedCounts, excluded: int) -> RowSet:
        def figures(who: str) -> ComparedModel:
            right = [
                tally.both + getattr(tally, "only_first" if who == "challenger" else "only_second")
                for tally in (negative, positive)
            ]
            return ComparedModel(
                balanced_accuracy=(right[0] / negative.rows + right[1] / positive.rows) / 2,
                accuracy=sum(right) / (negative.rows + positive.rows),
                negative_recall=right[0] / negative.rows,
                calibration_error=0.0312 if who == "challenger" else 0.0441,
                unusable=0,
            )

        rows = negative.rows + positive.rows
        return RowSet(
            name=name,
            rows=rows,
            known_to_challenger=0 if name == "challenger_test" else excluded,
            known_to_champion=excluded if name == "challenger_test" else 0,
            excluded=excluded,
            negative=negative,
            positive=positive,
            differences=paired_differences(negative, positive, 200),
            challenger=figures("challenger"),
            champion=figures("champion"),
            slices=compared_slices(**changes) if name == "challenger_test" else (),
        )

    return HeadToHeadSummary(
        challenger=best.model,
        challenger_title=best.title,
        champion="bi-seed3",
        champion_title=champion,
        challenger_test=row_set(
            "challenger_test",
            PairedCounts(both=190, only_first=14, only_second=9, neither=20),
            PairedCounts(both=1_050, only_first=31, only_second=25, neither=66),
            39,
        ),
        champion_test=row_set(
            "champion_test",
            PairedCounts(both=150, only_first=7, only_second=8, neither=15),
            PairedCounts(both=800, only_first=22, only_second=20, neither=38),
            212,
        ),
    )


def compared_slices(**changes: Any) -> tuple[ComparedSlice, ...]:
    """Return more kinds of reviews than a page shows, in no order."""
    label = changes.get("label", "4 stars")
    kinds = [("stars", "Stars", label, 214, 6, 15), ("stars", "Stars", "5 stars", 989, 40, 22)]
    kinds += [("year", "Year", str(1_999 + place), 40 + place, place % 7, 3) for place in range(24)]
    return tuple(
        ComparedSlice(
            dimension=dimension,
            dimension_title=title,
            label=name,
            rows=rows,
            only_challenger=gains,
            only_champion=losses,
            difference=accuracy_difference(gains, losses, rows),
        )
        for dimension, title, name, rows, gains, losses in kinds
    )


def the_decision(
    acceptance: AcceptanceResult, challenge: HeadToHeadSummary | None, challenger: ChampionModel, **changes: Any
) -> GateDecision:
    """Return the decision of the gate: that of the acceptance check or, if there is a champion, manual approval."""
    rules = [
        *acceptance.rules,
        Rule(code="export_matches", passed=True, if_failed="rejected", value=2e-7, bound=1e-4, details={"rows": 500}),
    ]
    decision = "promoted" if acceptance.decision == "accepted" else "rejected"
    if challenge is not None:
        rules.append(
            Rule(
                code="enough_compared_rows",
                passed=False,
                if_failed="inconclusive",
                value=challenge.challenger_test.negative.rows,
                bound=601,
                details={"kind": "negative reviews (the smaller class)"},
            )
        )
        decision = "needs_approval" if decision == "promoted" else decision
    reason = changes.get("reason")
    return GateDecision(
        decision=decision if reason is None else "promoted",
        rules=tuple(rules),
        challenger=challenger,
        replacing=0 if challenge is None else 4,
        champion_title=None if challenge is None else challenge.champion_title,
        first=challenge is None,
        force_reason=reason,
    )
