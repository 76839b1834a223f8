"""The stage ``evaluate``: one trained model evaluated on the test split."""

from __future__ import annotations

from pydantic import BaseModel

from pipeline.config import EvaluationConfig
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

STAGE = Stage("evaluate", version=2)


class EvaluateParams(BaseModel):
    """What the evaluation's result depends on, besides its inputs."""

    evaluation: EvaluationConfig
    model: str
    title: str


def evaluate(
    predicted: ArtifactReference,
    cleaned: ArtifactReference,
    vocabulary: ArtifactReference,
    config: EvaluationConfig,
    store: ArtifactStore,
    *,
    model: str,
    title: str,
) -> ArtifactReference:
    """Judge one model's predictions: the threshold on validation, the scores on the test, once.

    Args:
        predicted: The model's ``predict`` artifact.
        cleaned: The reviews that were predicted, for slices and the texts of the worst mistakes.
        vocabulary: The words that the model knows.
        config: How the threshold is chosen and how many resamples are behind an interval.
        store: Where artifacts lie.
        model: The variant's name.
        title: The model's name for a reader.

    Returns:
        An artifact whose summary is an ``EvaluationSummary``.

    Raises:
        PredictionsError: The predictions break their format or are of other reviews.
    """

    def build(_: Workspace) -> Outcome:
        from pipeline.evaluation.assessment import judged
        from pipeline.evaluation.predictions import read_predictions
        from pipeline.evaluation.slices import slices

        predictions = read_predictions(store, predicted)
        summary = judged(predictions, config, model=model, title=title, kind="variant", store=store, cleaned=cleaned)
        found = slices(
            predictions.test,
            summary.threshold,
            cleaned=cleaned,
            vocabulary=vocabulary,
            store=store,
            samples=config.bootstrap_samples,
        )
        return Outcome(summary.model_copy(update={"slices": found}))

    return store.produce(
        STAGE,
        inputs={"predicted": predicted, "cleaned": cleaned, "vocabulary": vocabulary},
        params=EvaluateParams(evaluation=config, model=model, title=title),
        build=build,
    )
