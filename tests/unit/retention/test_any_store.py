"""Whatever lies in a store: what a root reaches is whole afterwards, and nothing else that is old is left."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.retention import RetentionPolicy, clean_up
from pipeline.store import ArtifactReference, ArtifactStore
from tests.unit.retention.factories import NOW, OLD, everything, last_used, left, made, plan, published, record, serve

POLICY = RetentionPolicy(keep_reports=2, keep_days=30, keep_changes=2)


@dataclass(frozen=True)
class Past:
    """What a store has been through, artifacts by their number.

    Attributes:
        inputs: Of each artifact, the earlier ones that it was made of.
        young: Artifacts that were used within the grace period.
        champions: The models that served, in turn.
        reports: Days since each report was made, and what it was made of.
        recorded: Artifacts that the collection names.
    """

    inputs: tuple[frozenset[int], ...]
    young: frozenset[int]
    champions: tuple[int, ...]
    reports: tuple[tuple[int, frozenset[int]], ...]
    recorded: frozenset[int]


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    count = draw(st.integers(1, 9))
    some = st.frozensets(st.integers(0, count - 1), max_size=2)
    inputs = [
        draw(st.frozensets(st.integers(0, number - 1), max_size=2)) if number else frozenset[int]()
        for number in range(count)
    ]
    return Past(
        inputs=tuple(inputs),
        young=draw(some),
        champions=tuple(draw(st.lists(st.integers(0, count - 1), max_size=4))),
        reports=tuple(draw(st.lists(st.tuples(st.sampled_from([5, 29, 31, 60, 90]), some), max_size=5))),
        recorded=draw(some),
    )


def expected(past: Past) -> tuple[set[int], set[int]]:
    """Return which artifacts and which reports stay, worked out from the past alone."""
    order = sorted(range(len(past.reports)), key=lambda number: (past.reports[number][0], -number))
    reports = set(order[:2]) | {number for number, (days, _) in enumerate(past.reports) if days < 30}
    if past.reports:
        # The one that was published last, whatever it says of its age.
        reports.add(len(past.reports) - 1)
    waiting = {*past.young, *past.recorded, *past.champions[-2:]}
    before = [model for model in past.champions if past.champions and model != past.champions[-1]]
    waiting |= {*before[-1:]}
    for number in reports:
        waiting |= past.reports[number][1]
    staying = set[int]()
    while waiting:
        number = waiting.pop()
        staying.add(number)
        waiting |= past.inputs[number]
    return staying, reports


@pytest.mark.parametrize("kind", ["folder", "object store"])
@settings(deadline=None, max_examples=25, derandomize=True)
@given(past=pasts())
def test_what_is_reached_is_whole_and_the_rest_is_gone(kind: str, past: Past) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = folder if kind == "folder" else f"memory://{Path(folder).name}"
        store = ArtifactStore(url, cache=None if kind == "folder" else Path(folder))
        artifacts: list[ArtifactReference] = []
        for number, inputs in enumerate(past.inputs):
            artifacts.append(made(store, str(number), *(artifacts[needed] for needed in sorted(inputs))))
        for model in past.champions:
            serve(store, artifacts[model])
        reports = [
            # A second's difference, so that no two reports are of one age.
            published(
                store,
                f"run {number}",
                *(artifacts[needed] for needed in sorted(inputs)),
                when=NOW - timedelta(days=days) + timedelta(seconds=number),
            )
            for number, (days, inputs) in enumerate(past.reports)
        ]
        record(store, "collection/batches/some.json", [artifacts[number].model_dump() for number in past.recorded])
        for number, reference in enumerate(artifacts):
            last_used(store, reference, NOW - timedelta(hours=1) if number in past.young else OLD)

        clean_up(store, plan(store, POLICY))

        staying, staying_reports = expected(past)
        assert left(store) == {artifacts[n] for n in staying} | {reports[n] for n in staying_reports}
        for reference in left(store):
            assert set(store.manifest(reference).inputs.values()) <= left(store)
        again = everything(store)
        clean_up(store, plan(store, POLICY))
        assert everything(store) == again
        if kind == "object store":
            store.root.fs.rm(store.root.path, recursive=True)
