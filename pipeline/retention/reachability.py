"""Finds what must stay, with all of its inputs."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import quoted
from pipeline.retention.inventory import RetentionError, found_artifacts, found_reports, keys_in
from pipeline.retention.records import CleanUpPlan, FoundArtifact, FoundReport, Reason, RetentionPolicy
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.files import files_below

REPORT_STAGE = "report"
WITHOUT_RECORDS = frozenset({"artifacts", "reports", "in_progress", "resumable", "locks"})
"""Folders of the store without records that reference artifacts."""
MLFLOW = "mlflow"
"""Prefix of MLflow's own files, which are neither read nor removed."""


@dataclass(frozen=True)
class Contents:
    """What the store holds, and what of it must stay.

    Attributes:
        artifacts: Every artifact.
        kept: Those that stay, with the reason; all others may go.
        old_reports: Reports that the policy does not keep.
        kept_reports: Folders of the other reports, the newest first, unreadable ones last.
        unreadable: Problems with records that cannot be read; these stay.
    """

    artifacts: Mapping[ArtifactReference, FoundArtifact]
    kept: Mapping[ArtifactReference, Reason]
    old_reports: tuple[FoundReport, ...]
    kept_reports: tuple[str, ...]
    unreadable: tuple[str, ...]


def contents(store: ArtifactStore, policy: RetentionPolicy, now: datetime, plan: CleanUpPlan | None = None) -> Contents:
    """Return what a store holds and what must stay; nothing is changed.

    Records are read after the artifacts, so that a new artifact is either found together with its record or not at all.

    Args:
        store: The store.
        policy: What to keep.
        now: The time from which ages count.
        plan: An earlier plan. Artifacts that are not in it, or were used since, count as in use.

    Raises:
        RetentionError: A record of the champions, the batches or another folder cannot be read.
        ArtifactError: A record of the champions is damaged.
    """
    artifacts = found_artifacts(store)
    reports = found_reports(store)
    latest = _latest(store)
    staying = _staying(reports, latest, policy, now)
    folders = {report.folder for report in staying}
    champions, records = _recorded_keys(store, policy)
    of, inputs = _by_key(artifacts), inputs_among(artifacts)
    in_use = {reference for reference, found in artifacts.items() if found.last_used > now - policy.grace}
    in_use |= store.being_produced() & artifacts.keys()
    damaged = {reference: found.problem for reference, found in artifacts.items() if found.problem is not None}
    roots: dict[Reason, set[ArtifactReference]] = {
        "champion": of(champions),
        "record": of(records),
        "report": _report_artifacts(staying, artifacts) | of(latest.keys.union(*(report.keys for report in staying))),
        "in_use": in_use if plan is None else in_use | _used_since(artifacts, plan),
        "unreadable": set(damaged),
    }
    kept: dict[ArtifactReference, Reason] = {}
    for reason, found in roots.items():
        for reference in reached(found, inputs):
            kept.setdefault(reference, reason)
    problems = (*damaged.values(), *(report.problem for report in staying), latest.problem)
    return Contents(
        artifacts=artifacts,
        kept=kept,
        old_reports=tuple(report for report in reports if report.folder not in folders),
        kept_reports=tuple(report.folder for report in staying),
        unreadable=tuple(problem for problem in problems if problem is not None),
    )


def _by_key(artifacts: Iterable[ArtifactReference]) -> Callable[[Iterable[str]], set[ArtifactReference]]:
    by_key: dict[str, set[ArtifactReference]] = defaultdict(set)
    for reference in artifacts:
        by_key[reference.key].add(reference)
    return lambda keys: {reference for key in keys for reference in by_key.get(key, ())}


def inputs_among(
    artifacts: Mapping[ArtifactReference, FoundArtifact],
) -> Callable[[ArtifactReference], set[ArtifactReference]]:
    """Return what gives the direct inputs of an artifact, if it and they are among these."""
    of = _by_key(artifacts)
    return lambda reference: of(artifacts[reference].keys) if reference in artifacts else set()


def _used_since(artifacts: Mapping[ArtifactReference, FoundArtifact], plan: CleanUpPlan) -> set[ArtifactReference]:
    """Return the artifacts that are not in a plan, and those to remove that were used since."""
    known = {artifact.reference: artifact.last_used for artifact in plan.artifacts}
    return {
        reference
        for reference, found in artifacts.items()
        if reference not in plan.kept and (reference not in known or found.last_used > known[reference])
    }


def reached(
    roots: Iterable[ArtifactReference], inputs: Callable[[ArtifactReference], Iterable[ArtifactReference]]
) -> set[ArtifactReference]:
    """Return the roots with their direct and indirect inputs."""
    found, waiting = set[ArtifactReference](), list(roots)
    while waiting:
        reference = waiting.pop()
        if reference not in found:
            found.add(reference)
            waiting += inputs(reference)
    return found


@dataclass(frozen=True)
class _Latest:
    folder: str | None
    keys: frozenset[str]
    problem: str | None


def _latest(store: ArtifactStore) -> _Latest:
    from pipeline.reporting.publishing import LATEST, REPORTS

    path = store.root / REPORTS / LATEST
    try:
        found = json.loads(path.read_bytes())
        folder = str(found["folder"]).removeprefix(f"{REPORTS}/")
    except FileNotFoundError:
        return _Latest(None, frozenset(), None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return _Latest(None, frozenset(), f"{path} cannot be read ({quoted(error)}); the next run writes it again.")
    return _Latest(folder, keys_in(found), None)


def _staying(
    reports: Sequence[FoundReport], latest: _Latest, policy: RetentionPolicy, now: datetime
) -> list[FoundReport]:
    """Return the reports that stay, the newest first; those without a readable date stay, too, and come last.

    A folder without a page is a leftover of a killed publication or clean-up.
    """
    dated = sorted(
        ((report.made_at, report) for report in reports if report.made_at is not None and report.has_page),
        key=lambda pair: pair[0],
        reverse=True,
    )
    since = now - timedelta(days=policy.keep_days)
    kept = [report for number, (made_at, report) in enumerate(dated) if number < policy.keep_reports or made_at > since]
    kept += [
        report
        for report in reports
        if report not in kept
        and (
            report.changed_at > now - policy.grace
            or report.folder == latest.folder
            or (report.has_page and report.made_at is None)
        )
    ]
    return kept


def _report_artifacts(
    staying: Iterable[FoundReport], artifacts: Mapping[ArtifactReference, FoundArtifact]
) -> set[ArtifactReference]:
    """Return the artifacts of the reports that stay.

    A run that was cleared and ran again has several report artifacts; the published one has the same digests. If none
    has, all of them stay.
    """
    from pipeline.store.run_names import safe_run_name

    of_folder: dict[str, set[ArtifactReference]] = defaultdict(set)
    for reference, found in artifacts.items():
        if reference.stage == REPORT_STAGE and found.manifest is not None:
            of_folder[safe_run_name(str(found.manifest.params.get("run_name")))].add(reference)
    kept = set()
    for report in staying:
        candidates = of_folder[report.folder]
        published = {
            reference
            for reference in candidates
            if (manifest := artifacts[reference].manifest) is not None
            and report.digests
            and all(
                name in manifest.files and manifest.files[name].sha256 == digest
                for name, digest in report.digests.items()
            )
        }
        kept |= published or candidates
    return kept


def _recorded_keys(store: ArtifactStore, policy: RetentionPolicy) -> tuple[frozenset[str], frozenset[str]]:
    """Return the keys of the champions that stay, and all keys in any other record of the store.

    Champion changes older than the policy keep nothing. Every other record keeps what it references, so that unknown
    kinds of records are safe.
    """
    from pipeline.promotion.champions import CHAMPIONS, NoChampionError, champion_changes, rolled_back

    changes = champion_changes(store)
    serving = [change.model_dump(mode="json") for change in changes[: policy.keep_changes]]
    with contextlib.suppress(NoChampionError):
        serving.append(rolled_back(store).model_dump(mode="json"))
    passed = {f"{CHAMPIONS}/{change.number:06}.json" for change in changes}
    records = set[str]()
    for place, keys in _records(store):
        if place not in passed:
            records |= keys
    return keys_in(serving), frozenset(records)


def _records(store: ArtifactStore) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the path and the keys of each JSON record outside of ``WITHOUT_RECORDS``."""
    try:
        entries = sorted(store.root.iterdir(), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in entries:
        if folder.name in WITHOUT_RECORDS or folder.name.startswith((".", MLFLOW)) or not folder.is_dir():
            continue
        for file in files_below(folder):
            name = file.name.rpartition("/")[2]
            # A leading dot marks an unfinished file.
            if not name.endswith(".json") or name.startswith("."):
                continue
            path = folder / file.name
            try:
                keys = keys_in([name.removesuffix(".json"), json.loads(path.read_bytes())])
            except FileNotFoundError:
                continue
            except (OSError, ValueError, RecursionError) as error:
                raise RetentionError(
                    f"The record {path} cannot be read ({quoted(error)}), so it is unknown what it references, and "
                    "nothing is removed. Repair it, restore it from a backup, or move it out of the store if it does "
                    "not belong there."
                ) from error
            yield f"{folder.name}/{file.name}", keys
