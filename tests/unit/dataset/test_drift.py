"""Drift against what the champion was trained on: a warning, or a refusal where a limit says so."""

from __future__ import annotations

import pytest

from pipeline.config import DriftConfig
from pipeline.dataset import enforce_drift_limits
from pipeline.errors import ContractViolationError, DriftError
from pipeline.profiling.records import ProfileSummary
from pipeline.statistics import Interval
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import place
from tests.unit.reporting.factories import profile_summary


def profiled(store: ArtifactStore, shift: Interval | None = None, index: float | None = None) -> ArtifactReference:
    summary: ProfileSummary = profile_summary()
    comparison = summary.comparison
    assert comparison is not None
    if shift is not None:
        comparison = comparison.model_copy(update={"positive_share_shift": shift})
    if index is not None:
        first = comparison.columns[0].model_copy(update={"stability_index": index, "title": "Stars"})
        comparison = comparison.model_copy(update={"columns": (first,)})
    return place(store, "profile", summary.model_copy(update={"comparison": comparison}))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_label_share_far_off_is_refused_in_words(store: ArtifactStore, sign: int) -> None:
    ends = sorted((sign * 0.57, sign * 0.63))
    shift = Interval(value=sign * 0.6, low=ends[0], high=ends[1])
    with pytest.raises(DriftError) as refused:
        enforce_drift_limits(profiled(store, shift), DriftConfig(), store)
    assert isinstance(refused.value, ContractViolationError)
    for word in (f"{60 * sign:+.1f} points", "the limit is 25", "max_label_shift", "not added to the dataset"):
        assert word in str(refused.value)


@pytest.mark.parametrize(
    "shift",
    [
        Interval(value=0.3, low=0.2, high=0.4),
        Interval(value=-0.3, low=-0.4, high=-0.2),
        Interval(value=0.0, low=-0.5, high=0.5),
    ],
)
def test_what_chance_may_explain_is_let_through(store: ArtifactStore, shift: Interval) -> None:
    enforce_drift_limits(profiled(store, shift), DriftConfig(max_label_shift=0.25), store)


def test_columns_are_held_to_a_limit_only_if_there_is_one(store: ArtifactStore) -> None:
    calm = Interval(value=0.0, low=-0.01, high=0.01)
    reference = profiled(store, calm, index=0.4)
    enforce_drift_limits(reference, DriftConfig(), store)
    with pytest.raises(DriftError, match=r"Stars: population stability index 0\.400; the limit is 0\.2"):
        enforce_drift_limits(reference, DriftConfig(max_psi=0.2), store)


def test_a_first_dump_is_held_against_nothing(store: ArtifactStore) -> None:
    alone = place(store, "profile", profile_summary().model_copy(update={"comparison": None}))
    enforce_drift_limits(alone, DriftConfig(max_psi=0.001), store)
