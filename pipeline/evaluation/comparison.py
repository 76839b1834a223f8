"""Two models on the same test rows: who is right where the other is wrong, and whether that could be chance."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from pipeline.config import EvaluationConfig
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation.records import BaselinesSummary, Comparison, ComparisonSummary, EvaluationSummary
from pipeline.evaluation.rules import TFIDF, best_first
from pipeline.statistics import Interval, generator, percentile_interval
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.evaluation.predictions import PartPredictions

log = logging.getLogger(__name__)

STAGE = Stage("compare", version=2)


SIGNIFICANCE = 0.05
"""Of the test that must agree with the interval before a difference is called shown: the interval's own level."""
MOST_CASES, SWAPS = 1_000_000, 100_000
"""Cases that are counted one by one; beyond, so many are drawn."""


class CompareParams(BaseModel):
    """What the comparison's result depends on, besides its inputs."""

    bootstrap_samples: int


class ComparisonError(ArtifactError):
    """Models cannot be compared: they are named differently or did not predict the same rows."""


@dataclass(frozen=True)
class PairedCounts:
    """The rows of one class by which of two models is right."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def rows(self) -> int:
        """Rows of the class."""
        return self.both + self.only_first + self.only_second + self.neither


def compare(
    predictions: Mapping[str, ArtifactReference],
    evaluations: Mapping[str, ArtifactReference],
    baselines: ArtifactReference,
    *,
    cleaned: ArtifactReference,
    config: EvaluationConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Compare models pairwise on the same test rows, each at the threshold of its evaluation.

    Args:
        predictions: ``predict`` artifacts by model name.
        evaluations: ``evaluate`` artifacts by the same names.
        baselines: The ``baselines`` artifact; TF-IDF's predictions and threshold are taken from it.
        cleaned: The reviews, for the texts of those whose stars may be wrong.
        config: How many resamples are behind an interval.
        store: Where artifacts lie.

    Returns:
        An artifact whose summary is a ``ComparisonSummary``: see ``pairs_to_compare`` for the pairs, ``seed_groups``
        and ``suspected_labels`` for the rest.

    Raises:
        ComparisonError: The names differ, or two models did not predict the same rows.
        PredictionsError: Predictions break their format.
    """
    if not predictions or set(predictions) != set(evaluations):
        raise ComparisonError(
            f"The models with predictions ({quoted(', '.join(sorted(predictions)))}) must be those with evaluations "
            f"({quoted(', '.join(sorted(evaluations)))}), and one at least."
        )
    names = sorted(predictions)
    return store.produce(
        STAGE,
        inputs={
            **{f"predicted {name}": predictions[name] for name in names},
            **{f"evaluated {name}": evaluations[name] for name in names},
            "baselines": baselines,
            "cleaned": cleaned,
        },
        params=CompareParams(bootstrap_samples=config.bootstrap_samples),
        build=lambda _: Outcome(
            _build(
                predictions,
                evaluations,
                baselines,
                cleaned=cleaned,
                samples=config.bootstrap_samples,
                store=store,
            )
        ),
    )


def pairs_to_compare(evaluations: Sequence[EvaluationSummary]) -> tuple[tuple[str, str], ...]:
    """Return the pairs worth telling, the better on validation first.

    These are the best model and the runner-up, the best of each two directions (``uni``, ``bi``: a variant's name
    begins with it), and each model against TF-IDF.
    """
    ranked = best_first(evaluations)
    best_of_direction: dict[str, EvaluationSummary] = {}
    for summary in ranked:
        best_of_direction.setdefault(summary.model.partition("-")[0], summary)
    leaders = list(best_of_direction.values())
    pairs = [(ranked[0].model, other.model) for other in ranked[1:2]]
    pairs += [(first.model, second.model) for place, first in enumerate(leaders) for second in leaders[place + 1 :]]
    pairs += [(summary.model, TFIDF) for summary in ranked]
    return tuple(dict.fromkeys(pairs))


def comparison(
    first: EvaluationSummary,
    second: EvaluationSummary,
    first_test: PartPredictions,
    second_test: PartPredictions,
    bootstrap_samples: int,
) -> Comparison:
    """Compare two models at their thresholds.

    Raises:
        ComparisonError: They did not predict the same rows with the same labels.
    """
    import numpy as np

    first_order, second_order = np.argsort(first_test.rows), np.argsort(second_test.rows)
    labels = first_test.labels[first_order]
    if not np.array_equal(first_test.rows[first_order], second_test.rows[second_order]) or not np.array_equal(
        labels, second_test.labels[second_order]
    ):
        raise ComparisonError(
            f"{quoted(first.model)} and {quoted(second.model)} predicted different test rows or labels "
            f"({len(labels):,} and {len(second_test.rows):,} rows); predict both from the same split."
        )
    first_right = (first_test.probabilities[first_order] >= first.threshold) == (labels == 1)
    second_right = (second_test.probabilities[second_order] >= second.threshold) == (labels == 1)
    negative = paired_counts(first_right[labels == 0], second_right[labels == 0])
    positive = paired_counts(first_right[labels == 1], second_right[labels == 1])
    accuracy, balanced = difference_intervals(negative, positive, bootstrap_samples)
    only_first = negative.only_first + positive.only_first
    only_second = negative.only_second + positive.only_second
    pair = Comparison(
        first=first.model,
        second=second.model,
        first_title=first.title,
        second_title=second.title,
        rows=len(labels),
        both_right=negative.both + positive.both,
        only_first_right=only_first,
        only_second_right=only_second,
        both_wrong=negative.neither + positive.neither,
        mcnemar_p_value=mcnemar_p_value(only_first, only_second),
        accuracy_difference=accuracy,
        balanced_accuracy_difference=balanced,
        shown=not balanced.low <= 0 <= balanced.high and swapping_p_value(negative, positive) < SIGNIFICANCE,
        sentence="",
    )
    return pair.model_copy(update={"sentence": _sentence(pair)})


def paired_counts(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> PairedCounts:
    """Count rows by which model is right."""
    both = int((first_right & second_right).sum())
    only_first, only_second = int(first_right.sum()) - both, int(second_right.sum()) - both
    return PairedCounts(both, only_first, only_second, len(first_right) - both - only_first - only_second)


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two models are equally accurate.

    Where just one of them is right, each is so with chance one half (McNemar 1947; exact binomial form).
    """
    from scipy.special import bdtr

    disagreements = only_first + only_second
    if not disagreements:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), disagreements, 0.5)))


def swapping_p_value(negative: PairedCounts, positive: PairedCounts) -> float:
    """Return the two-sided p-value that two models have the same balanced accuracy, by swapping (Fisher 1935).

    Were they equal, each row on which just one is right might as well be the other's. The bootstrap cannot see that
    where such rows are few: of three, it takes all three for granted. Exact where the cases can be counted, else from
    ``SWAPS`` random swappings.
    """
    import numpy as np
    from scipy.stats import binom

    apart = [counts.only_first + counts.only_second for counts in (negative, positive)]
    weights = [1 / max(counts.rows, 1) for counts in (negative, positive)]
    observed = abs(
        sum(
            (counts.only_first - counts.only_second) * weight
            for counts, weight in zip((negative, positive), weights, strict=True)
        )
    )
    if (apart[0] + 1) * (apart[1] + 1) <= MOST_CASES:
        taken = [np.arange(rows + 1) for rows in apart]
        chance = np.multiply.outer(*(binom.pmf(cases, rows, 0.5) for cases, rows in zip(taken, apart, strict=True)))
    else:
        random = generator("swapped hits")
        taken = [random.binomial(rows, 0.5, SWAPS) for rows in apart]
        chance = np.full(SWAPS, 1 / SWAPS)
    gains = [(2 * cases - rows) * weight for cases, rows, weight in zip(taken, apart, weights, strict=True)]
    swapped = np.add.outer(*gains) if chance.ndim > 1 else gains[0] + gains[1]
    # Equal but for rounding counts as equal.
    return float(min(1.0, chance[np.abs(swapped) >= observed - 1e-12].sum()))


def difference_intervals(negative: PairedCounts, positive: PairedCounts, samples: int) -> tuple[Interval, Interval]:
    """Return the differences (first minus second) of accuracy and balanced accuracy with paired bootstrap intervals.

    The pairs are resampled within each class. A class's rows fall into four kinds, so that a resample is one
    multinomial draw of four counts, and no row is touched. A class without rows adds nothing.
    """
    import numpy as np

    random = generator("paired hits")
    gains, resampled = [], []
    for counts in (negative, positive):
        gains.append(counts.only_first - counts.only_second)
        if not counts.rows:
            resampled.append(np.zeros(samples, dtype=np.int64))
            continue
        kinds = np.array([counts.only_first, counts.only_second, counts.both, counts.neither])
        drawn = random.multinomial(counts.rows, kinds / counts.rows, samples)
        resampled.append(drawn[:, 0] - drawn[:, 1])
    rows = negative.rows + positive.rows
    in_negative, in_positive = max(negative.rows, 1), max(positive.rows, 1)
    return (
        percentile_interval(sum(gains) / rows, (resampled[0] + resampled[1]) / rows),
        percentile_interval(
            (gains[0] / in_negative + gains[1] / in_positive) / 2,
            (resampled[0] / in_negative + resampled[1] / in_positive) / 2,
        ),
    )


def _build(
    predictions: Mapping[str, ArtifactReference],
    evaluations: Mapping[str, ArtifactReference],
    baselines: ArtifactReference,
    *,
    cleaned: ArtifactReference,
    samples: int,
    store: ArtifactStore,
) -> ComparisonSummary:
    from pipeline.evaluation.predictions import read_predictions
    from pipeline.evaluation.seeds import in_words, seed_groups
    from pipeline.evaluation.suspects import suspected_labels

    judged = {name: store.summary(evaluations[name], EvaluationSummary) for name in sorted(evaluations)}
    for name, summary in judged.items():
        if summary.model != name:
            raise ComparisonError(f"The evaluation given as {quoted(name)} is of the model {quoted(summary.model)}.")
    variants = list(judged.values())
    pairs, best = pairs_to_compare(variants), best_first(variants)[0]
    for summary in store.summary(baselines, BaselinesSummary).evaluations:
        judged[summary.model] = summary
    # One at a time in memory would read files again and again; test parts of all models fit easily.
    test = {name: read_predictions(store, reference).test for name, reference in predictions.items()}
    test[TFIDF] = read_predictions(store, baselines, TFIDF).test
    compared = tuple(
        comparison(judged[first], judged[second], test[first], test[second], samples) for first, second in pairs
    )
    for pair in compared:
        log.info("%s", pair.sentence)
    groups = seed_groups(variants)
    for group in groups:
        log.info("%s", in_words(group))
    suspects, surest = suspected_labels(test[best.model], test[TFIDF], cleaned, store)
    return ComparisonSummary(
        comparisons=compared,
        seed_groups=groups,
        suspected_label_rows=suspects,
        suspected_labels=surest,
    )


def _sentence(pair: Comparison) -> str:
    """Say who is better, turned so that the difference is never negative."""
    difference = pair.balanced_accuracy_difference
    better, worse, value, low, high = (
        pair.first_title,
        pair.second_title,
        difference.value,
        difference.low,
        difference.high,
    )
    if value < 0:
        better, worse, value, low, high = worse, better, -value, -high, -low
    if value == 0:
        told = f"{better} and {worse} are equal in balanced accuracy"
    else:
        told = f"{better} scores {_points(value)} points of balanced accuracy more than {worse}"
    disagreements = pair.only_first_right + pair.only_second_right
    if not disagreements:
        return f"{told}: they are right and wrong on the same reviews."
    p_words = "p < 0.001" if pair.mcnemar_p_value < 0.001 else f"p = {pair.mcnemar_p_value:.3f}"  # noqa: PLR2004
    return (
        f"{told}, interval {_points(low)} to {_points(high)}: {'shown' if pair.shown else 'not shown'} to be better. "
        f"In plain accuracy, of the {disagreements:,} reviews on which just one is right, {pair.first_title} has "
        f"{pair.only_first_right:,} and {pair.second_title} {pair.only_second_right:,} (McNemar's exact test: "
        f"{p_words})."
    )


def _points(share: float) -> str:
    """Return a difference of shares in percentage points with one decimal and a real minus sign."""
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")
