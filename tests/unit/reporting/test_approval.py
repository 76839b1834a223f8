"""What a user reads who decides about a promotion."""

from __future__ import annotations

from pipeline.reporting.approval import approval_question
from pipeline.reporting.gathering import gather
from pipeline.store import ArtifactStore
from tests.unit.reporting.factories import evaluation, example_run

URL = "https://airflow.example/review-sentiment/runs/a/"


def test_warnings_come_first_then_figures_then_failed_rules_and_the_report(store: ArtifactStore) -> None:
    run = example_run(store, champion="The <b>old</b> one")
    contents = gather(run.state, run.config, store, "a")
    serious = contents.warnings[0].model_copy(update={"serious": True, "title": "It *fails*", "text": "On <all> rows."})
    contents = contents.model_copy(update={"warnings": (serious, *contents.warnings[1:])})
    champion = evaluation(run.config.variants[0], collapsed=False)
    question = approval_question(contents.gate, contents, champion, report_url=URL, hours=2.5)
    best = contents.best.evaluated.scores.balanced_accuracy
    assert question.subject == (
        f"Promote {contents.best.title}? Balanced accuracy {best.value:.3f} ({best.low:.3f}–{best.high:.3f}), "
        "1 serious warning"
    )
    expected = [
        "**1 serious warning**",
        "- **It \\*fails\\***: On &lt;all&gt; rows.",
        f"{len(contents.warnings) - 1} other warnings in the report.",
        f"- Challenger, {contents.best.title}: {best.value:.3f} ({best.low:.3f}–{best.high:.3f}) on 1,444 test reviews",
        "- Champion, The &lt;b&gt;old&lt;/b&gt; one: 0.854 (0.828–0.880) on 1,444 test reviews of its own",
        "- TF-IDF with logistic regression: 0.875 (0.849–0.901) on 1,444 test reviews of the challenger",
        "**Comparisons**",
        "Is it better than the champion? **Not shown**. +1.3 points",
        "**The model fails 1 of 5 rules**",
        "at least 601 are required",
        f"[Evaluation report]({URL}). Without an answer within 2.5 hours, the champion stays.",
    ]
    places = [question.body.find(text) for text in expected]
    assert -1 not in places, (question.body, places)
    assert places == sorted(places)
    assert "All predictions and metrics are finite" not in question.body, "a rule that passed"


def test_a_first_champion_of_demo_reviews_is_asked_about_as_such(store: ArtifactStore) -> None:
    run = example_run(store, "demo")
    contents = gather(run.state, run.config, store, "a")
    body = approval_question(contents.gate, contents, None, report_url=URL, hours=24.0).body
    assert body.startswith("**The reviews are generated demo data, so this says nothing about real reviews.**")
    assert f"{len(contents.warnings)} warnings in the report, none of them serious." in body
    assert "- Champion: none" in body
    assert "**The model passes all " in body
    assert body.endswith("Without an answer within 24 hours, no model is promoted.")
