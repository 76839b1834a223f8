"""Two models on the same test rows: who is right where the other is wrong, and whether that could be chance."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from pipeline.config import EvaluationConfig
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation.records import BaselinesSummary, Comparison, ComparisonSummary, EvaluationSummary
from pipeline.evaluation.rules import TFIDF, best_first
from pipeline.evaluation.text import comparison_sentence
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage

if TYPE_CHECKING:
    from pipeline.evaluation.predictions import PartPredictions

log = logging.getLogger(__name__)

STAGE = Stage("compare", version=4)

SIGNIFICANCE = 0.05
"""Level of the permutation test that must agree with the interval: the interval's own."""


class CompareParams(BaseModel):
    """What the comparison's result depends on, besides its inputs."""

    bootstrap_samples: int


class ComparisonError(ArtifactError):
    """Models cannot be compared: they are named differently or did not predict the same rows."""


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
        baselines: The ``baselines`` artifact, with the predictions and thresholds of the baselines.
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


def pairs_to_compare(
    evaluations: Sequence[EvaluationSummary], baselines: Sequence[EvaluationSummary] = ()
) -> tuple[tuple[str, str], ...]:
    """Return the pairs to compare, the better model on validation first.

    These are the best model and the runner-up, the best of each direction, each model against TF-IDF, and the best of
    each direction against the best baseline.
    """
    ranked = best_first(evaluations)
    best_of_direction: dict[str, EvaluationSummary] = {}
    for summary in ranked:
        if summary.variant is not None:
            best_of_direction.setdefault(summary.variant.direction, summary)
    leaders = list(best_of_direction.values())
    pairs = [(ranked[0].model, other.model) for other in ranked[1:2]]
    pairs += [(first.model, second.model) for place, first in enumerate(leaders) for second in leaders[place + 1 :]]
    pairs += [(summary.model, TFIDF) for summary in ranked]
    pairs += [(leader.model, baseline.model) for leader in leaders for baseline in best_first(baselines)[:1]]
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

    from pipeline.evaluation.paired import count_pairs, mcnemar_p_value, paired_differences, permutation_p_value

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
    negative = count_pairs(first_right[labels == 0], second_right[labels == 0])
    positive = count_pairs(first_right[labels == 1], second_right[labels == 1])
    differences = paired_differences(negative, positive, bootstrap_samples)
    if differences is None:
        raise ComparisonError(f"{quoted(first.model)} and {quoted(second.model)} have no test rows to compare.")
    balanced = differences.balanced_accuracy
    only_first = negative.only_first + positive.only_first
    only_second = negative.only_second + positive.only_second
    return Comparison(
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
        accuracy_difference=differences.accuracy,
        balanced_accuracy_difference=balanced,
        significant=not balanced.low <= 0 <= balanced.high and permutation_p_value(negative, positive) < SIGNIFICANCE,
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
    from pipeline.evaluation.seeds import seed_groups
    from pipeline.evaluation.suspects import suspected_labels

    judged = {name: store.summary(evaluations[name], EvaluationSummary) for name in sorted(evaluations)}
    for name, summary in judged.items():
        if summary.model != name:
            raise ComparisonError(f"The evaluation given as {quoted(name)} is of the model {quoted(summary.model)}.")
    variants = list(judged.values())
    rivals = store.summary(baselines, BaselinesSummary).evaluations
    pairs, best = pairs_to_compare(variants, rivals), best_first(variants)[0]
    judged |= {summary.model: summary for summary in rivals}
    # One at a time in memory would read files again and again; test parts of all models fit easily.
    test = {name: read_predictions(store, reference).test for name, reference in predictions.items()}
    for name in {TFIDF, *(second for _, second in pairs)} - test.keys():
        test[name] = read_predictions(store, baselines, name).test
    compared = tuple(
        comparison(judged[first], judged[second], test[first], test[second], samples) for first, second in pairs
    )
    for pair in compared:
        log.info("%s", comparison_sentence(pair))
    groups = seed_groups(variants)
    for group in groups:
        figure = group.balanced_accuracy
        log.info(
            "%s: balanced accuracy %.3f ± %.3f over %d seeds",
            group.title,
            figure.mean,
            figure.standard_deviation,
            len(group.seeds),
        )
    suspects, surest = suspected_labels(test[best.model], test[TFIDF], cleaned, store)
    return ComparisonSummary(
        comparisons=compared,
        seed_groups=groups,
        suspected_label_rows=suspects,
        suspected_labels=surest,
    )
