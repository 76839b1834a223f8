"""The stage ``compare_to_champion``: challenger and champion score the same reviews from their raw text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel

from pipeline.behavioral_tests import TextScorer
from pipeline.config import EvaluationConfig
from pipeline.encoding import VOCABULARY_FILE, Vocabulary
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation.calibration import bin_starts
from pipeline.evaluation.paired import accuracy_difference, count_pairs, paired_differences
from pipeline.evaluation.predictions import PREDICTIONS, PartPredictions, part_predictions
from pipeline.evaluation.resampling import CountedFigures, RankedCounts
from pipeline.evaluation.slices import dimensions_of, reviews_of
from pipeline.promotion.champions import ChampionModel
from pipeline.promotion.records import ComparedModel, ComparedSlice, HeadToHeadSummary, RowSet, RowSetName
from pipeline.promotion.rule_text import row_set_sentence
from pipeline.splitting.splits import TEST, TRAIN, VALIDATION, read_splits
from pipeline.splitting.texts import int_digest
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

log = logging.getLogger(__name__)

STAGE = Stage("compare_to_champion", version=1)

MIN_SLICE_ROWS = 20
"""Rows from which a slice is kept: the smallest value that ``slice_rows`` may have."""


class HeadToHeadError(ArtifactError):
    """A model returns probabilities of the wrong shape."""


class HeadToHeadParams(BaseModel):
    """What the comparison depends on, besides its inputs."""

    bootstrap_samples: int
    challenger: str
    challenger_title: str
    champion: str
    champion_title: str


@dataclass(frozen=True)
class _Assigned:
    """The test split of a model, and what the model was trained on.

    Attributes:
        rows: int64 ``[test rows]``, in the order of its cleaned reviews.
        labels: int8 ``[test rows]``.
        texts: uint64 ``[test rows]``, digests of the raw texts.
        seen: uint64 ``[distinct texts]``, digests of the training and validation texts.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int8]
    texts: NDArray[np.uint64]
    seen: NDArray[np.uint64]


@dataclass(frozen=True)
class _Candidates:
    """The test rows of one model, and which of them neither model has seen.

    Attributes:
        name: Which row set it is.
        owner: The model whose test split it is.
        assigned: The rows of that split.
        known: By side, bool ``[test rows]``: whether the model has seen the text of the row.
    """

    name: RowSetName
    owner: ChampionModel
    assigned: _Assigned
    known: Mapping[str, NDArray[np.bool_]]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Whether each row is compared, bool ``[test rows]``."""
        return ~(self.known["challenger"] | self.known["champion"])

    @property
    def rows(self) -> NDArray[np.int64]:
        """The compared rows, int64 ``[compared rows]``."""
        return self.assigned.rows[self.kept]

    @property
    def labels(self) -> NDArray[np.int8]:
        """Their labels, int8 ``[compared rows]``."""
        return self.assigned.labels[self.kept]


@dataclass(frozen=True)
class _Scored:
    """Predictions of one model on the row sets.

    Attributes:
        threshold: Smallest probability that is called positive.
        probabilities: By row set, float32 ``[compared rows]``, as the model returned them.
    """

    threshold: float
    probabilities: Mapping[RowSetName, NDArray[np.float32]]


def compare_to_champion(
    challenger: ChampionModel,
    champion: ChampionModel,
    config: EvaluationConfig,
    store: ArtifactStore,
    load: Callable[[ArtifactReference], TextScorer],
) -> ArtifactReference:
    """Compare challenger and champion on two sets of raw reviews, each model at its own threshold.

    The sets are the test splits of the two models. A review whose text is in the training or validation split of
    either model is excluded and counted, because that model may have memorized it. Texts are streamed; memory holds
    eight bytes per review, the probabilities, and the texts of the challenger's test split for its slices.

    Args:
        challenger: The best model of this run.
        champion: The model in production.
        config: Bootstrap samples of an interval.
        store: Where artifacts are kept.
        load: Loads an ``export`` artifact; called once per model, and only if the store lacks the result.

    Returns:
        An artifact whose summary is a ``HeadToHeadSummary``, with ``predictions.parquet``: ``row_set``
        string (``challenger_test`` or ``champion_test``), ``row`` int64, ``label`` int8, ``challenger`` and
        ``champion`` float32.

    Raises:
        HeadToHeadError: A model returns another number of probabilities than there are reviews.
        ArtifactError: A split was made from other reviews, or an artifact is missing.
    """
    sides = {"challenger": challenger, "champion": champion}
    return store.produce(
        STAGE,
        inputs={
            f"{side} {role}": getattr(model, role)
            for side, model in sides.items()
            for role in ("exported", "cleaned", "parts")
        },
        params=HeadToHeadParams(bootstrap_samples=config.bootstrap_samples, **_names(sides)),
        build=lambda work: _build(work, sides, config.bootstrap_samples, store, load),
    )


def _build(
    work: Workspace,
    sides: Mapping[str, ChampionModel],
    samples: int,
    store: ArtifactStore,
    load: Callable[[ArtifactReference], TextScorer],
) -> Outcome:
    challenger, champion = sides["challenger"], sides["champion"]
    assigned = {side: _read_assigned(model, store) for side, model in sides.items()}
    known = {owner: {side: np.isin(assigned[owner].texts, assigned[side].seen) for side in sides} for owner in assigned}
    chosen = [_Candidates("challenger_test", challenger, assigned["challenger"], known["challenger"])]
    if (champion.cleaned, champion.parts) != (challenger.cleaned, challenger.parts):
        chosen.append(_Candidates("champion_test", champion, assigned["champion"], known["champion"]))
    # One model in memory at a time.
    scored = {side: _score(model, chosen, store, load) for side, model in sides.items()}
    _write(work, chosen, scored)
    row_sets = {one.name: _row_set(one, scored, samples) for one in chosen}
    own_test = row_sets["challenger_test"]
    if own_test.rows:
        own_test = own_test.model_copy(update={"slices": tuple(_slices(chosen[0], scored, store))})
    for row_set in row_sets.values():
        log.info("%s", row_set_sentence(row_set))
    return Outcome(
        HeadToHeadSummary(**_names(sides), challenger_test=own_test, champion_test=row_sets.get("champion_test"))
    )


def _names(sides: Mapping[str, ChampionModel]) -> dict[str, str]:
    names = {side: model.name for side, model in sides.items()}
    return names | {f"{side}_title": model.title for side, model in sides.items()}


def _read_assigned(model: ChampionModel, store: ArtifactStore) -> _Assigned:
    rows, labels, texts, seen = [], [], [], []
    for batch in read_splits(model.cleaned, model.parts, ["row", "label", "text"], store):
        test = batch.split_of_row == TEST
        learned = (batch.split_of_row == TRAIN) | (batch.split_of_row == VALIDATION)
        column = batch.columns.column("text")
        digests = np.fromiter((int_digest(text.as_py() or "") for text in column), dtype=np.uint64, count=len(column))
        rows.append(batch.columns.column("row").to_numpy()[test])
        labels.append(batch.columns.column("label").to_numpy()[test].astype(np.int8))
        texts.append(digests[test])
        seen.append(digests[learned])
    empty = np.zeros(0, dtype=np.uint64)
    return _Assigned(
        rows=np.concatenate([np.zeros(0, dtype=np.int64), *rows]),
        labels=np.concatenate([np.zeros(0, dtype=np.int8), *labels]),
        texts=np.concatenate([empty, *texts]),
        seen=np.unique(np.concatenate([empty, *seen])),
    )


def _score(
    model: ChampionModel,
    chosen: Sequence[_Candidates],
    store: ArtifactStore,
    load: Callable[[ArtifactReference], TextScorer],
) -> _Scored:
    scorer = load(model.exported)
    probabilities: dict[RowSetName, NDArray[np.float32]] = {}
    for one in chosen:
        found = [np.zeros(0, dtype=np.float32)]
        for texts, summaries in _texts(one, store):
            answer = np.asarray(scorer.probabilities(texts, summaries), dtype=np.float32)
            if answer.shape != (len(texts),):
                raise HeadToHeadError(
                    f"{quoted(model.title)} ({model.exported}) returns probabilities of shape {answer.shape} for "
                    f"{len(texts):,} reviews; export the model again."
                )
            found.append(answer)
        probabilities[one.name] = np.concatenate(found)
    return _Scored(threshold=float(scorer.threshold), probabilities=probabilities)


def _texts(chosen: _Candidates, store: ArtifactStore) -> Iterator[tuple[list[str], list[str]]]:
    """Yield raw texts and summaries of the compared rows, in their order."""
    kept, begin = chosen.kept, 0
    for batch in read_splits(chosen.owner.cleaned, chosen.owner.parts, ["text", "summary"], store):
        places = np.flatnonzero(batch.split_of_row == TEST)
        wanted = places[kept[begin : begin + len(places)]]
        begin += len(places)
        if len(wanted):
            yield _strings(batch.columns, "text", wanted), _strings(batch.columns, "summary", wanted)


def _strings(columns: pa.RecordBatch, name: str, places: NDArray[np.int64]) -> list[str]:
    if name not in columns.schema.names:
        return [""] * len(places)
    return [text or "" for text in columns.column(name).take(places).to_pylist()]


def _write(work: Workspace, chosen: Sequence[_Candidates], scored: Mapping[str, _Scored]) -> None:
    schema = pa.schema(
        [
            pa.field("row_set", pa.string(), nullable=False),
            pa.field("row", pa.int64(), nullable=False),
            pa.field("label", pa.int8(), nullable=False),
            pa.field("challenger", pa.float32(), nullable=False),
            pa.field("champion", pa.float32(), nullable=False),
        ]
    )
    with pq.ParquetWriter(work.folder / PREDICTIONS, schema, compression="zstd") as sink:
        for one in chosen:
            probabilities = [scored[side].probabilities[one.name] for side in ("challenger", "champion")]
            names = pa.array([one.name] * len(one.rows), pa.string())
            sink.write_table(pa.table([names, one.rows, one.labels, *probabilities], schema=schema))


def _row_set(chosen: _Candidates, scored: Mapping[str, _Scored], samples: int) -> RowSet:
    labels = chosen.labels
    right = _right(chosen, scored)
    negative, positive = (
        count_pairs(right["challenger"][labels == label], right["champion"][labels == label]) for label in (0, 1)
    )
    known = {side: int(rows.sum()) for side, rows in chosen.known.items()}
    return RowSet(
        name=chosen.name,
        rows=len(labels),
        known_to_challenger=known["challenger"],
        known_to_champion=known["champion"],
        excluded=int((~chosen.kept).sum()),
        negative=negative,
        positive=positive,
        differences=paired_differences(negative, positive, samples),
        challenger=_compared(chosen, scored["challenger"]),
        champion=_compared(chosen, scored["champion"]),
    )


def _right(chosen: _Candidates, scored: Mapping[str, _Scored]) -> dict[str, NDArray[np.bool_]]:
    """Return by side on which compared rows the model is right, bool ``[compared rows]``."""
    return {
        side: (_predictions(chosen, found).probabilities >= found.threshold) == (chosen.labels == 1)
        for side, found in scored.items()
    }


def _predictions(chosen: _Candidates, scored: _Scored) -> PartPredictions:
    return part_predictions(chosen.rows, chosen.labels, scored.probabilities[chosen.name])


def _compared(chosen: _Candidates, scored: _Scored) -> ComparedModel:
    predictions, labels = _predictions(chosen, scored), chosen.labels
    if not len(labels):
        return ComparedModel(balanced_accuracy=0, accuracy=0, negative_recall=0, calibration_error=0, unusable=0)
    ranked = RankedCounts.of(labels, predictions.probabilities)
    counted = CountedFigures(ranked.probability, scored.threshold, bin_starts(ranked))(ranked.negative, ranked.positive)
    return ComparedModel(
        balanced_accuracy=counted.balanced_accuracy,
        accuracy=counted.accuracy,
        negative_recall=counted.negative_recall,
        calibration_error=counted.calibration_error,
        unusable=predictions.unusable,
    )


def _slices(chosen: _Candidates, scored: Mapping[str, _Scored], store: ArtifactStore) -> Iterator[ComparedSlice]:
    """Yield the difference of the two models on each slice of the evaluation."""
    right = _right(chosen, scored)
    words = Vocabulary.load(store.folder(chosen.owner.exported) / VOCABULARY_FILE)
    for dimension in dimensions_of(reviews_of(store, chosen.owner.cleaned, chosen.rows), words):
        for place, label in enumerate(dimension.labels):
            inside = dimension.values == place
            rows = int(inside.sum())
            if rows < MIN_SLICE_ROWS or rows == len(inside):
                continue
            counts = count_pairs(right["challenger"][inside], right["champion"][inside])
            yield ComparedSlice(
                dimension=dimension.name,
                dimension_title=dimension.title,
                label=label,
                rows=rows,
                only_challenger=counts.only_first,
                only_champion=counts.only_second,
                difference=accuracy_difference(counts.only_first, counts.only_second, rows),
            )
