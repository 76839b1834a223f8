"""Models, changes and evidence that the tests of promotion share."""

from __future__ import annotations

from typing import Any

from pipeline.behavioral_tests.records import BehavioralTestsSummary, BehaviorTest
from pipeline.evaluation.records import EvaluationSummary
from pipeline.promotion import (
    AcceptanceResult,
    ChampionChange,
    ChampionModel,
    ComparedSlice,
    Evidence,
    HeadToHeadSummary,
    RowSet,
    RuleResult,
)
from pipeline.promotion.paired import difference_of, differences
from pipeline.promotion.records import ComparedModel, PairedTally
from pipeline.statistics import wilson_interval
from pipeline.store import ArtifactReference
from pipeline.training.records import ExportSummary
from pipeline.validation.records import ContractResult, ValidationSummary
from tests.unit.evaluation.given import evaluation

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
    """Return the change that put a model into service."""
    return ChampionChange(
        number=number,
        kind="promote",
        model=model(label, demo=demo),
        who="the gate",
        why="It is better.",
        run_name=f"run {label}",
        changed_at=NOON,
    )


def counts(rows: int, gains: int, losses: int, both: int | None = None) -> PairedTally:
    """Return a tally of ``rows``; of the rows without a difference both are right on ``both``."""
    rest = rows - gains - losses
    both = rest if both is None else both
    return PairedTally(both=both, only_challenger=gains, only_champion=losses, neither=rest - both)


def row_set(negative: PairedTally, positive: PairedTally, *slices: ComparedSlice, **changes: Any) -> RowSet:
    """Return a row set of these tallies, with the intervals that belong to them."""
    figures = ComparedModel(
        balanced_accuracy=0.9, accuracy=0.9, negative_recall=0.9, calibration_error=0.02, unusable=0
    )
    given = {
        "name": "new_test",
        "rows": negative.rows + positive.rows,
        "known_to_challenger": 0,
        "known_to_champion": 0,
        "left_out": 0,
        "sentence": "",
        "negative": negative,
        "positive": positive,
        "differences": differences(negative, positive, SAMPLES),
        "challenger": figures,
        "champion": figures,
        "slices": slices,
    }
    return RowSet(**{**given, **changes})


def compared_slice(rows: int, gains: int, losses: int, label: str = "1 star") -> ComparedSlice:
    """Return a kind of reviews."""
    return ComparedSlice(
        dimension="stars",
        dimension_title="Stars",
        label=label,
        rows=rows,
        only_challenger=gains,
        only_champion=losses,
        difference=difference_of(gains, losses, rows),
    )


BETTER = row_set(counts(1000, 60, 30), counts(5000, 150, 120), compared_slice(1000, 60, 30))
WORSE = row_set(counts(1000, 30, 100), counts(5000, 120, 300))


def head_to_head(new_test: RowSet = BETTER, old_test: RowSet | None = None) -> HeadToHeadSummary:
    """Return a challenge with these row sets."""
    return HeadToHeadSummary(
        challenger="bi-seed1",
        challenger_title="Bidirectional LSTM new",
        champion="bi-seed1",
        champion_title="Bidirectional LSTM old",
        new_test=new_test,
        old_test=old_test,
    )


def the_verdict(decision: str = "accept", *, leaks: bool = False) -> AcceptanceResult:
    """Return a verdict on ``bi-seed1``."""
    rule = RuleResult(
        name="no_leaks",
        sentence="The leak check found every promise of the split kept.",
        figure=4 if leaks else 0,
        bound=0,
        passed=not leaks,
        if_failed="refuse",
    )
    return AcceptanceResult(
        decision=decision,
        best_model="bi-seed1",
        best_title="Bidirectional LSTM new",
        sentence="Bidirectional LSTM new may be used.",
        rules=(rule,),
        candidates=(),
        demo=False,
    )


def the_contract(*, success: bool = True) -> ValidationSummary:
    """Return a kept or broken contract."""
    return ValidationSummary(
        data_set="raw",
        rows=6000,
        quarantined={},
        contract=ContractResult(success=success, expectations=()),
        data_docs=None,
    )


def the_export(**changes: Any) -> ExportSummary:
    """Return an export that agrees."""
    given = {"variant": "bi-seed1", "files": (), "checked_rows": 900, "identical_ids": 900}
    return ExportSummary(**{**given, "largest_difference": 2e-7, "threshold": 0.5, **changes})


def the_examination(passed: int = 90, *, cases: int = 100, name: str = "plain") -> BehavioralTestsSummary:
    """Return an examination of one behavior test."""
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
        "acceptance": the_verdict(),
        "evaluation": calibrated(),
        "contract": the_contract(),
        "exported": the_export(),
        "behavioral_tests": the_examination(),
        "champion_examined": the_examination(),
        "head_to_head": head_to_head(),
    }
    return Evidence(**{**given, **changes})
