"""Two models on the same test rows: who is right where the other is wrong, and whether that could be chance."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel

from pipeline.errors import ArtifactError, shown
from pipeline.evaluation.records import BaselinesSummary, Comparison, ComparisonSummary, EvaluationSummary
from pipeline.evaluation.rules import TFIDF, best_first
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.evaluation.metrics import Labels
    from pipeline.evaluation.predictions import PartPredictions

log = logging.getLogger(__name__)

STAGE = Stage("compare", version=1)


class CompareParams(BaseModel):
    """What the comparison's result depends on, besides its inputs."""

    bootstrap_samples: int


def compare(
    predictions: Mapping[str, ArtifactReference],
    evaluations: Mapping[str, ArtifactReference],
    baselines: ArtifactReference,
    config: EvaluationConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Compare models pairwise on the same test rows, each at the threshold of its evaluation.

    Args:
        predictions: ``predict`` artifacts by model name.
        evaluations: ``evaluate`` artifacts by the same names.
        baselines: The baselines; TF-IDF's predictions are taken from it.
        config: How many resamples are behind an interval.
        store: Where artifacts lie.

    Returns:
        An artifact whose summary is a ``ComparisonSummary``: see ``pairs_to_compare`` for the pairs.

    Raises:
        ArtifactError: The names differ, or two models did not predict the same rows.
    """
    if set(predictions) != set(evaluations) or not predictions:
        raise ArtifactError(
            f"The models with predictions ({shown(', '.join(sorted(predictions)))}) must be those with evaluations "
            f"({shown(', '.join(sorted(evaluations)))}), one at least."
        )
