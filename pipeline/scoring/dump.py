"""The predictions for a whole dump: every shard scored, and one published file."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ArtifactError, ConfigurationError, quoted
from pipeline.scoring.exports import trained_on_demo
from pipeline.scoring.records import PREDICTIONS_FILE
from pipeline.scoring.shards import (
    EXCLUDED_FILE,
    EXCLUDED_SCHEMA,
    PREDICTION_SCHEMA,
    ROWS_PER_SHARD,
    SCORE_STAGE,
    ScoreSummary,
    Shard,
    plan_shards,
    score_shard,
)
from pipeline.store import ArtifactReference, ArtifactStore, Record
from pipeline.store.files import replaced_folder
from pipeline.store.run_names import safe_run_name

log = logging.getLogger(__name__)

PREDICTIONS = "predictions"
"""Folder below the store's root."""
SUMMARY_FILE = "summary.json"
COPY_BATCH_ROWS = 65_536
MAX_NAMED_FILES = 3
"""Files that a message names."""
MAX_UNKNOWN_WORDS = 0.2
"""Mean share of unknown words above which there is a warning. Fine-food reviews have 2 % unknown words for a vocabulary
of other fine-food reviews, and 71 % for one of another shop's two-word reviews."""


class DemoModelError(ConfigurationError):
    """A model that was trained on generated reviews was asked to score real ones."""


class UnknownWords(Record):
    """Shares of each review's words that are not in the model's vocabulary."""

    mean: float
    percentile_95: float
    """95 % of the reviews have at most this share."""
    without_known_word: int
    """Reviews without a single known word."""


class DumpFile(Record):
    """A file that was scored."""

    name: str
    rows: int


class PublishedPredictions(Record):
    """The predictions for a dump in figures (``summary.json``)."""

    schema_version: int = 2
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
    """Rows not scored, by reason; ``excluded.parquet`` has each of them."""
    positive: int
    positive_share: float | None
    """Of the rows with a probability; ``None`` if there is none."""
    unsure: int
    """Rows too near the threshold, or with too many unknown words; they have a probability and a label."""
    unknown: int
    """Rows without a known word; they have no probability and no label."""
    unknown_words: UnknownWords | None
    demo: bool
    """Whether the reviews are generated."""
    demo_model: bool | None = None
    """Whether the model was trained on generated reviews; ``None`` if the store does not know."""
    warnings: tuple[str, ...] = ()
    """Why the predictions should not be trusted."""
    ingested: ArtifactReference


class Publication(Record):
    """Published predictions and their place."""

    predictions: str
    """Path or URL of ``predictions.parquet``."""
    summary: PublishedPredictions

    def event(self) -> dict[str, str | int | float | None]:
        """Return the content of the event that announces the predictions to other DAGs."""
        summary = self.summary
        unknown = summary.unknown_words
        return {
            "predictions": self.predictions,
            "model": summary.model,
            "model_version": summary.model_version,
            "rows": summary.rows,
            "not_scored": summary.rows_in - summary.rows,
            "positive_share": summary.positive_share,
            "unsure": summary.unsure,
            "unknown_word_share": None if unknown is None else unknown.mean,
            "warnings": len(summary.warnings),
        }


def score_dump(
    exported: ArtifactReference,
    ingested: ArtifactReference,
    run_name: str,
    store: ArtifactStore,
    rows_per_shard: int = ROWS_PER_SHARD,
    *,
    allow_demo_model: bool = False,
) -> Publication:
    """Score every shard of a dump in this process and publish the predictions; shards scored before are reused.

    Args:
        exported: See :func:`pipeline.scoring.exports.choose_model`.
        ingested: Artifact of ``ingest``.
        run_name: Names the folder of the predictions.
        store: Holds the artifacts and receives the results.
        rows_per_shard: Maximum rows of a shard.
        allow_demo_model: See :func:`require_fit_model`.

    Raises:
        PipelineError: See :func:`require_fit_model`, :func:`plan_shards`, :func:`score_shard` and
            :func:`publish_predictions`.
    """
    require_fit_model(exported, ingested, store, allow_demo_model=allow_demo_model)
    scored, shards = [], plan_shards(ingested, store, rows_per_shard)
    for shard in shards:
        scored.append(score_shard(exported, ingested, shard, store))
        log.info("score: %d of %d rows", shard.first_row + shard.rows, shards[-1].first_row + shards[-1].rows)
    return publish_predictions(scored, run_name, store)


def require_fit_model(
    exported: ArtifactReference, ingested: ArtifactReference, store: ArtifactStore, *, allow_demo_model: bool
) -> None:
    """Refuse a model that was trained on generated reviews for a dump of real ones.

    Args:
        exported: The model.
        ingested: Artifact of ``ingest``.
        store: Holds the artifacts.
        allow_demo_model: Score anyway.

    Raises:
        DemoModelError: The model does not fit the dump.
        ArtifactError: An artifact is missing or damaged.
    """
    # Imported here: see publish_predictions.
    from pipeline.readers import IngestSummary

    dump = store.summary(ingested, IngestSummary)
    if allow_demo_model or dump.demo or not trained_on_demo(exported, store):
        return
    names = ", ".join(quoted(file.name, 80) for file in dump.files[:MAX_NAMED_FILES])
    raise DemoModelError(
        f"The model {exported} was trained on generated demo reviews. Its answers on the real reviews of {names} would "
        "be meaningless. Train a model on real reviews and name it, or score anyway with allow_demo_model."
    )


def publish_predictions(scored: Sequence[ArtifactReference], run_name: str, store: ArtifactStore) -> Publication:
    """Publish the predictions for a dump in ``<store>/predictions/<safe run name>/``.

    ``predictions.parquet`` has the shards' rows in the order of the dump, ``excluded.parquet`` the rows that were not
    scored, ``summary.json`` the figures. The folder is written under another name and renamed, so readers see all of it
    or nothing; on an object store the summary comes last. Publishing the same run again replaces it.

    Args:
        scored: Artifacts of ``score``, in any order: every shard of one dump by one model.
        run_name: The run's name; hostile text is made safe.
        store: Holds the artifacts and receives the predictions.

    Raises:
        ArtifactError: A shard is missing or belongs to another dump or model; rows would be lost or duplicated.
    """
    # Imported here: the control plane scores sentences and has no libraries that read dumps.
    from pipeline.readers import IngestSummary

    shards = _in_order(scored, store)
    first = store.manifest(shards[0])
    summaries = [store.summary(reference, ScoreSummary) for reference in shards]
    dump = store.summary(first.inputs["ingested"], IngestSummary)
    _require_every_row(summaries, dump.rows)
    home = store.root / PREDICTIONS / safe_run_name(run_name)
    with replaced_folder(home, last=SUMMARY_FILE) as written:
        _concatenate(shards, EXCLUDED_FILE, EXCLUDED_SCHEMA, written, store)
        unknown = _concatenate(
            shards, PREDICTIONS_FILE, PREDICTION_SCHEMA, written, store, figures="unknown_word_share"
        )
        rows, positive = sum(shard.rows for shard in summaries), sum(shard.positive for shard in summaries)
        unknown_rows = sum(shard.unknown for shard in summaries)
        excluded = sum((Counter(shard.excluded) for shard in summaries), Counter[str]())
        unknown_words = _unknown_words(unknown) if rows else None
        demo_model = trained_on_demo(first.inputs["exported"], store)
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
            positive_share=round(positive / (rows - unknown_rows), 6) if rows > unknown_rows else None,
            unsure=sum(shard.unsure for shard in summaries),
            unknown=unknown_rows,
            unknown_words=unknown_words,
            demo=dump.demo,
            demo_model=demo_model,
            warnings=tuple(_warnings(unknown_words, demo=dump.demo, demo_model=bool(demo_model))),
            ingested=first.inputs["ingested"],
        )
        (written / SUMMARY_FILE).write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")
    place = str(home / PREDICTIONS_FILE)
    log.info("Predictions: %s (%d rows, %d not scored)", place, rows, dump.rows - rows)
    for warning in summary.warnings:
        log.warning("%s", warning)
    return Publication(predictions=place, summary=summary)


def _in_order(scored: Sequence[ArtifactReference], store: ArtifactStore) -> list[ArtifactReference]:
    if not scored:
        raise ArtifactError("There is no scored shard to publish; score the dump first.")
    manifests = [store.manifest(reference) for reference in scored]
    for manifest in manifests:
        if manifest.stage != SCORE_STAGE.name or manifest.inputs != manifests[0].inputs:
            raise ArtifactError(
                f"{manifest.reference} and {manifests[0].reference} are not shards of one dump scored by one model; "
                "publish the shards of one run."
            )
    manifests.sort(key=lambda manifest: Shard.model_validate(manifest.params).first_row)
    return [manifest.reference for manifest in manifests]


def _require_every_row(summaries: Sequence[ScoreSummary], rows: int) -> None:
    """Refuse shards that omit rows or repeat some."""
    reached = 0
    for shard in summaries:
        if shard.first_row != reached:
            raise ArtifactError(
                f"The scored shards are not consecutive: row {reached + 1:,} should come next, but a shard begins at "
                f"row {shard.first_row + 1:,}. Score every shard of one plan."
            )
        reached += shard.rows_in
    if reached != rows:
        raise ArtifactError(
            f"The scored shards end at row {reached:,} of {rows:,}; score the rest, then publish again."
        )


def _concatenate(
    shards: Sequence[ArtifactReference],
    name: str,
    schema: pa.Schema,
    folder: Path,
    store: ArtifactStore,
    *,
    figures: str | None = None,
) -> np.ndarray:
    """Write the shards' files of one name as one file; return the column ``figures``, float32 ``[rows]``."""
    found = [np.empty(0, np.float32)]
    with pq.ParquetWriter(folder / name, schema, compression="zstd") as sink:
        for reference in shards:
            with pq.ParquetFile(store.folder(reference) / name) as source:
                if not source.schema_arrow.equals(schema):
                    raise ArtifactError(
                        f"{name} of {reference} has other columns than this project writes: "
                        f"{quoted(', '.join(source.schema_arrow.names), 200)}. Remove that artifact and score again."
                    )
                for batch in source.iter_batches(COPY_BATCH_ROWS, use_threads=False):
                    sink.write_batch(batch)
                    if figures is not None:
                        found.append(batch[figures].to_numpy())
    return np.concatenate(found)


def _unknown_words(shares: np.ndarray) -> UnknownWords:
    return UnknownWords(
        mean=round(float(shares.mean(dtype=np.float64)), 6),
        percentile_95=round(float(np.percentile(shares, 95, method="inverted_cdf")), 6),
        without_known_word=int((shares >= 1).sum()),
    )


def _warnings(unknown: UnknownWords | None, *, demo: bool, demo_model: bool) -> Iterator[str]:
    if demo_model and not demo:
        yield "The model was trained on generated demo reviews: its answers on real reviews are meaningless."
    if unknown is not None and unknown.mean > MAX_UNKNOWN_WORDS:
        yield (
            f"{unknown.mean:.0%} of the words are not in the vocabulary of the model (warning above "
            f"{MAX_UNKNOWN_WORDS:.0%}): it was trained on other reviews. Train a model on reviews like these."
        )
