"""The stage ``run_behavioral_tests``: behavioral tests and explained mistakes of one model that reads raw text."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydantic import BaseModel

from pipeline.behavioral_tests.explanation import explain
from pipeline.behavioral_tests.records import BehavioralTestsSummary, ExplainedMistake
from pipeline.behavioral_tests.running import TextScorer, run_tests
from pipeline.behavioral_tests.templates import texts_digest
from pipeline.cleaning.rules import joined
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation.records import BaselinesSummary, EvaluationSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

log = logging.getLogger(__name__)

STAGE = Stage("run_behavioral_tests", version=2)
MAX_EXPLAINED_MISTAKES = 6
MAX_EXPLAINED_CHARACTERS = 600
"""Characters of an explained review: enough for a reader who sees a color for every word."""


class BehavioralTestsParams(BaseModel):
    """Parameters of the stage, besides its inputs."""

    model: str
    include_summary: bool
    texts: str
    """SHA-256 of the test texts: other texts make other results."""


class BehavioralTestsError(ArtifactError):
    """The model, its evaluation and the cleaned reviews do not belong together."""


def run_behavioral_tests(
    scored: ArtifactReference,
    evaluated: ArtifactReference,
    cleaned: ArtifactReference,
    load: Callable[[], TextScorer],
    store: ArtifactStore,
    *,
    model: str,
    include_summary: bool,
) -> ArtifactReference:
    """Test a model with texts written for that purpose, and explain its most confident mistakes.

    The title comes from the model's evaluation, and so do the mistakes: its most confident ones with at most
    ``MAX_EXPLAINED_CHARACTERS`` characters. Summary and text are joined as in training.

    Args:
        scored: Artifact of the model: of ``export`` or ``baselines``.
        evaluated: The model's ``evaluate`` artifact, or the ``baselines`` artifact.
        cleaned: The cleaned reviews, for the raw texts of the mistakes.
        load: Returns the model; called only if the store does not hold the results yet.
        store: Holds the artifacts and receives the result.
        model: The model's name in its evaluation.
        include_summary: Whether the model was trained on the review's summary, a space, and its text.

    Returns:
        An artifact whose summary is a ``BehavioralTestsSummary``.

    Raises:
        BehavioralTestsError: The evaluation belongs to another model, or mistakes are missing in the cleaned reviews.
    """

    def build(_: Workspace) -> Outcome:
        evaluation = _evaluation(store, evaluated, model)
        texts = _texts_of_mistakes(store, cleaned, evaluation, include_summary=include_summary)
        scorer = load()
        tests = run_tests(scorer)
        labels = {mistake.row: mistake.label for mistake in evaluation.mistakes}
        explained = explain(scorer, texts, labels, list(texts))
        _warn_of_differences(explained, scorer.threshold, evaluation)
        log.info("%s: passes %d of %d test cases", model, sum(t.passed for t in tests), sum(t.cases for t in tests))
        return Outcome(
            BehavioralTestsSummary(
                model=model,
                title=evaluation.title,
                threshold=scorer.threshold,
                tests=tests,
                explained=explained,
            )
        )

    return store.produce(
        STAGE,
        inputs={"scored": scored, "evaluated": evaluated, "cleaned": cleaned},
        params=BehavioralTestsParams(model=model, include_summary=include_summary, texts=texts_digest()),
        build=build,
    )


def run_baseline_behavioral_tests(
    baselines: ArtifactReference, cleaned: ArtifactReference, store: ArtifactStore
) -> ArtifactReference:
    """Test the baseline, TF-IDF with logistic regression, in the same way.

    Args:
        baselines: A ``baselines`` artifact.
        cleaned: The cleaned reviews that it was fitted on.
        store: Holds the artifacts and receives the result.

    Raises:
        LinearModelError: The artifact holds no linear model.
        BehavioralTestsError: The mistakes are not among the cleaned reviews.
    """
    from pipeline.cleaning.records import CleanSummary
    from pipeline.evaluation.rules import TFIDF

    def load() -> TextScorer:
        from pipeline.evaluation.linear_model import LinearScorer

        return LinearScorer.load(baselines, cleaned, store)

    include_summary = store.summary(cleaned, CleanSummary).summary_joined
    return run_behavioral_tests(
        baselines, baselines, cleaned, load, store, model=TFIDF, include_summary=include_summary
    )


def _evaluation(store: ArtifactStore, evaluated: ArtifactReference, model: str) -> EvaluationSummary:
    """Read a model's evaluation; a ``baselines`` artifact holds those of several models."""
    if evaluated.stage == "baselines":
        found = store.summary(evaluated, BaselinesSummary).evaluations
    else:
        found = (store.summary(evaluated, EvaluationSummary),)
    for evaluation in found:
        if evaluation.model == model:
            return evaluation
    raise BehavioralTestsError(
        f"{evaluated} evaluates {', '.join(evaluation.model for evaluation in found)}, not {quoted(model)}. Test a "
        "model with its own evaluation."
    )


def _texts_of_mistakes(
    store: ArtifactStore, cleaned: ArtifactReference, evaluation: EvaluationSummary, *, include_summary: bool
) -> dict[int, str]:
    """Return the texts of the mistakes to explain, as the model reads them, by row, the most confident first."""
    import pyarrow.dataset as ds

    # The evaluation holds shortened texts.
    rows = [mistake.row for mistake in evaluation.mistakes]
    dataset = ds.dataset(store.folder(cleaned) / "reviews.parquet", format="parquet")
    columns = ["row", "text", "summary"] if include_summary else ["row", "text"]
    found = dataset.to_table(columns=columns, filter=ds.field("row").isin(rows)).to_pylist()
    reviews = {review["row"]: (review.get("summary"), review["text"] or "") for review in found}
    if missing := [row for row in rows if row not in reviews]:
        raise BehavioralTestsError(
            f"{len(missing)} mistakes of {quoted(evaluation.model)} are not among the reviews of {cleaned}, the first "
            f"is row {missing[0]}. The model was evaluated on other reviews; evaluate it again."
        )
    texts = {row: joined(*reviews[row]) for row in rows}
    short = [row for row in rows if len(texts[row]) <= MAX_EXPLAINED_CHARACTERS][:MAX_EXPLAINED_MISTAKES]
    return {row: texts[row] for row in short}


def _warn_of_differences(
    explained: tuple[ExplainedMistake, ...], threshold: float, evaluation: EvaluationSummary
) -> None:
    """Warn if the model classifies the raw text of a mistake differently from its evaluation."""
    evaluated = {mistake.row: mistake.probability >= evaluation.threshold for mistake in evaluation.mistakes}
    differing = [item.row for item in explained if (item.probability >= threshold) != evaluated[item.row]]
    if differing:
        log.warning(
            "%s classifies the raw text of %d of %d explained mistakes differently from its evaluation, the first "
            "is row %d; the text is not read as in training.",
            evaluation.model,
            len(differing),
            len(explained),
            differing[0],
        )
