"""The stage ``evaluate``: one trained model, evaluated on the test split."""

from __future__ import annotations

from pydantic import BaseModel

from pipeline.config import EvaluationConfig, VariantConfig
from pipeline.evaluation.records import VariantIdentity
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

STAGE = Stage("evaluate", version=3)


class EvaluateParams(BaseModel):
    """What the evaluation's result depends on, besides its inputs."""

    evaluation: EvaluationConfig
    model: str
    title: str
    variant: VariantIdentity


def evaluate(
    predicted: ArtifactReference,
    cleaned: ArtifactReference,
    vocabulary: ArtifactReference,
    config: EvaluationConfig,
    store: ArtifactStore,
    *,
    variant: VariantConfig,
) -> ArtifactReference:
    """Judge one model's predictions: the threshold on validation, the scores on the test, once.

    Args:
        predicted: The ``predict`` artifact of the model.
        cleaned: The reviews that were predicted, for slices and the texts of the worst mistakes.
        vocabulary: The vocabulary of the model.
        config: Choice of the threshold and bootstrap samples.
        store: Where artifacts are kept.
        variant: The model that predicted.

    Returns:
        An artifact whose summary is an ``EvaluationSummary``.

    Raises:
        PredictionsError: The predictions break their format or are of other reviews.
    """
    identity = VariantIdentity.of(variant)

    def build(_: Workspace) -> Outcome:
        from pipeline.evaluation.assessment import evaluate_predictions
        from pipeline.evaluation.predictions import read_predictions
        from pipeline.evaluation.slices import slices

        predictions = read_predictions(store, predicted)
        summary = evaluate_predictions(
            predictions,
            config,
            model=variant.name,
            title=variant.title,
            kind="variant",
            variant=identity,
            store=store,
            cleaned=cleaned,
        )
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
        params=EvaluateParams(evaluation=config, model=variant.name, title=variant.title, variant=identity),
        build=build,
    )
