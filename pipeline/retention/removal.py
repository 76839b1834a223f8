"""The clean-up itself: what was planned goes, if it is still out of reach and unchanged."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import ArtifactError, quoted
from pipeline.retention.inventory import FoundArtifact, stray_changed_at
from pipeline.retention.reachability import Contents, contents, reached
from pipeline.retention.records import CleanUpPlan, CleanUpResult, OldArtifact, OldReport, Spared, Stray
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.files import files_below, remove_atomically

log = logging.getLogger(__name__)

USED = "it was used or came within reach since the plan was made"
CHANGED = "it was changed or came within reach since the plan was made"


def clean_up(store: ArtifactStore, plan: CleanUpPlan) -> CleanUpResult:
    """Remove what a plan names, unless it has come within reach or changed since.

    The store is looked through once more. What the plan did not know is in use, whatever its age, and each artifact is
    asked a last time when it is out of reach already. Reports go first, then artifacts, none before those that were
    made of it: whenever this is killed, each artifact is there with all that it was made of, or not at all. Doing it
    again ends it; doing it twice changes nothing.

    Args:
        store: The store that the plan was made for.
        plan: From ``plan_clean_up``.

    Raises:
        RetentionError: A record cannot be read by now, so that what it keeps is unknown.
        ArtifactError: A record of the champions is damaged.
    """
    work = _CleanUp(store, plan)
    now = contents(store, plan.policy, plan.made_at, plan)
    for report in plan.reports:
        work.remove_report(report, now)
    for artifact in plan.artifacts:
        work.remove_artifact(artifact, now)
    for stray in plan.strays:
        work.remove_stray(stray)
    result = work.result()
    log.info(
        "Removed %d artifacts, %d reports and %d leftovers; %d were spared.",
        len(result.artifacts),
        len(result.reports),
        len(result.strays),
        len(result.spared),
    )
    return result


@dataclass
class _CleanUp:
    """One clean-up on its way."""

    store: ArtifactStore
    plan: CleanUpPlan
    artifacts: list[ArtifactReference] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    spared: list[Spared] = field(default_factory=list)
    needed: set[ArtifactReference] = field(default_factory=set)
    """What those were made of that have been spared."""
    freed: int = 0

    def remove_report(self, report: OldReport, now: Contents) -> None:
        """Remove a report's folder; ``latest.json`` names another one."""
        from pipeline.reporting.publishing import PAGE, REPORTS

        name = f"{REPORTS}/{report.folder}"
        found = {old.folder: old.changed_at for old in now.old_reports}.get(report.folder)
        if found != report.changed_at:
            if found is not None or report.folder in now.kept_reports:
                self.spare(name, CHANGED)
            return
        try:
            gone = remove_atomically(
                self.store.root / REPORTS / report.folder,
                PAGE,
                lambda place: any(file.changed_at > report.changed_at for file in files_below(place)),
                in_progress=self.store.local / "in_progress",
            )
        except OSError as error:
            self.spare(name, f"it cannot be removed: {quoted(error, 200)}")
            return
        if gone:
            self.reports.append(report.folder)
            self.freed += report.bytes
        else:
            self.spare(name, CHANGED)

    def remove_artifact(self, artifact: OldArtifact, now: Contents) -> None:
        """Remove one artifact; where it is spared, so is all that it was made of."""
        reference = artifact.reference
        found = now.artifacts.get(reference)
        if found is None:
            return
        why = USED
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
                why = str(error)
        self.spare(str(reference), why)
        self.needed |= reached([reference], lambda reference: _inputs(reference, now.artifacts))

    def remove_stray(self, stray: Stray) -> None:
        """Remove a leftover, out of reach first: nobody must go on with half a checkpoint."""
        path = self.store.local / stray.place
        in_progress = self.store.local / "in_progress"
        in_progress.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix="removed-", dir=in_progress)) / path.name
        try:
            path.rename(aside)
        except OSError as error:
            aside.parent.rmdir()
            if not isinstance(error, FileNotFoundError):
                self.spare(stray.place, f"it cannot be removed: {quoted(error, 200)}")
            return
        if self._gone_on_with(stray) or stray_changed_at(aside) > stray.changed_at:
            try:
                aside.rename(path)
            except OSError as error:
                # Begun anew meanwhile: what is aside goes with the next clean-up.
                log.warning("%s was begun anew: %s", stray.place, error)
            else:
                aside.parent.rmdir()
            self.spare(stray.place, CHANGED)
            return
        shutil.rmtree(aside.parent, ignore_errors=True)
        self.strays.append(stray.place)
        self.freed += stray.bytes

    def _gone_on_with(self, stray: Stray) -> bool:
        made = {f"resumable/{reference.stage}/{reference.key}" for reference in self.store.being_produced()}
        return stray.place in made

    def spare(self, name: str, why: str) -> None:
        """Keep something that the plan named."""
        log.info("%s stays: %s", name, why)
        self.spared.append(Spared(name=name, why=why))

    def result(self) -> CleanUpResult:
        """Return what was done."""
        return CleanUpResult(
            artifacts=tuple(self.artifacts),
            reports=tuple(self.reports),
            strays=tuple(self.strays),
            bytes=self.freed,
            spared=tuple(self.spared),
        )


def _inputs(
    reference: ArtifactReference, artifacts: Mapping[ArtifactReference, FoundArtifact]
) -> list[ArtifactReference]:
    found = artifacts.get(reference)
    return [] if found is None else [other for other in artifacts if other.key in found.keys]
