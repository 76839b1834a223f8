"""A whole dump scored: which model, which shards, and one published file of predictions."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from pipeline.errors import ArtifactError, quoted
from pipeline.readers import IngestSummary
from pipeline.scoring.records import MODEL_FILE, PREDICTIONS_FILE, SAVED_MODEL_FOLDER
from pipeline.scoring.scorer import find_export, read_card
from pipeline.scoring.shards import (
    PREDICTION_SCHEMA,
    ROWS_PER_SHARD,
    SCORE_STAGE,
    SET_ASIDE_FILE,
    SET_ASIDE_SCHEMA,
    ScoreSummary,
    Shard,
    plan_shards,
    score_shard,
)
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage, Workspace
from pipeline.store.run_names import safe_run_name

log = logging.getLogger(__name__)

PREDICTIONS = "predictions"
"""Folder below the store's root."""
SUMMARY_FILE = "summary.json"
ADOPT_STAGE = Stage("adopt_export", version=1)
EXPORT_STAGES = frozenset({"export", ADOPT_STAGE.name})

COPIED_ROWS = 65_536
HIGH_TAIL_PERCENT = 95


class UnknownWords(Record):
    """How much of the scored reviews the model does not know: shares of each review's words."""

    mean: float
    percentile_95: float
    """The share that 95 of 100 reviews do not exceed."""
    without_known_word: int
    """Reviews of which the model knows no word at all."""


class DumpFile(Record):
    """A file that was scored."""

    name: str
    rows: int


class PublishedPredictions(Record):
    """What was published of a scored dump (``summary.json``)."""

    schema_version: int = 1
    run_name: str
    model: str
    """The model's title, for people."""
    model_version: str
    """Its export, ``export/KEY``."""
    threshold: float
    """Probability from which a review counts as positive."""
    files: tuple[DumpFile, ...]
    rows_in: int
    rows: int
    """Rows scored."""
    excluded: dict[str, int]
    """Rows not scored, by reason; each stands in ``excluded.parquet``."""
    positive: int
    positive_share: float | None
    """``None`` where no row was scored."""
    unknown_words: UnknownWords | None
    demo: bool
    ingested: ArtifactReference


class Publication(Record):
    """Where the predictions lie, and what they come to."""

    predictions: str
    """Path or URL of ``predictions.parquet``."""
    summary: PublishedPredictions


class _Digest(BaseModel):
    sha256: str


def choose_model(name: str, store: ArtifactStore) -> ArtifactReference:
    """Return the exported model that a name stands for, as an artifact of the store.

    Args:
        name: ``champion``, ``latest``, ``export/KEY`` (its first six characters suffice), or the folder of an export or
            a file in it. An export from elsewhere is copied into the store first, so that its predictions can always
            be traced.
        store: Where exports are looked for.

    Raises:
        ArtifactError: There is no such export, or it is damaged.
        NoChampionError: The champion was asked for and there is none.
    """
    here = Path(name).expanduser()
    if here.name in {MODEL_FILE, SAVED_MODEL_FOLDER} and here.exists():
        here = here.parent
    if not here.is_dir():
        return find_export(name, store)
    read_card(here)
    inside = here.absolute()
    if store.is_folder and inside.parent.parent == Path(str(store.root)) / "artifacts":
        stage = inside.parent.name
        if stage in EXPORT_STAGES:
            found = ArtifactReference(stage=stage, key=inside.name)
            if store.has(found):
                return found
    return _adopted(inside, store)


def _adopted(folder: Path, store: ArtifactStore) -> ArtifactReference:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    # What the store itself wrote of the artifact is no part of the model.
    files = [path for path in files if path.relative_to(folder).as_posix() not in {"manifest.json", SUMMARY_FILE}]
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode("utf-8", "surrogateescape"))

    def build(work: Workspace) -> Outcome:
        for path in files:
            target = work.folder / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        return Outcome(read_card(folder))

    return store.produce(ADOPT_STAGE, inputs={}, params=_Digest(sha256=digest.hexdigest()), build=build)


def score_dump(
    exported: ArtifactReference,
    ingested: ArtifactReference,
    run_name: str,
    store: ArtifactStore,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> Publication:
    """Plan, score every shard in this process, and publish; what was scored before is reused.

    Args:
        exported: See :func:`choose_model`.
        ingested: Artifact of ``ingest``.
        run_name: Names the folder of the predictions.
        store: Where everything lies.
        rows_per_shard: Rows of a shard at most.

    Raises:
        PipelineError: See :func:`plan_shards`, :func:`score_shard` and :func:`publish_predictions`.
    """
    plan = plan_shards(ingested, store, rows_per_shard)
    scored = []
    for shard in plan.shards:
        scored.append(score_shard(exported, ingested, shard, store))
        log.info("score: %d of %d rows", shard.first_row + shard.rows, plan.rows)
    return publish_predictions(scored, run_name, store)


def publish_predictions(scored: Sequence[ArtifactReference], run_name: str, store: ArtifactStore) -> Publication:
    """Put the predictions of a dump where people look for them: ``<store>/predictions/<safe run name>/``.

    ``predictions.parquet`` has the shards' rows in the order of the dump, ``excluded.parquet`` the rows that were not
    scored, ``summary.json`` the figures. The folder is written aside and renamed, so that nobody sees half of it; on an
    object store the summary comes last. Publishing the same run again replaces it.

    Args:
        scored: Artifacts of ``score``, in any order: every shard of one dump by one model.
        run_name: The run's name; hostile text is made safe.
        store: Where the artifacts lie and the predictions go.

    Raises:
        ArtifactError: A shard is missing, or is of another dump or model; rows would be lost or come twice.
    """
    shards = _in_order(scored, store)
    first = store.manifest(shards[0])
    summaries = [store.summary(reference, ScoreSummary) for reference in shards]
    dump = store.summary(first.inputs["ingested"], IngestSummary)
    _require_every_row(summaries, dump.rows)
    home = store.root / PREDICTIONS / safe_run_name(run_name)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=_beside(store)) as aside:
        written = Path(aside) / "new"
        written.mkdir()
        _joined(shards, SET_ASIDE_FILE, SET_ASIDE_SCHEMA, written, store)
        unknown = _joined(shards, PREDICTIONS_FILE, PREDICTION_SCHEMA, written, store, figures="unknown_word_share")
        rows, positive = sum(part.rows for part in summaries), sum(part.positive for part in summaries)
        excluded: dict[str, int] = {}
        for part in summaries:
            for reason, count in part.excluded.items():
                excluded[reason] = excluded.get(reason, 0) + count
        summary = PublishedPredictions(
            run_name="".join(c if c.isprintable() else "_" for c in run_name),
            model=summaries[0].model,
            model_version=summaries[0].model_version,
            threshold=summaries[0].threshold,
            files=tuple(DumpFile(name=file.name, rows=file.rows) for file in dump.files),
            rows_in=dump.rows,
            rows=rows,
            excluded=dict(sorted(excluded.items())),
            positive=positive,
            positive_share=round(positive / rows, 6) if rows else None,
            unknown_words=_unknown_words(unknown) if rows else None,
            demo=dump.demo,
            ingested=first.inputs["ingested"],
        )
        (written / SUMMARY_FILE).write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if store.is_folder:
            _rename(written, Path(str(home)))
        else:
            for name in (PREDICTIONS_FILE, SET_ASIDE_FILE, SUMMARY_FILE):
                with (written / name).open("rb") as source, (home / name).open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    place = str(home / PREDICTIONS_FILE)
    log.info("Predictions: %s (%d rows, %d not scored)", place, rows, dump.rows - rows)
    return Publication(predictions=place, summary=summary)


def told_of_predictions(published: Publication) -> dict[str, str | int | float | None]:
    """Return what an asset's event says of published predictions."""
    summary = published.summary
    unknown = summary.unknown_words
    return {
        "predictions": published.predictions,
        "model": summary.model,
        "model_version": summary.model_version,
        "rows": summary.rows,
        "not_scored": summary.rows_in - summary.rows,
        "positive_share": summary.positive_share,
        "unknown_word_share": None if unknown is None else unknown.mean,
    }


def _in_order(scored: Sequence[ArtifactReference], store: ArtifactStore) -> list[ArtifactReference]:
    if not scored:
        raise ArtifactError("There is no scored shard to publish; score the dump first.")
    manifests = [store.manifest(reference) for reference in scored]
    for manifest in manifests:
        if manifest.stage != SCORE_STAGE.name or manifest.inputs != manifests[0].inputs:
            raise ArtifactError(
                f"{manifest.reference} and {manifests[0].reference} are no shards of one dump scored by one model; "
                "publish the shards of one run."
            )
    manifests.sort(key=lambda manifest: Shard.model_validate(manifest.params).first_row)
    return [manifest.reference for manifest in manifests]


def _require_every_row(summaries: Sequence[ScoreSummary], rows: int) -> None:
    """Refuse shards that leave rows out or hold some twice.

    Raises:
        ArtifactError: They do.
    """
    reached = 0
    for part in summaries:
        if part.first_row != reached:
            raise ArtifactError(
                f"The scored shards do not fit together: row {reached + 1:,} should come next, but a shard begins at "
                f"row {part.first_row + 1:,}. Score every shard of one plan."
            )
        reached += part.rows_in
    if reached != rows:
        raise ArtifactError(
            f"The scored shards end at row {reached:,} of {rows:,}; score the rest, then publish again."
        )


def _joined(
    shards: Sequence[ArtifactReference],
    name: str,
    schema: pa.Schema,
    folder: Path,
    store: ArtifactStore,
    *,
    figures: str | None = None,
) -> np.ndarray:
    """Write one file of every shard's; return the column ``figures``, float32 ``[rows]``."""
    found = [np.empty(0, np.float32)]
    with pq.ParquetWriter(folder / name, schema, compression="zstd") as sink:
        for reference in shards:
            with pq.ParquetFile(store.folder(reference) / name) as source:
                if not source.schema_arrow.equals(schema):
                    raise ArtifactError(
                        f"{name} of {reference} has other columns than this project writes: "
                        f"{quoted(', '.join(source.schema_arrow.names), 200)}. Remove that artifact and score again."
                    )
                for batch in source.iter_batches(COPIED_ROWS, use_threads=False):
                    sink.write_batch(batch)
                    if figures is not None:
                        found.append(batch[figures].to_numpy())
    return np.concatenate(found)


def _unknown_words(shares: np.ndarray) -> UnknownWords:
    return UnknownWords(
        mean=round(float(shares.mean(dtype=np.float64)), 6),
        percentile_95=round(float(np.percentile(shares, HIGH_TAIL_PERCENT, method="inverted_cdf")), 6),
        without_known_word=int((shares >= 1).sum()),
    )


def _beside(store: ArtifactStore) -> Path | None:
    """Return a folder on a folder store's own disk, where nothing is taken for predictions: its name has a dot."""
    if not store.is_folder:
        return None
    home = Path(str(store.root)) / PREDICTIONS
    home.mkdir(parents=True, exist_ok=True)
    return home


def _rename(written: Path, home: Path) -> None:
    for path in [*written.iterdir(), written]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    old = written.with_name("old")
    if home.exists():
        home.rename(old)
    try:
        written.rename(home)
    except OSError:
        if old.exists() and not home.exists():
            old.rename(home)
        raise
