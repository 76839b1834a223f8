"""Removes what was planned, if it is still unreferenced and unchanged."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from upath import UPath

from pipeline.errors import ArtifactError, quoted
from pipeline.retention.inventory import last_change
from pipeline.retention.reachability import Contents, contents, inputs_among, reached
from pipeline.retention.records import CleanUpPlan, CleanUpResult, FoundArtifact, FoundReport, Orphan, Skipped
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.files import files_below, remove_atomically

log = logging.getLogger(__name__)

USED = "it was used or referenced since the plan was made"
CHANGED = "it was changed or referenced since the plan was made"


def clean_up(store: ArtifactStore, plan: CleanUpPlan) -> CleanUpResult:
    """Remove what a plan lists, unless it was used, referenced or changed since.

    The store is read once more. Artifacts that are not in the plan count as in use, and each artifact is checked a last
    time after readers cannot find it any more. Reports go first, then artifacts, each before its inputs. So a kill
    never leaves an artifact without its inputs, and a second clean-up completes the first.

    Args:
        store: The store of the plan.
        plan: From ``plan_clean_up``.

    Raises:
        RetentionError: A record cannot be read, so it is unknown what it references.
        ArtifactError: A record of the champions is damaged.
    """
    work = _CleanUp(store)
    now = contents(store, plan.policy, plan.made_at, plan)
    for report in plan.reports:
        work.remove_report(report, now)
    for artifact in plan.artifacts:
        work.remove_artifact(artifact, now)
    for orphan in plan.orphans:
        work.remove_orphan(orphan)
    result = work.result()
    log.info(
        "Removed %d artifacts, %d reports and %d leftovers; skipped %d.",
        len(result.artifacts),
        len(result.reports),
        len(result.orphans),
        len(result.skipped),
    )
    return result


@dataclass
class _CleanUp:
    """A clean-up in progress."""

    store: ArtifactStore
    artifacts: list[ArtifactReference] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    needed: set[ArtifactReference] = field(default_factory=set)
    """Inputs of the skipped artifacts."""
    freed: int = 0

    def remove_report(self, report: FoundReport, now: Contents) -> None:
        """Remove the folder of a report; ``latest.json`` names another one."""
        from pipeline.reporting.publishing import PAGE, REPORTS

        name = f"{REPORTS}/{report.folder}"
        found = {old.folder: old.changed_at for old in now.old_reports}.get(report.folder)
        if found != report.changed_at:
            if found is not None or report.folder in now.kept_reports:
                self.skip(name, CHANGED)
            return
        try:
            gone = remove_atomically(
                self.store.root / REPORTS / report.folder,
                PAGE,
                lambda place: any(file.changed_at > report.changed_at for file in files_below(place)),
                in_progress=self.store.in_progress,
            )
        except OSError as error:
            self.skip(name, f"it cannot be removed: {quoted(error, 200)}")
            return
        if gone:
            self.reports.append(report.folder)
            self.freed += report.bytes
        else:
            self.skip(name, CHANGED)

    def remove_artifact(self, artifact: FoundArtifact, now: Contents) -> None:
        """Remove one artifact; if it is skipped, its inputs are skipped, too."""
        reference = artifact.reference
        found = now.artifacts.get(reference)
        if found is None:
            return
        reason = USED
        if reference not in now.kept and reference not in self.needed:
            try:
                if self.store.remove(reference, last_used=artifact.last_used):
                    self.artifacts.append(reference)
                    self.freed += artifact.bytes
                    return
                if self.store.last_used(reference) is None:
                    # Another clean-up was faster.
                    return
            except ArtifactError as error:
                reason = str(error)
        self.skip(str(reference), reason)
        self.needed |= reached([reference], inputs_among(now.artifacts))

    def remove_orphan(self, orphan: Orphan) -> None:
        """Remove a leftover, unless it changed; a run cannot resume half a checkpoint, since it is hidden first."""
        home = (self.store.root if orphan.remote else UPath(self.store.local)) / orphan.place

        def is_used(hidden: UPath) -> bool:
            running = {f"resumable/{reference.stage}/{reference.key}" for reference in self.store.being_produced()}
            return orphan.place in running or (last_change(hidden) or orphan.changed_at) > orphan.changed_at

        try:
            if remove_atomically(home, None, is_used, in_progress=self.store.in_progress):
                self.orphans.append(orphan.place)
                self.freed += orphan.bytes
            elif home.exists():
                self.skip(orphan.place, CHANGED)
        except OSError as error:
            self.skip(orphan.place, f"it cannot be removed: {quoted(error, 200)}")

    def skip(self, name: str, reason: str) -> None:
        """Keep something that the plan lists."""
        log.info("%s stays: %s", name, reason)
        self.skipped.append(Skipped(name=name, reason=reason))

    def result(self) -> CleanUpResult:
        """Return what was done."""
        return CleanUpResult(
            artifacts=tuple(self.artifacts),
            reports=tuple(self.reports),
            orphans=tuple(self.orphans),
            bytes=self.freed,
            skipped=tuple(self.skipped),
        )
