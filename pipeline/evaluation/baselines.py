"""The two models that cost nothing: always the majority, and TF-IDF with logistic regression.

A model that does not beat the first has learned nothing; one far below the second has missed what single words
and word pairs already say.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pipeline.config import EvaluationConfig
from pipeline.errors import ArtifactError
from pipeline.evaluation.records import BaselinesSummary, WordWeight
from pipeline.evaluation.rules import MAJORITY, TFIDF
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    from pipeline.evaluation.linear_model import LinearModel

log = logging.getLogger(__name__)

STAGE = Stage("baselines", version=2)
TITLES = {MAJORITY: "Always the majority", TFIDF: "TF-IDF with logistic regression"}
MIN_ROWS = 2
"""A term of one training review cannot help with another one."""
MOST_TERMS = 500_000
"""Bounds time and memory whatever the dump; the most frequent terms are kept."""
INVERSE_REGULARISATIONS = (1.0, 4.0, 16.0)
"""C of the logistic regression, tried on validation: the usual optimum of TF-IDF text models lies among them."""
MOST_ITERATIONS = 200
TOLERANCE = 1e-5
"""Largest gradient component at which fitting stops. scikit-learn's 1e-4 ends early on unit-length TF-IDF rows (the
chosen C then has no effect); 1e-6 costs twice the steps and changes the fourth digit."""
LISTED_TERMS = 20
CHANCE = 0.5
"""ROC-AUC of a ranking that knows nothing."""


class BaselinesParams(BaseModel):
    """What the baselines' result depends on, besides their inputs."""

    evaluation: EvaluationConfig


class BaselinesError(ArtifactError):
    """The baselines cannot be fitted on these reviews."""


@dataclass(frozen=True)
class _Reviews:
    """The rows of the split, in its order.

    Attributes:
        rows: int64 ``[rows]``, numbers in the dump.
        labels: int8 ``[rows]``.
        parts: Object array ``[rows]`` of part names.
        texts: Their words, joined by single spaces.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int8]
    parts: NDArray[Any]
    texts: list[str]


@dataclass(frozen=True)
class _Fitted:
    """The fitted logistic regression and its probabilities by part."""

    model: LinearModel
    probabilities: dict[str, NDArray[np.float64]]
    positive_terms: tuple[WordWeight, ...]
    negative_terms: tuple[WordWeight, ...]
    inverse_regularization: float


def baselines(
    cleaned: ArtifactReference, parts: ArtifactReference, config: EvaluationConfig, store: ArtifactStore
) -> ArtifactReference:
    """Fit the two baselines on the training part and judge them like any model.

    Args:
        cleaned: The cleaned reviews; the models read ``words``.
        parts: The split.
        config: How thresholds are chosen and how many resamples are behind an interval.
        store: Where artifacts lie.

    Returns:
        An artifact with ``predictions.parquet`` (with the column ``model``), ``linear_model.parquet`` and a
        ``BaselinesSummary``.

    Raises:
        BaselinesError: The training part is empty or of one class, or the split is of other reviews.
    """
    return store.produce(
        STAGE,
        inputs={"cleaned": cleaned, "parts": parts},
        params=BaselinesParams(evaluation=config),
        build=lambda work: _build(work, cleaned, parts, config, store),
    )


def _build(
    work: Workspace,
    cleaned: ArtifactReference,
    parts: ArtifactReference,
    config: EvaluationConfig,
    store: ArtifactStore,
) -> Outcome:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.evaluation.assessment import evaluate_predictions
    from pipeline.evaluation.predictions import PREDICTIONS, Predictions, part_predictions

    reviews = _read(cleaned, parts, store)
    chosen = {name: np.flatnonzero(reviews.parts == name) for name in ("train", "validation", "test")}
    train_labels = reviews.labels[chosen["train"]]
    if len(np.unique(train_labels)) < 2:  # noqa: PLR2004 - two classes
        raise BaselinesError(
            f"The training part of {parts} holds {len(train_labels):,} reviews of fewer than two classes; nothing can "
            "be learned from it. Give a dump with negative and positive reviews, or another split strategy."
        )
    linear = _fit(reviews, chosen)
    share = float(train_labels.mean())
    probabilities = {
        MAJORITY: {name: np.full(len(chosen[name]), share) for name in ("validation", "test")},
        TFIDF: linear.probabilities,
    }
    tables, evaluations = [], []
    for model, of_part in probabilities.items():
        evaluated = {}
        for name, probability in of_part.items():
            # The file holds float32; what is evaluated must be what it holds.
            stored = probability.astype(np.float32)
            rows, labels = reviews.rows[chosen[name]], reviews.labels[chosen[name]]
            evaluated[name] = part_predictions(rows, labels, stored)
            tables.append(
                pa.table(
                    {
                        "row": pa.array(rows, pa.int64()),
                        "split": pa.array([name] * len(rows), pa.string()),
                        "label": pa.array(labels, pa.int8()),
                        "probability": pa.array(stored, pa.float32()),
                        "model": pa.array([model] * len(rows), pa.string()),
                    }
                )
            )
        evaluations.append(
            evaluate_predictions(
                Predictions(validation=evaluated["validation"], test=evaluated["test"]),
                # Always the majority needs no threshold: from one half on it says what is more frequent.
                config.model_copy(update={"threshold": "half"}) if model == MAJORITY else config,
                model=model,
                title=TITLES[model],
                kind="baseline",
                store=store,
                cleaned=cleaned,
            )
        )
    pq.write_table(pa.concat_tables(tables), work.folder / PREDICTIONS, compression="zstd")
    linear.model.save(work.folder)
    return Outcome(
        BaselinesSummary(
            evaluations=tuple(evaluations),
            positive_terms=linear.positive_terms,
            negative_terms=linear.negative_terms,
            terms=len(linear.model.terms),
            inverse_regularization=linear.inverse_regularization,
            intercept=linear.model.intercept,
        )
    )


def _read(cleaned: ArtifactReference, parts: ArtifactReference, store: ArtifactStore) -> _Reviews:
    """Read words and labels of the rows of the split; rows that the split excluded are left out."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.evaluation.predictions import REVIEWS

    reviews = pq.read_table(store.folder(cleaned) / REVIEWS, columns=["row", "label", "words"])
    split = pq.read_table(store.folder(parts) / "splits.parquet", columns=["row", "split"])
    rows, known = split["row"].to_numpy(), reviews["row"].to_numpy()
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, rows, sorter=order), max(len(known) - 1, 0))
    places = order[place] if len(known) else place
    if not len(known) or (known[places] != rows).any():
        raise BaselinesError(
            f"The split {parts} holds rows that are not among the reviews of {cleaned}; split these reviews again."
        )
    return _Reviews(
        rows=rows,
        labels=reviews["label"].to_numpy()[places].astype(np.int8),
        parts=split["split"].to_numpy(),
        texts=reviews["words"].take(pa.array(places)).to_pylist(),
    )


def _fit(reviews: _Reviews, chosen: dict[str, NDArray[np.int64]]) -> _Fitted:
    """Fit TF-IDF (sublinear counts, unit length) and logistic regression for each C; keep the best on validation."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits

    from pipeline.evaluation.linear_model import LinearModel, sigmoid

    weigh, train = _weighed([reviews.texts[place] for place in chosen["train"]])
    held_out = {
        name: weigh.transform([reviews.texts[place] for place in chosen[name]]) for name in ("validation", "test")
    }
    log.info("TF-IDF: %s training reviews, %s terms", f"{train.shape[0]:,}", f"{train.shape[1]:,}")
    labels, validation_labels = reviews.labels[chosen["train"]], reviews.labels[chosen["validation"]]
    model = LogisticRegression(solver="lbfgs", max_iter=MOST_ITERATIONS, tol=TOLERANCE, warm_start=True)
    # Of a validation part with one class any C is as good as another: the first one stays.
    both_classes = len(np.unique(validation_labels)) == 2  # noqa: PLR2004 - two classes
    best: tuple[float, float, NDArray[np.float64], float] | None = None
    # Sums over several threads would depend on the number of cores.
    with threadpool_limits(limits=1):
        for inverse in INVERSE_REGULARISATIONS:
            model.set_params(C=inverse)
            model.fit(train, labels)
            margin = held_out["validation"] @ model.coef_[0] + model.intercept_[0]
            area = float(roc_auc_score(validation_labels, margin)) if both_classes else CHANCE
            log.info("TF-IDF: C %g, %d iterations, validation ROC-AUC %.4f", inverse, int(model.n_iter_[0]), area)
            if best is None or area > best[0]:
                best = (area, inverse, model.coef_[0].copy(), float(model.intercept_[0]))
    assert best is not None  # noqa: S101 - the grid is not empty
    _, inverse, weights, intercept = best
    strongest = np.argsort(weights, kind="stable")
    terms = weigh.get_feature_names_out().tolist()

    def listed(places: list[np.int64]) -> tuple[WordWeight, ...]:
        return tuple(WordWeight(term=terms[place], weight=float(weights[place])) for place in places)

    return _Fitted(
        model=LinearModel.of(terms, weigh.idf_, weights, intercept),
        probabilities={name: sigmoid(matrix @ weights + intercept) for name, matrix in held_out.items()},
        positive_terms=listed([place for place in strongest[::-1][:LISTED_TERMS] if weights[place] > 0]),
        negative_terms=listed([place for place in strongest[:LISTED_TERMS] if weights[place] < 0]),
        inverse_regularization=inverse,
    )


def _weighed(texts: list[str]) -> tuple[TfidfVectorizer, csr_matrix]:
    """Return the fitted TF-IDF weighing and its float64 matrix ``[texts, terms]``.

    A term must stand in ``MIN_ROWS`` texts; where no term does, in a handful of reviews, every term is kept.

    Raises:
        BaselinesError: The texts hold no word at all.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    from pipeline.evaluation.linear_model import VECTORISATION

    for least in (MIN_ROWS, 1):
        weigh = TfidfVectorizer(min_df=least, max_features=MOST_TERMS, **VECTORISATION)
        try:
            return weigh, weigh.fit_transform(texts)
        except ValueError as error:
            log.info("TF-IDF: no term stands in %d reviews (%s)", least, error)
    raise BaselinesError("No review of the training part holds a word; look at the cleaning stage's figures.")
