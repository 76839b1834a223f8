"""Builders of models, changes, comparisons and evidence for the tests of promotion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.behavioral_tests.records import BehavioralTestsSummary, BehaviorTest
from pipeline.config import EvaluationConfig
from pipeline.encoding import VOCABULARY_FILE, Vocabulary
from pipeline.evaluation import TFIDF, BaselinesSummary, Comparison, ComparisonSummary
from pipeline.evaluation.paired import accuracy_difference, paired_differences
from pipeline.evaluation.records import EvaluationSummary, PairedCounts
from pipeline.promotion import AcceptanceResult, ChampionChange
from pipeline.promotion.acceptance import acceptance
from pipeline.promotion.champions import ChampionModel
from pipeline.promotion.records import ComparedModel, ComparedSlice, HeadToHeadSummary, RowSet, Rule
from pipeline.promotion.rules import Evidence
from pipeline.splitting.records import LeakageSummary
from pipeline.statistics import Interval, wilson_interval
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.training.records import ExportSummary
from pipeline.validation.records import ContractResult, ValidationSummary
from tests.factories import place
from tests.unit.evaluation.factories import CLEAN, SPLIT, evaluation

NOON = "2026-03-01T12:00:00Z"
SAMPLES = 200


def reference(stage: str, label: str) -> ArtifactReference:
    """Return a reference that differs by label."""
    return ArtifactReference(stage=stage, key=label.encode().hex().ljust(32, "0")[:32])


def model(label: str = "new", *, demo: bool = False, **changes: Any) -> ChampionModel:
    """Return a model whose artifacts are named after ``label``."""
    roles = {
        "exported": "export",
        "evaluated": "evaluate",
        "behavioral_tests": "run_behavioral_tests",
        "cleaned": "clean",
    }
    roles |= {"parts": "split", "fetched": "fetch", "validated_raw": "validate_raw"}
    given = {role: reference(stage, label) for role, stage in roles.items()}
    given |= {"name": "bi-seed1", "title": f"Bidirectional LSTM {label}", "run_name": f"run {label}", "demo": demo}
    return ChampionModel(**{**given, **changes})


def change(label: str = "old", number: int = 4, *, demo: bool = False) -> ChampionChange:
    """Return the change that put a model into production."""
    return ChampionChange(
        number=number,
        kind="promote",
        model=model(label, demo=demo),
        who="the gate",
        why="It is better.",
        run_name=f"run {label}",
        changed_at=NOON,
    )


def counts(rows: int, gains: int, losses: int, both: int | None = None) -> PairedCounts:
    """Return a tally of ``rows``; of the rows without a difference both are right on ``both``."""
    rest = rows - gains - losses
    both = rest if both is None else both
    return PairedCounts(both=both, only_first=gains, only_second=losses, neither=rest - both)


def row_set(negative: PairedCounts, positive: PairedCounts, *slices: ComparedSlice, **changes: Any) -> RowSet:
    """Return a row set of these tallies, with the intervals that belong to them."""
    figures = ComparedModel(
        balanced_accuracy=0.9, accuracy=0.9, negative_recall=0.9, calibration_error=0.02, unusable=0
    )
    given = {
        "name": "challenger_test",
        "rows": negative.rows + positive.rows,
        "known_to_challenger": 0,
        "known_to_champion": 0,
        "excluded": 0,
        "negative": negative,
        "positive": positive,
        "differences": paired_differences(negative, positive, SAMPLES),
        "challenger": figures,
        "champion": figures,
        "slices": slices,
    }
    return RowSet(**{**given, **changes})


def compared_slice(rows: int, gains: int, losses: int, label: str = "1 star") -> ComparedSlice:
    """Return a slice."""
    return ComparedSlice(
        dimension="stars",
        dimension_title="Stars",
        label=label,
        rows=rows,
        only_challenger=gains,
        only_champion=losses,
        difference=accuracy_difference(gains, losses, rows),
    )


BETTER = row_set(counts(1000, 60, 30), counts(5000, 150, 120), compared_slice(1000, 60, 30))
WORSE = row_set(counts(1000, 30, 100), counts(5000, 120, 300))


def head_to_head(challenger_test: RowSet = BETTER, champion_test: RowSet | None = None) -> HeadToHeadSummary:
    """Return a head-to-head evaluation with these row sets."""
    return HeadToHeadSummary(
        challenger="bi-seed1",
        challenger_title="Bidirectional LSTM new",
        champion="bi-seed1",
        champion_title="Bidirectional LSTM old",
        challenger_test=challenger_test,
        champion_test=champion_test,
    )


def acceptance_result(decision: str = "accepted", **changes: Any) -> AcceptanceResult:
    """Return an acceptance result of ``bi-seed1``, decided by one rule."""
    rule = Rule(
        code="enough_test_rows" if decision == "inconclusive" else "no_leakage",
        passed=decision == "accepted",
        if_failed="inconclusive" if decision == "inconclusive" else "rejected",
        value=0 if decision == "accepted" else 4,
        bound=0,
        details={"kinds": "", "smaller_class": "negative"},
    )
    given = {"decision": decision, "best_model": "bi-seed1", "best_title": "Bidirectional LSTM new", "rules": (rule,)}
    return AcceptanceResult(**{**given, "candidates": (), "demo": False, **changes})


def against_tfidf(model: str = "bi-seed1", value: float = 0.0, low: float | None = None) -> Comparison:
    """Return the comparison of a model with TF-IDF; ``value`` and ``low`` are of the balanced accuracy."""
    difference = Interval(value=value, low=value - 0.01 if low is None else low, high=value + 0.01)
    return Comparison(
        first=model,
        second=TFIDF,
        first_title=model,
        second_title="TF-IDF with logistic regression",
        rows=3000,
        both_right=2700,
        only_first_right=100,
        only_second_right=100,
        both_wrong=100,
        mcnemar_p_value=1.0,
        accuracy_difference=difference,
        balanced_accuracy_difference=difference,
        significant=False,
    )


def checked(
    *evaluations: EvaluationSummary, pairs: Sequence[Comparison] | None = None, **changes: Any
) -> AcceptanceResult:
    """Run the acceptance check on evaluated models."""
    pairs = [against_tfidf(summary.model) for summary in evaluations] if pairs is None else pairs
    given = {"leakage": LeakageSummary(figures=(), vocabulary_leakage=False), "demo": False, **changes}
    baselines = BaselinesSummary(evaluations=(evaluation(TFIDF),))
    return acceptance(evaluations, baselines, comparisons=ComparisonSummary(comparisons=tuple(pairs)), **given)


def contract(*, success: bool = True) -> ValidationSummary:
    """Return a satisfied or violated data contract."""
    return ValidationSummary(
        data_set="raw",
        rows=6000,
        quarantined={},
        contract=ContractResult(success=success, expectations=()),
        data_docs=None,
    )


def export(**changes: Any) -> ExportSummary:
    """Return an export that agrees."""
    given = {"variant": "bi-seed1", "files": (), "checked_rows": 900, "identical_ids": 900}
    return ExportSummary(**{**given, "largest_difference": 2e-7, "threshold": 0.5, **changes})


def behavioral_tests(passed: int = 90, *, cases: int = 100, name: str = "plain") -> BehavioralTestsSummary:
    """Return the result of one behavioral test."""
    test = BehaviorTest(
        kind="negation",
        name=name,
        title=name,
        expectation="",
        cases=cases,
        passed=passed,
        pass_rate=wilson_interval(passed, cases),
        failures=(),
    )
    return BehavioralTestsSummary(
        model="bi-seed1", title="Bidirectional LSTM", threshold=0.5, tests=(test,), explained=()
    )


def calibrated(error: float = 0.03) -> EvaluationSummary:
    """Return an evaluation with this calibration error."""
    judged = evaluation()
    interval = judged.scores.calibration_error.model_copy(update={"value": error})
    scores = judged.scores.model_copy(update={"calibration_error": interval})
    return judged.model_copy(update={"scores": scores})


def evidence(**changes: Any) -> Evidence:
    """Return evidence on which a challenger is promoted, but for the changes."""
    given = {
        "acceptance": acceptance_result(),
        "evaluation": calibrated(),
        "contract": contract(),
        "exported": export(),
        "behavioral_tests": behavioral_tests(),
        "champion_behavioral_tests": behavioral_tests(),
        "head_to_head": head_to_head(),
    }
    return Evidence(**{**given, **changes})


CONFIG = EvaluationConfig(bootstrap_samples=100)
Review = tuple[str, str, int]
"""Text, part, label."""


@dataclass
class Scripted:
    """A model that scores by a function of text and summary, and records the texts."""

    answer: Callable[[str, str], float]
    threshold: float = 0.5
    texts: list[str] = field(default_factory=list)

    def probabilities(self, texts: Sequence[str], summaries: Sequence[str] | None = None) -> np.ndarray:
        assert summaries is not None
        self.texts += texts
        return np.array([self.answer(*pair) for pair in zip(texts, summaries, strict=True)], dtype=np.float32)


def trained(
    store: ArtifactStore, label: str, reviews: Sequence[Review], summaries: Sequence[str | None] | None = None
) -> ChampionModel:
    """Place the reviews, the split and the export of a model."""
    texts, parts, labels = zip(*reviews, strict=True)
    rows = pa.array([10 * number for number in range(len(reviews))], pa.int64())
    columns = {
        "row": rows,
        "label": pa.array(labels, pa.int8()),
        "text": pa.array(texts, pa.string()),
        "summary": pa.array(summaries or [None] * len(reviews), pa.string()),
        "words": pa.array(texts, pa.string()),
        "score": pa.array([5 if positive else 1 for positive in labels], pa.int8()),
    }
    split = pa.table({"row": rows, "split": pa.array(parts, pa.string())}).filter(
        pa.array([part != "excluded" for part in parts])
    )
    file = Path(store.url + "-vocabulary")
    Vocabulary(("good",), (1,), 1).save(file)
    return model(
        label,
        cleaned=place(store, "clean", CLEAN, tables={"reviews.parquet": pa.table(columns)}, label=label),
        parts=place(store, "split", SPLIT, tables={"splits.parquet": split}, label=label),
        exported=place(store, "export", export(), texts={VOCABULARY_FILE: file.read_text()}, label=label),
    )


NEW: list[Review] = [
    ("learned by both", "train", 1),
    ("met by the old one in training", "test", 1),
    ("met by the old one in validation", "test", 0),
    ("good one", "test", 1),
    ("good in truth bad", "test", 0),
    ("bad one", "test", 0),
    ("excluded by the old one", "test", 1),
    ("learned by the new one", "validation", 0),
]
OLD: list[Review] = [
    ("learned by the new one", "test", 0),
    ("old and good", "test", 1),
    ("old and bad", "test", 0),
    ("met by the old one in training", "train", 1),
    ("met by the old one in validation", "validation", 0),
    ("excluded by the old one", "excluded", 1),
]


def good(text: str, summary: str) -> float:
    """Score reviews by the word "good"."""
    return 0.9 if "good" in text else 0.1
