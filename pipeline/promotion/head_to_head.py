"""The stage ``challenge``: challenger and champion score the same reviews from their raw text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from pipeline.config import EvaluationConfig
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation.predictions import PREDICTIONS, PartPredictions, part_predictions
from pipeline.promotion.champions import ChampionModel
from pipeline.promotion.paired import difference_of, differences, tally
from pipeline.promotion.records import ComparedModel, ComparedSlice, HeadToHeadSummary, PairedTally, RowSet, RowSetName
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

STAGE = Stage("challenge", version=1)

LEAST_SLICE_ROWS = 20
"""Rows from which a kind of reviews is kept: the least that ``slice_rows`` may ask for."""


class ReviewScorer(Protocol):
    """An exported model at work, as :class:`pipeline.scoring.Scorer` is."""

    @property
    def threshold(self) -> float:
        """Probability from which a review counts as positive."""

    def probabilities(self, texts: Sequence[str], summaries: Sequence[str] | None = None) -> NDArray[np.floating[Any]]:
        """Return the probability that each raw review is positive, ``[len(texts)]``, in the order given.

        ``summaries`` are joined to the texts by models that were trained so, and left unread by others.
        """


class HeadToHeadError(ArtifactError):
    """A model does not answer as a model should."""


class HeadToHeadParams(BaseModel):
    """What a challenge depends on, besides its inputs."""

    bootstrap_samples: int
    challenger: str
    challenger_title: str
    champion: str
    champion_title: str


@dataclass(frozen=True)
class _Assigned:
    """A model's reviews, as numbers.

    Attributes:
        rows: int64 ``[test rows]``, in the order of its cleaned reviews.
        labels: int8 ``[test rows]``.
        texts: uint64 ``[test rows]``, digests of the raw texts.
        met: uint64 ``[distinct texts]``, digests of the training and validation texts.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int8]
    texts: NDArray[np.uint64]
    met: NDArray[np.uint64]


@dataclass(frozen=True)
class _Chosen:
    """The test rows of one model that neither has met.

    Attributes:
        name: Which row set it is.
        owner: The model whose test part it is.
        dealt: That model's reviews.
        known: By side, bool ``[test rows]``: whether the model met the row's text.
    """

    name: RowSetName
    owner: ChampionModel
    dealt: _Assigned
    known: Mapping[str, NDArray[np.bool_]]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Whether each row is compared, bool ``[test rows]``."""
        return ~(self.known["challenger"] | self.known["champion"])

    @property
    def rows(self) -> NDArray[np.int64]:
        """The compared rows, int64 ``[compared rows]``."""
        return self.dealt.rows[self.kept]

    @property
    def labels(self) -> NDArray[np.int8]:
        """Their labels, int8 ``[compared rows]``."""
        return self.dealt.labels[self.kept]


@dataclass(frozen=True)
class _Answers:
    """What one model says of the row sets.

    Attributes:
        threshold: Least probability that counts as positive.
        probabilities: By row set, float32 ``[compared rows]``, as the model gave them.
    """

    threshold: float
    probabilities: Mapping[RowSetName, NDArray[np.float32]]


def challenge(
    challenger: ChampionModel,
    champion: ChampionModel,
    config: EvaluationConfig,
    store: ArtifactStore,
    load: Callable[[ArtifactReference], ReviewScorer],
) -> ArtifactReference:
    """Let challenger and champion score two sets of raw reviews, each at its own threshold, and compare them.

    The sets are the challenger's test part and the champion's. A review whose very text one of the two met in
    training or validation is left out, and counted: that model would have a memory of it. Texts are streamed; in
    memory stand eight bytes a review, the probabilities, and the texts of the challenger's test part for their kinds.

    Args:
        challenger: The best model of this run.
        champion: The model in service.
        config: How many resamples are behind an interval.
        store: Where artifacts lie.
        load: Loads an ``export`` artifact; called once for each model, and only where the store does not hold the
            challenge yet.

    Returns:
        An artifact whose summary is a ``HeadToHeadSummary``, with ``predictions.parquet``: ``row_set`` string
        (``new_test`` or ``old_test``), ``row`` int64, ``label`` int8, ``challenger`` and ``champion`` float32.

    Raises:
        HeadToHeadError: A model gives another number of probabilities than there are reviews.
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
        params=HeadToHeadParams(
            bootstrap_samples=config.bootstrap_samples,
            challenger=challenger.name,
            challenger_title=challenger.title,
            champion=champion.name,
            champion_title=champion.title,
        ),
        build=lambda work: _build(work, sides, config.bootstrap_samples, store, load),
    )


def _build(
    work: Workspace,
    sides: Mapping[str, ChampionModel],
    samples: int,
    store: ArtifactStore,
    load: Callable[[ArtifactReference], ReviewScorer],
) -> Outcome:
    challenger, champion = sides["challenger"], sides["champion"]
    dealt = {side: _dealt(model, store) for side, model in sides.items()}
    known = {owner: {side: np.isin(dealt[owner].texts, dealt[side].met) for side in sides} for owner in sides}
    chosen = [_Chosen("new_test", challenger, dealt["challenger"], known["challenger"])]
    if (champion.cleaned, champion.parts) != (challenger.cleaned, challenger.parts):
        chosen.append(_Chosen("old_test", champion, dealt["champion"], known["champion"]))
    # One model in memory at a time.
    answers = {side: _answers(model, chosen, store, load) for side, model in sides.items()}
    _write(work, chosen, answers)
    row_sets = {one.name: _row_set(one, answers, sides, samples) for one in chosen}
    new_test = row_sets["new_test"]
    if new_test.rows:
        new_test = new_test.model_copy(update={"slices": tuple(_slices(chosen[0], answers, store))})
    for row_set in row_sets.values():
        log.info("%s", row_set.sentence)
    return Outcome(
        HeadToHeadSummary(
            challenger=challenger.name,
            challenger_title=challenger.title,
            champion=champion.name,
            champion_title=champion.title,
            new_test=new_test,
            old_test=row_sets.get("old_test"),
        )
    )


def _dealt(model: ChampionModel, store: ArtifactStore) -> _Assigned:
    from pipeline.splitting.splits import TEST, TRAIN, VALIDATION, read_splits
    from pipeline.splitting.texts import int_digest

    rows, labels, texts, met = [], [], [], []
    for batch in read_splits(model.cleaned, model.parts, ["row", "label", "text"], store):
        test = batch.split_of_row == TEST
        learned = (batch.split_of_row == TRAIN) | (batch.split_of_row == VALIDATION)
        column = batch.columns.column("text")
        digests = np.fromiter((int_digest(text.as_py() or "") for text in column), dtype=np.uint64, count=len(column))
        rows.append(batch.columns.column("row").to_numpy()[test])
        labels.append(batch.columns.column("label").to_numpy()[test].astype(np.int8))
        texts.append(digests[test])
        met.append(digests[learned])
    empty = np.zeros(0, dtype=np.uint64)
    return _Assigned(
        rows=np.concatenate([np.zeros(0, dtype=np.int64), *rows]),
        labels=np.concatenate([np.zeros(0, dtype=np.int8), *labels]),
        texts=np.concatenate([empty, *texts]),
        met=np.unique(np.concatenate([empty, *met])),
    )


def _answers(
    model: ChampionModel,
    chosen: Sequence[_Chosen],
    store: ArtifactStore,
    load: Callable[[ArtifactReference], ReviewScorer],
) -> _Answers:
    scorer = load(model.exported)
    probabilities: dict[RowSetName, NDArray[np.float32]] = {}
    for one in chosen:
        found = [np.zeros(0, dtype=np.float32)]
        for texts, summaries in _texts(one, store):
            answer = np.asarray(scorer.probabilities(texts, summaries), dtype=np.float32)
            if answer.shape != (len(texts),):
                raise HeadToHeadError(
                    f"{quoted(model.title)} ({model.exported}) gives probabilities of the shape {answer.shape} for "
                    f"{len(texts):,} reviews; export the model again."
                )
            found.append(answer)
        probabilities[one.name] = np.concatenate(found)
    return _Answers(threshold=float(scorer.threshold), probabilities=probabilities)


def _texts(chosen: _Chosen, store: ArtifactStore) -> Iterator[tuple[list[str], list[str]]]:
    """Yield raw texts and summaries of the compared rows, in their order."""
    from pipeline.splitting.splits import TEST, read_splits

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


def _write(work: Workspace, chosen: Sequence[_Chosen], answers: Mapping[str, _Answers]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

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
            probabilities = [answers[side].probabilities[one.name] for side in ("challenger", "champion")]
            names = pa.array([one.name] * len(one.rows), pa.string())
            sink.write_table(pa.table([names, one.rows, one.labels, *probabilities], schema=schema))


def _row_set(
    chosen: _Chosen, answers: Mapping[str, _Answers], sides: Mapping[str, ChampionModel], samples: int
) -> RowSet:
    labels = chosen.labels
    right = _right(chosen, answers)
    negative, positive = (
        tally(right["challenger"][labels == label], right["champion"][labels == label]) for label in (0, 1)
    )
    known = {side: int(rows.sum()) for side, rows in chosen.known.items()}
    left_out = int((~chosen.kept).sum())
    sentence = (
        f"Compared on {len(labels):,} test reviews of {'this run' if chosen.name == 'new_test' else 'the champion'}"
    )
    if left_out:
        sentence += (
            f"; {left_out:,} more were left out, because the same text stood in training or validation of "
            f"{sides['champion'].title}, the champion ({known['champion']:,}), or of the challenger "
            f"({known['challenger']:,})"
        )
    return RowSet(
        name=chosen.name,
        rows=len(labels),
        known_to_challenger=known["challenger"],
        known_to_champion=known["champion"],
        left_out=left_out,
        sentence=f"{sentence}.",
        negative=negative,
        positive=positive,
        differences=differences(negative, positive, samples),
        challenger=_compared(chosen, answers["challenger"]),
        champion=_compared(chosen, answers["champion"]),
    )


def _right(chosen: _Chosen, answers: Mapping[str, _Answers]) -> dict[str, NDArray[np.bool_]]:
    """Return by side which compared rows the model calls rightly, bool ``[compared rows]``."""
    return {
        side: (_predictions(chosen, answer).probabilities >= answer.threshold) == (chosen.labels == 1)
        for side, answer in answers.items()
    }


def _predictions(chosen: _Chosen, answer: _Answers) -> PartPredictions:
    return part_predictions(chosen.rows, chosen.labels, answer.probabilities[chosen.name])


def _compared(chosen: _Chosen, answer: _Answers) -> ComparedModel:
    from pipeline.evaluation.calibration import bin_starts
    from pipeline.evaluation.resampling import CountedFigures, RankedCounts

    predictions, labels = _predictions(chosen, answer), chosen.labels
    if not len(labels):
        return ComparedModel(balanced_accuracy=0, accuracy=0, negative_recall=0, calibration_error=0, unusable=0)
    ranked = RankedCounts.of(labels, predictions.probabilities)
    counted = CountedFigures(ranked.probability, answer.threshold, bin_starts(ranked))(ranked.negative, ranked.positive)
    return ComparedModel(
        balanced_accuracy=counted.balanced_accuracy,
        accuracy=counted.accuracy,
        negative_recall=counted.negative_recall,
        calibration_error=counted.calibration_error,
        unusable=predictions.unusable,
    )


def _slices(chosen: _Chosen, answers: Mapping[str, _Answers], store: ArtifactStore) -> Iterator[ComparedSlice]:
    """Yield how the two compare on each kind of reviews that the evaluation knows."""
    from pipeline.encoding import VOCABULARY_FILE, Vocabulary
    from pipeline.evaluation.slices import dimensions_of, reviews_of

    right = _right(chosen, answers)
    words = Vocabulary.load(store.folder(chosen.owner.exported) / VOCABULARY_FILE)
    for dimension in dimensions_of(reviews_of(store, chosen.owner.cleaned, chosen.rows), words):
        for place, label in enumerate(dimension.labels):
            inside = dimension.values == place
            rows = int(inside.sum())
            if rows < LEAST_SLICE_ROWS or rows == len(inside):
                continue
            counts: PairedTally = tally(right["challenger"][inside], right["champion"][inside])
            yield ComparedSlice(
                dimension=dimension.name,
                dimension_title=dimension.title,
                label=label,
                rows=rows,
                only_challenger=counts.only_challenger,
                only_champion=counts.only_champion,
                difference=difference_of(counts.only_challenger, counts.only_champion, rows),
            )
