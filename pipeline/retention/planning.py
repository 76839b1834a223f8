"""Plans a clean-up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from graphlib import TopologicalSorter

from pipeline.retention.inventory import found_orphans
from pipeline.retention.reachability import contents, inputs_among
from pipeline.retention.records import CleanUpPlan, FoundArtifact, RetentionPolicy
from pipeline.store import ArtifactReference, ArtifactStore


def plan_clean_up(store: ArtifactStore, policy: RetentionPolicy, now: datetime) -> CleanUpPlan:
    """Return what a clean-up would remove and why the rest stays; nothing is changed.

    Args:
        store: The store to clean up.
        policy: What to keep.
        now: The time from which ages count, with its time zone.

    Raises:
        RetentionError: A record cannot be read, so it is unknown what it references.
        ArtifactError: A record of the champions is damaged.
    """
    found = contents(store, policy, now)
    old = {reference: artifact for reference, artifact in found.artifacts.items() if reference not in found.kept}
    return CleanUpPlan(
        made_at=now,
        policy=policy,
        artifacts=tuple(old[reference] for reference in topological_order(old)),
        reports=tuple(sorted(found.old_reports, key=lambda report: report.made_at or report.changed_at)),
        orphans=found_orphans(store, before=now - policy.grace),
        kept=found.kept,
        kept_reports=found.kept_reports,
        unreadable=found.unreadable,
    )


def topological_order(artifacts: Mapping[ArtifactReference, FoundArtifact]) -> list[ArtifactReference]:
    """Return the artifacts so that each comes before its inputs: a kill then leaves none without its inputs."""
    inputs = inputs_among(artifacts)
    graph = {
        reference: sorted(inputs(reference), key=lambda needed: (needed.key, needed.stage)) for reference in artifacts
    }
    return list(TopologicalSorter(graph).static_order())[::-1]
