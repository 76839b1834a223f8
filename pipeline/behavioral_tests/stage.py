"""The stage ``run_behavioral_tests``: behavior tests and explained mistakes of one model that reads raw text."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydantic import BaseModel

from pipeline.behavioral_tests.explanation import explain
from pipeline.behavioral_tests.judging import TextScorer, judge
from pipeline.behavioral_tests.records import BehavioralTestsSummary, ExplainedMistake
from pipeline.behavioral_tests.templates import texts_digest
from pipeline.cleaning.rules import joined
from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation.records import BaselinesSummary, EvaluationSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

log = logging.getLogger(__name__)

STAGE = Stage("run_behavioral_tests", version=1)
EXPLAINED_MISTAKES = 6
LONGEST_EXPLAINED = 600
"""Characters of a review's text: what a reader can take in with a color for every word."""
LARGEST_DIFFERENCE = 0.01
"""Of the judged probability from the one of the raw text; more than that and the log says so."""


class BehavioralTestsParams(BaseModel):
    """What an examination depends on, besides its inputs."""

    model: str
    include_summary: bool
    texts: str
    """SHA-256 of the tests' texts: other templates, another examination."""


class BehavioralTestsError(ArtifactError):
    """What is to be behavioral_tests does not fit together."""


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
    """Test a model with texts written for that purpose, and take its most confident mistakes apart.

    Threshold and title are those of the model's evaluation. The mistakes are the evaluation's most confident ones of at
    most ``LONGEST_EXPLAINED`` characters; their text is put together as in training.

    Args:
        scored: The model that ``load`` loads: an ``export`` or ``baselines`` artifact.
        evaluated: Its ``evaluate`` artifact, or the ``baselines`` artifact.
        cleaned: The cleaned reviews, for the raw texts of the mistakes.
        load: Returns the model; called only where the store does not hold the examination yet.
        store: Where artifacts lie.
        model: The model's name in its evaluation.
        include_summary: Whether the model was trained on the review's summary, a space, and its text.

    Returns:
        An artifact whose summary is an ``BehavioralTestsSummary``.

    Raises:
        BehavioralTestsError: The evaluation is of another model, or its mistakes are not among the cleaned reviews.
    """

    def build(_: Workspace) -> Outcome:
        evaluation = _evaluation(store, evaluated, model)
        texts = _texts_of_mistakes(store, cleaned, evaluation, include_summary=include_summary)
        scorer = load()
        tests = judge(scorer, evaluation.threshold)
        labels = {mistake.row: mistake.label for mistake in evaluation.mistakes}
        explained = explain(scorer, texts, labels, list(texts))
        _compare(explained, evaluation)
        log.info("%s: passes %d of %d test cases", model, sum(t.passed for t in tests), sum(t.cases for t in tests))
        return Outcome(
            BehavioralTestsSummary(
                model=model,
                title=evaluation.title,
                threshold=evaluation.threshold,
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
    """Examine TF-IDF with logistic regression in the same way; it reads raw text as ``cleaned`` was cleaned.

    Args:
        baselines: A ``baselines`` artifact.
        cleaned: The cleaned reviews that it was fitted on.
        store: Where artifacts lie.

    Raises:
        LinearModelError: The artifact holds no linear model.
        BehavioralTestsError: Its mistakes are not among the cleaned reviews.
    """
    from pipeline.cleaning.records import CleanSummary
    from pipeline.evaluation.rules import TFIDF

    def load() -> TextScorer:
        from pipeline.evaluation.linear_model import LinearScorer

        return LinearScorer.load(baselines, cleaned, store)

    joins = store.summary(cleaned, CleanSummary).summary_joined
    return run_behavioral_tests(baselines, baselines, cleaned, load, store, model=TFIDF, include_summary=joins)


def _evaluation(store: ArtifactStore, evaluated: ArtifactReference, model: str) -> EvaluationSummary:
    """Read a model's evaluation, which several models of a ``baselines`` artifact share."""
    if evaluated.stage == "baselines":
        found = store.summary(evaluated, BaselinesSummary).evaluations
    else:
        found = (store.summary(evaluated, EvaluationSummary),)
    for evaluation in found:
        if evaluation.model == model:
            return evaluation
    raise BehavioralTestsError(
        f"{evaluated} judges {', '.join(evaluation.model for evaluation in found)}, not {quoted(model)}. Examine a "
        "model with its own evaluation."
    )


def _texts_of_mistakes(
    store: ArtifactStore, cleaned: ArtifactReference, evaluation: EvaluationSummary, *, include_summary: bool
) -> dict[int, str]:
    """Return what the model read of the mistakes to explain, by row, the most confident mistake first."""
    import pyarrow.dataset as ds

    # Whole texts: those in the evaluation are cut.
    rows = [mistake.row for mistake in evaluation.mistakes]
    dataset = ds.dataset(store.folder(cleaned) / "reviews.parquet", format="parquet")
    columns = ["row", "text", "summary"] if include_summary else ["row", "text"]
    found = dataset.to_table(columns=columns, filter=ds.field("row").isin(rows)).to_pylist()
    reviews = {review["row"]: (review.get("summary"), review["text"] or "") for review in found}
    if missing := [row for row in rows if row not in reviews]:
        raise BehavioralTestsError(
            f"{len(missing)} mistakes of {quoted(evaluation.model)} are not among the reviews of {cleaned}, the first "
            f"is row {missing[0]}. The model was judged on other reviews; evaluate it again."
        )
    texts = {row: joined(*reviews[row]) for row in rows}
    short = [row for row in rows if len(texts[row]) <= LONGEST_EXPLAINED][:EXPLAINED_MISTAKES]
    return {row: texts[row] for row in short}


def _compare(explained: tuple[ExplainedMistake, ...], evaluation: EvaluationSummary) -> None:
    """Log mistakes that the model, given the raw text, scores otherwise than it was judged."""
    judged = {mistake.row: mistake.probability for mistake in evaluation.mistakes}
    strays = [item.row for item in explained if abs(item.probability - judged[item.row]) > LARGEST_DIFFERENCE]
    if strays:
        log.warning(
            "%s scores %d of %d explained mistakes otherwise from their raw text than it was judged, the first is row "
            "%d; the text is not read as in training.",
            evaluation.model,
            len(strays),
            len(explained),
            strays[0],
        )
