"""Finds the dump to compare a new one with: that of the last published report on other raw files."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping

from pipeline.cleaning.records import CleanSummary
from pipeline.errors import ArtifactError
from pipeline.profiling.clean_reviews import REVIEWS
from pipeline.profiling.records import STAGE_OF, ProfiledDump
from pipeline.profiling.stage import PREVIOUS
from pipeline.sources.records import FetchSummary
from pipeline.store import ArtifactReference, ArtifactStore, Manifest
from pipeline.validation.records import ValidationSummary

log = logging.getLogger(__name__)

LATEST = ("reports", "latest.json")
"""Where ``pipeline.reporting`` names the report that was published last."""
REPORT_STAGE = "report"
UNREADABLE = (ArtifactError, OSError, ValueError, KeyError, TypeError, AttributeError)
"""Errors that damaged files of an earlier run raise. They must not stop a new run."""

Roles = Mapping[str, ArtifactReference]


def previous_dump(store: ArtifactStore, fetched: ArtifactReference) -> ProfiledDump | None:
    """Return the dump to compare a new one with, or ``None`` if the store has none.

    The newest report decides. If it is about the same raw files, its comparison is repeated, so that a second run of a
    dump gives the same profile. If its dump was refused, the reports before it are used, newest first. Generated demo
    dumps and real dumps are not compared with each other.

    Args:
        store: The store of the reports and artifacts.
        fetched: The new dump's raw files.

    Raises:
        ArtifactError: The new dump's own raw files are missing.
    """
    demo = store.summary(fetched, FetchSummary).demo
    for roles in _reports(store):
        if roles.get("fetch") != fetched:
            dump = _dump(roles, "", store, demo=demo)
        elif "profile" in roles:
            earlier = _inputs(roles["profile"], store)
            return _dump(earlier, PREVIOUS, store, demo=demo) if earlier else None
        else:
            dump = None
        if dump is not None:
            return dump
    return None


def _reports(store: ArtifactStore) -> Iterator[Roles]:
    """Yield the artifacts of each report by role: the last published one first, then the others, newest first."""
    latest = _latest(store)
    if latest is None:
        return
    roles = _inputs(latest, store)
    if roles is not None:
        yield roles
    # This reads the manifest of every report, but only after a refused run.
    found = [manifest for path in _other_reports(store, latest) if (manifest := _manifest(path, store)) is not None]
    for manifest in sorted(found, key=lambda manifest: manifest.started_at, reverse=True):
        yield manifest.inputs


def _latest(store: ArtifactStore) -> ArtifactReference | None:
    path = store.root.joinpath(*LATEST)
    try:
        if not path.exists():
            return None
        stage, _, key = json.loads(path.read_text(encoding="utf-8"))["artifact"].partition("/")
        return ArtifactReference(stage=stage, key=key)
    except UNREADABLE as error:
        log.warning("The record of the last report is damaged (%s): no comparison.", error)
        return None


def _other_reports(store: ArtifactStore, latest: ArtifactReference) -> list[ArtifactReference]:
    try:
        return [reference for reference in store.artifacts(REPORT_STAGE) if reference != latest]
    except OSError as error:
        log.warning("The reports of earlier runs cannot be listed (%s): no comparison.", error)
        return []


def _manifest(reference: ArtifactReference, store: ArtifactStore) -> Manifest | None:
    try:
        return store.manifest(reference)
    except UNREADABLE as error:
        log.warning("%s of an earlier run cannot be read (%s): it is skipped.", reference, error)
        return None


def _inputs(reference: ArtifactReference, store: ArtifactStore) -> Roles | None:
    manifest = _manifest(reference, store)
    return None if manifest is None else manifest.inputs


def _dump(roles: Roles, prefix: str, store: ArtifactStore, *, demo: bool) -> ProfiledDump | None:
    """Return the dump of a report if it was cleaned, kept its contract, is complete and of the same kind."""
    artifacts = {field: roles.get(prefix + stage) for field, stage in STAGE_OF.items()}
    if None in artifacts.values():
        return None
    dump = ProfiledDump.model_validate(artifacts)
    try:
        validated = [dump.validated_raw, *filter(None, [roles.get("validate_clean")])]
        kept_contract = all(store.summary(one, ValidationSummary).contract.success for one in validated)
        _require_whole(dump, store)
    except UNREADABLE as error:
        log.warning("There is no comparison with the dump of an earlier run: %s", error)
        return None
    return dump if kept_contract and store.summary(dump.fetched, FetchSummary).demo == demo else None


def _require_whole(dump: ProfiledDump, store: ArtifactStore) -> None:
    """Read what the comparison will read, so that damage is found before the stage starts.

    Raises:
        ArtifactError: A summary cannot be read, or the digest of the reviews is not that of their manifest.
    """
    for reference in dump.inputs().values():
        store.manifest(reference)
    store.summary(dump.fetched, FetchSummary)
    store.summary(dump.cleaned, CleanSummary)
    recorded = store.manifest(dump.cleaned).files[REVIEWS].sha256
    with (store.folder(dump.cleaned) / REVIEWS).open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != recorded:
        raise ArtifactError(
            f"{REVIEWS} of artifact {dump.cleaned} is damaged: its digest is {found[:12]}…, the manifest says "
            f"{recorded[:12]}…. Remove the folder of that artifact; the next run of that dump produces it again."
        )
