"""The history of published runs: a few figures of each, so that a list of runs need not read whole reports."""

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
    """The main figures of a published run (``run.json`` next to its report)."""

    # Runs of a later version may have more fields.
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
    """Artifact with the quarantined rows."""
    exported: ArtifactReference | None
    """Artifact with the exported best variant."""
    decision: str | None = None
    """Decision of the gate; ``None`` for a run that did not reach it."""
    folder: str = ""
    """Name below ``reports/``, set when it is read."""

    @property
    def figures(self) -> dict[str, Interval]:
        """The scores of the best model that are known, by name."""
        names = ("balanced_accuracy", "accuracy", "roc_auc", "negative_recall")
        return {name: figure for name in names if (figure := getattr(self, name)) is not None}


def published_run(contents: ReportContents, inputs: dict[str, ArtifactReference]) -> PublishedRun:
    """Return the main figures of a run.

    Args:
        contents: The contents of its report.
        inputs: The artifacts of the report by role.
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
    """The published runs.

    Attributes:
        runs: Every published run, the newest first.
        unreadable: Folders whose record is damaged or of another version, sorted.
    """

    runs: tuple[PublishedRun, ...]
    unreadable: tuple[str, ...]


def read_history(store: ArtifactStore) -> History:
    """Return every published run; records that cannot be read are logged, folders without one ignored."""
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


def find_published_run(store: ArtifactStore, folder: str) -> PublishedRun | None:
    """Return one published run without reading the others.

    Args:
        store: Where reports are published.
        folder: Name below ``reports/``, as :func:`pipeline.store.run_names.safe_run_name` gives it.

    Returns:
        The run; ``None`` if there is none or its record is damaged, which is logged.
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


# Cached by content, so that a run that is published again is parsed again; halves the time of a page of 200 runs.
@lru_cache(maxsize=2_048)
def _parsed(text: bytes, name: str) -> PublishedRun:
    return PublishedRun.model_validate_json(text).model_copy(update={"folder": name})


def _log_unreadable(path: UPath, error: Exception) -> None:
    log.warning("%s cannot be read and is left out of the history: %s", path, str(error).split("\n")[0])
