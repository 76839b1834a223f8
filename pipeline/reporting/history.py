"""What was published so far: a page of history needs a few figures of each run, not two hundred whole reports."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, ConfigDict

from pipeline.reporting.publishing import REPORTS, RUN
from pipeline.statistics import Interval
from pipeline.store import ArtifactReference, ArtifactStore, Record

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
    """File names of the dumps, as landed."""
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
        dumps=tuple(file.name for file in contents.land.files),
        rows_read=validation.rows if validation is not None else None,
        quarantined_rows=sum(validation.quarantined.values()) if validation is not None else None,
        test_rows=scores.rows if scores is not None else None,
        best_model=best.name if best is not None else None,
        best_title=best.title if best is not None else None,
        balanced_accuracy=scores.balanced_accuracy if scores is not None else None,
        accuracy=scores.accuracy if scores is not None else None,
        roc_auc=scores.roc_auc if scores is not None else None,
        negative_recall=scores.negative.recall if scores is not None else None,
        serious_warnings=sum(caution.serious for caution in contents.cautions),
        warnings=len(contents.cautions),
        validated_raw=inputs.get("validated_raw"),
        exported=inputs.get(f"exported {best.name}") if best is not None else None,
    )


def published_runs(store: ArtifactStore) -> tuple[PublishedRun, ...]:
    """Return every published run, the newest first; one whose record is damaged is left out, with a line in the log.

    A store without reports has none.
    """
    home = store.root / REPORTS
    found: list[PublishedRun] = []
    try:
        folders = [folder for folder in home.iterdir() if not folder.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    for folder in folders:
        run = _read(folder / RUN, folder.name)
        if run is not None:
            found.append(run)
    return tuple(sorted(found, key=lambda run: run.made_at, reverse=True))


def _read(path: UPath, name: str) -> PublishedRun | None:
    try:
        return PublishedRun.model_validate_json(path.read_bytes()).model_copy(update={"folder": name})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read and is left out of the history: %s", path, str(error).split("\n")[0])
        return None
