"""What must stay, and with it all that it was made of."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import quoted
from pipeline.retention.inventory import (
    FoundArtifact,
    FoundReport,
    RetentionError,
    found_artifacts,
    found_reports,
    keys_in,
)
from pipeline.retention.records import CleanUpPlan, Reason, RetentionPolicy
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.files import files_below

REPORT_STAGE = "report"
WITHOUT_RECORDS = frozenset({"artifacts", "reports", "in_progress", "resumable", "locks"})
"""Folders of the store whose files are no records of what must stay."""
MLFLOW = "mlflow"
"""Prefix of the names of MLflow's own files, which are neither read nor removed."""


@dataclass(frozen=True)
class Contents:
    """What the store holds, and what of it must stay.

    Attributes:
        artifacts: Every artifact.
        kept: Those that stay, with why; all others may go.
        old_reports: Reports beyond the policy.
        kept_reports: Folders of the others, the newest first, those that cannot be read at the end.
        unreadable: What cannot be read, with why; it stays.
    """

    artifacts: Mapping[ArtifactReference, FoundArtifact]
    kept: Mapping[ArtifactReference, Reason]
    old_reports: tuple[FoundReport, ...]
    kept_reports: tuple[str, ...]
    unreadable: tuple[str, ...]


def contents(store: ArtifactStore, policy: RetentionPolicy, now: datetime, plan: CleanUpPlan | None = None) -> Contents:
    """Look through a store; nothing in it changes.

    The records are read after the artifacts: what a record names by then is either seen with it or not seen at all.

    Args:
        store: The store.
        policy: What is kept.
        now: The moment from which ages count.
        plan: An earlier plan: what it did not know, or what was used since, is in use whatever its age.

    Raises:
        RetentionError: A record of the champions, the collection or another folder cannot be read.
        ArtifactError: A record of the champions is damaged.
    """
    artifacts = found_artifacts(store)
    reports = found_reports(store)
    latest = _latest(store)
    staying = _staying(reports, latest, policy, now)
    folders = {report.folder for report in staying}
    champions, records = _recorded_keys(store, policy)
    of = _by_key(artifacts)
    in_use = {reference for reference, found in artifacts.items() if found.last_used > now - policy.grace}
    in_use |= store.being_produced() & artifacts.keys()
    damaged = {reference: found.problem for reference, found in artifacts.items() if found.problem is not None}
    roots: dict[Reason, set[ArtifactReference]] = {
        "champion": of(champions),
        "record": of(records),
        "report": _report_artifacts(staying, artifacts) | of(latest.keys.union(*(report.keys for report in staying))),
        "in_use": in_use if plan is None else in_use | _turned_to(artifacts, plan),
        "unreadable": set(damaged),
    }
    kept: dict[ArtifactReference, Reason] = {}
    for reason, found in roots.items():
        for reference in reached(found, lambda reference: of(artifacts[reference].keys)):
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


def _turned_to(artifacts: Mapping[ArtifactReference, FoundArtifact], plan: CleanUpPlan) -> set[ArtifactReference]:
    """Return what a plan did not know, and what it would remove but has been used since."""
    known = {artifact.reference: artifact.last_used for artifact in plan.artifacts}
    kept = {artifact.reference for artifact in plan.kept}
    return {
        reference
        for reference, found in artifacts.items()
        if reference not in kept and (reference not in known or found.last_used > known[reference])
    }


def reached(
    roots: Iterable[ArtifactReference], inputs: Callable[[ArtifactReference], Iterable[ArtifactReference]]
) -> set[ArtifactReference]:
    """Return the roots and whatever ``inputs`` leads to from them."""
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
        return _Latest(None, frozenset(), f"{path} cannot be read ({quoted(error)}); the next run writes it anew.")
    return _Latest(folder, keys_in(found), None)


def _staying(
    reports: Sequence[FoundReport], latest: _Latest, policy: RetentionPolicy, now: datetime
) -> list[FoundReport]:
    """Return the reports that stay, the newest first; those without a readable date stay and stand at the end.

    A folder without a page is no report but a leftover, of a publication or a clean-up that was killed.
    """
    dated = sorted(
        ((report.made_at, report) for report in reports if report.made_at is not None and report.whole),
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
            or (report.whole and report.made_at is None)
        )
    ]
    return kept


def _report_artifacts(
    staying: Iterable[FoundReport], artifacts: Mapping[ArtifactReference, FoundArtifact]
) -> set[ArtifactReference]:
    """Return the artifacts of the reports that stay.

    Of several reports of a run (it was cleared and ran again) the one that is published counts: it has the same bytes.
    Where none has, all do.
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
    """Return the keys of the champions that stay, and all keys that any other record below the store names.

    A numbered change of the champion that is older than the policy keeps says nothing; any other record, of whatever
    kind, keeps what it names, so that a kind of record that is not known here is safe.
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
    """Yield the place and the keys of each JSON record outside of the folders that hold none."""
    try:
        entries = sorted(store.root.iterdir(), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in entries:
        if folder.name in WITHOUT_RECORDS or folder.name.startswith((".", MLFLOW)) or not folder.is_dir():
            continue
        for file in files_below(folder):
            name = file.name.rpartition("/")[2]
            # A dot in front: half written, not yet there.
            if not name.endswith(".json") or name.startswith("."):
                continue
            path = folder / file.name
            try:
                keys = keys_in([name.removesuffix(".json"), json.loads(path.read_bytes())])
            except FileNotFoundError:
                continue
            except (OSError, ValueError, RecursionError) as error:
                raise RetentionError(
                    f"The record {path} cannot be read ({quoted(error)}), so what it keeps is unknown, and nothing is "
                    "removed. Mend it, restore it from a backup, or move it out of the store if it is none of ours."
                ) from error
            yield f"{folder.name}/{file.name}", keys
