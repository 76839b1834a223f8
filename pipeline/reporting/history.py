"""What was published so far: a page of history needs a few figures of each run, not two hundred whole reports."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, ConfigDict

from pipeline.reporting.publishing import REPORTS, RUN
from pipeline.statistics import Interval
from pipeline.store import ArtifactReference, ArtifactStore, Record
from pipeline.store.files import entries

if TYPE_CHECKING:
    from upath import UPath

    from pipeline.reporting.records import ReportContents

log = logging.getLogger(__name__)


class PublishedRun(Record):
    """One published run in a few figures (``run.json`` beside its report)."""

    # A page may meet runs of a later version: what it does not know, it leaves out.
    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1
    run_name: str
    made_at: AwareDatetime
    profile: str
    demo: bool
    outcome: str
    headline: str
    dumps: tuple[str, ...]
    """File names of the dumps, as fetched."""
    rows_read: int | None
    quarantined_rows: int | None
    test_rows: int | None
    best_model: str | None
    best_title: str | None
    balanced_accuracy: Interval | None
    accuracy: Interval | None
    roc_auc: Interval | None
    negative_recall: Interval | None
    serious_warnings: int
    warnings: int
    validated_raw: ArtifactReference | None
    """Where the quarantined rows lie."""
    exported: ArtifactReference | None
    """The best variant as a model that can be asked."""
    decision: str | None = None
    """The gate's answer; ``None`` for a run that did not come to the gate, or was published before there was one."""
    folder: str = ""
    """Name below ``reports/``; known once it is published."""


def published_run(contents: ReportContents, inputs: dict[str, ArtifactReference]) -> PublishedRun:
    """Return a run in a few figures.

    Args:
        contents: The report.
        inputs: The report's artifacts by role.
    """
    best = contents.best
    scores = best.evaluated.scores if best is not None and best.evaluated is not None else None
    validation = contents.validation_raw
    return PublishedRun(
        run_name=contents.run_name,
        made_at=contents.made_at,
        profile=contents.profile,
        demo=contents.demo,
        outcome=contents.outcome,
        headline=contents.headline,
        dumps=tuple(file.name for file in contents.fetch.files),
        rows_read=validation.rows if validation is not None else None,
        quarantined_rows=sum(validation.quarantined.values()) if validation is not None else None,
        test_rows=scores.rows if scores is not None else None,
        best_model=best.name if best is not None else None,
        best_title=best.title if best is not None else None,
        balanced_accuracy=scores.balanced_accuracy if scores is not None else None,
        accuracy=scores.accuracy if scores is not None else None,
        roc_auc=scores.roc_auc if scores is not None else None,
        negative_recall=scores.negative.recall if scores is not None else None,
        serious_warnings=sum(warning.serious for warning in contents.warnings),
        warnings=len(contents.warnings),
        validated_raw=inputs.get("validate_raw"),
        exported=inputs.get(f"export {best.name}") if best is not None else None,
        decision=contents.gate.decision if contents.gate is not None else None,
    )


@dataclass(frozen=True)
class History:
    """What lies below ``reports/``.

    Attributes:
        runs: Every published run, the newest first.
        unreadable: Folders whose record is damaged or of another version, in the order of their names.
    """

    runs: tuple[PublishedRun, ...]
    unreadable: tuple[str, ...]


def read_history(store: ArtifactStore) -> History:
    """Return what was published; a record that cannot be read gets a line in the log.

    A store without reports has none, and a folder without a record is on its way or no run's.
    """
    home = store.root / REPORTS
    runs: list[PublishedRun] = []
    unreadable: list[str] = []
    for folder in entries(home):
        if folder.name.startswith("."):
            continue
        try:
            runs.append(_read(folder / RUN, folder.name))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            unreadable.append(folder.name)
            _log_unreadable(folder / RUN, error)
    return History(tuple(sorted(runs, key=lambda run: run.made_at, reverse=True)), tuple(sorted(unreadable)))


def published_runs(store: ArtifactStore) -> tuple[PublishedRun, ...]:
    """Return every published run, the newest first; one whose record is damaged is left out, with a line in the log.

    A store without reports has none.
    """
    return read_history(store).runs


def find_published_run(store: ArtifactStore, folder: str) -> PublishedRun | None:
    """Return one published run, without reading the others.

    Args:
        store: Where reports are published.
        folder: Name below ``reports/``, as :func:`pipeline.store.run_names.safe_run_name` gives it.

    Returns:
        The run; ``None`` where there is none, or where its record is damaged, which gets a line in the log.
    """
    path = store.root / REPORTS / folder / RUN
    try:
        return _read(path, folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        _log_unreadable(path, error)
        return None


def _read(path: UPath, name: str) -> PublishedRun:
    return _parsed(path.read_bytes(), name)


# Keyed by the text itself, so that a run published anew is read anew; a page of 200 runs takes half the time.
@lru_cache(maxsize=2_048)
def _parsed(text: bytes, name: str) -> PublishedRun:
    return PublishedRun.model_validate_json(text).model_copy(update={"folder": name})


def _log_unreadable(path: UPath, error: Exception) -> None:
    log.warning("%s cannot be read and is left out of the history: %s", path, str(error).split("\n")[0])
