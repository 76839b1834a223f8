"""Publish a finished report under ``<store>/reports/<safe run name>/`` and in ``latest.json``."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.reporting.formatting import visible
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.files import replaced_folder, write_whole
from pipeline.store.run_names import safe_run_name

if TYPE_CHECKING:
    from upath import UPath

log = logging.getLogger(__name__)

REPORTS = "reports"
LATEST = "latest.json"
PAGE, DATA, MESSAGE, MODEL_CARD = "report.html", "report.json", "report.md", "model_card.md"
RUN = "run.json"
"""The main figures of the run: see :mod:`pipeline.reporting.history`."""
DATA_DOCS = {"validate_raw": "data_docs_raw", "validate_clean": "data_docs_clean"}
"""Stage of a validation → the folder next to the report with its Data Docs."""


def publish(reported: ArtifactReference, run_name: str, store: ArtifactStore) -> str:
    """Publish a report with the Data Docs of its validations, and record it as the latest.

    No reader sees an incomplete report; in an object store, the page is written last. Publishing the same run again
    replaces its report.

    Args:
        reported: The artifact of the report.
        run_name: The run's name; hostile text is made safe.
        store: The artifact store.

    Returns:
        Path or URL of ``report.html``.

    Raises:
        ArtifactError: The report or one of its validations is missing.
    """
    name = safe_run_name(run_name)
    sources = _sources(reported, store)
    home = store.root / REPORTS / name
    _publish_folder(sources, home)
    page = str(home / PAGE)
    latest = {
        "run_name": visible(run_name),
        "folder": f"{REPORTS}/{name}",
        "report": page,
        "json": str(home / DATA),
        "markdown": str(home / MESSAGE),
        "model_card": str(home / MODEL_CARD),
        "artifact": f"{reported.stage}/{reported.key}",
    }
    _write_latest(store, json.dumps(latest, indent=2, ensure_ascii=True) + "\n")
    log.info("Report published: %s", page)
    return page


def _sources(reported: ArtifactReference, store: ArtifactStore) -> dict[str, Path]:
    """Return the source of each file of the published folder by its name there."""
    folder = store.folder(reported)
    sources = {name: folder / name for name in (PAGE, DATA, MESSAGE, MODEL_CARD, RUN)}
    inputs = store.manifest(reported).inputs
    for role, target in DATA_DOCS.items():
        if role not in inputs:
            continue
        docs = store.folder(inputs[role]) / "data_docs"
        if docs.is_dir():
            files = sorted(path for path in docs.rglob("*") if path.is_file() and not path.is_symlink())
            sources |= {f"{target}/{path.relative_to(docs).as_posix()}": path for path in files}
    return sources


def _publish_folder(sources: dict[str, Path], home: UPath) -> None:
    with replaced_folder(home, last=PAGE) as written:
        for name, source in sources.items():
            target = written / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _write_latest(store: ArtifactStore, text: str) -> None:
    write_whole(store.root / REPORTS / LATEST, text.encode())
