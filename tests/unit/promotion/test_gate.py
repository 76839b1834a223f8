"""The gate: what it asks, what each failure means, and what never happens."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.unit.promotion.test_verdict import against_tfidf

from pipeline.config import PromotionConfig
from pipeline.evaluation import TFIDF, BaselinesSummary, ComparisonSummary
from pipeline.promotion import (
    ChampionChangedError,
    GateDecision,
    GateError,
    acceptance,
    challenge,
    champion,
    change_champion,
    gate,
    gate_decision,
    promote,
)
from pipeline.promotion.records import PairedTally
from pipeline.splitting.records import LeakageSummary
from pipeline.statistics import Interval
from tests.factories import place
from tests.unit.evaluation.given import evaluation
from tests.unit.promotion.examples import (
    BETTER,
    WORSE,
    calibrated,
    change,
    compared_slice,
    counts,
    evidence,
    head_to_head,
    model,
    row_set,
    the_contract,
    the_examination,
    the_export,
    the_verdict,
)
from tests.unit.promotion.test_head_to_head import CONFIG, NEW, OLD, Asked, good, trained

THOROUGH = settings(deadline=None, max_examples=50, derandomize=True)
ORDER = {"refuse": 0, "keep": 1, "needs_person": 2, "promote": 3}
NEVER = object()
FEW = row_set(counts(300, 40, 10), counts(5000, 150, 120))
EQUAL = row_set(counts(1000, 40, 40), counts(5000, 100, 100))
SLIGHTLY_WORSE = row_set(counts(1000, 40, 41), counts(5000, 100, 100))
DOUBTFUL = row_set(counts(700, 200, 190), counts(700, 200, 200))
"""Above on balance, but the interval reaches below −2 points."""
BAD_SLICE = BETTER.model_copy(update={"slices": (compared_slice(300, 0, 60), compared_slice(900, 30, 10, "5 stars"))})


def ask(present: Any = NEVER, *, new: Any = None, **changes: Any) -> GateDecision:
    """Ask the gate; changes of the configuration come in as ``config``."""
    config = PromotionConfig(**changes.pop("config", {}))
    present = change() if present is NEVER else present
    return gate_decision(new or model(), present, evidence(**changes), config)


def failed(decision: GateDecision) -> list[str]:
    return [rule.name for rule in decision.rules if not rule.passed]


def test_a_better_challenger_is_promoted_with_its_figures():
    result = ask()
    assert (result.decision, result.replacing, result.champion_title) == ("promote", 4, "Bidirectional LSTM old")
    assert (result.first, result.forced, result.demo) == (False, False, False)
    assert failed(result) == []
    assert result.sentence.startswith(
        "Bidirectional LSTM new takes the place of Bidirectional LSTM old: balanced accuracy +1.8 points ("
    )
    assert result.sentence.endswith(") on 6,000 reviews that neither had met.")
    assert [rule.name for rule in result.rules] == [
        "acceptance", "contract", "no_leaks", "numbers", "export_agrees", "calibration", "no_demo", "new_model",
        "behavior", "enough_rows", "not_below_champion", "no_slice_worse", "improvement",
    ]  # fmt: skip
    assert all(rule.sentence.endswith(".") for rule in result.rules)


REFUSALS: dict[str, dict[str, Any]] = {
    "acceptance": {"acceptance": the_verdict("refuse")},
    "contract": {"contract": the_contract(success=False)},
    "no_leaks": {"acceptance": the_verdict(leaks=True)},
    "numbers": {"evaluation": calibrated().model_copy(update={"unusable_probabilities": 2})},
    "export_agrees": {"exported": the_export(largest_difference=0.01)},
    "calibration": {"evaluation": calibrated(0.151)},
    "behavior": {"behavioral_tests": the_examination(84)},
    "not_below_champion": {"head_to_head": head_to_head(WORSE)},
    "not_below_on_old_rows": {"head_to_head": head_to_head(BETTER, WORSE)},
    "no_slice_worse": {"head_to_head": head_to_head(BAD_SLICE)},
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("approval", ["auto", "when_inconclusive", "always"])
def test_any_single_failing_rule_that_refuses_refuses(name, approval):
    result = ask(**REFUSALS[name], config={"approval": approval})
    assert result.decision == "refuse"
    assert name in failed(result)
    # No improvement comes with being worse; nothing else may.
    assert set(failed(result)) <= {name, "improvement"}
    assert result.sentence.startswith("Bidirectional LSTM new is refused: ")
    assert result.sentence.endswith("Bidirectional LSTM old stays in service.")


@pytest.mark.parametrize("name", [name for name in REFUSALS if "not_below" not in name and "slice" not in name])
def test_what_needs_no_champion_is_asked_of_the_first_one_as_well(name):
    result = ask(None, **{**REFUSALS[name], "head_to_head": None, "champion_examined": None})
    assert result.first
    assert result.decision == ("promote" if name == "behavior" else "refuse")


DOUBTS: dict[str, dict[str, Any]] = {
    "acceptance": {"acceptance": the_verdict("cannot_tell")},
    "enough_rows": {"head_to_head": head_to_head(FEW)},
    "not_below_champion": {"head_to_head": head_to_head(DOUBTFUL)},
    "not_below_on_old_rows": {"head_to_head": head_to_head(BETTER, DOUBTFUL)},
    "behavior": {"behavioral_tests": the_examination(name="other")},
    "compared": {"head_to_head": None},
}


@pytest.mark.parametrize("name", DOUBTS)
def test_a_doubt_is_never_a_promotion_but_may_be_a_persons(name):
    answers = {
        approval: ask(**DOUBTS[name], config={"approval": approval})
        for approval in ("auto", "when_inconclusive", "always")
    }
    assert {approval: answer.decision for approval, answer in answers.items()} == {
        "auto": "keep",
        "when_inconclusive": "needs_person",
        "always": "needs_person",
    }
    assert failed(answers["auto"]) == [name]
    assert answers["auto"].sentence.startswith("Bidirectional LSTM old stays in service: ")
    assert answers["when_inconclusive"].sentence.startswith(
        "A person decides whether Bidirectional LSTM new takes the place of "
    )


@pytest.mark.parametrize("rows", [EQUAL, SLIGHTLY_WORSE])
@pytest.mark.parametrize("approval", ["auto", "when_inconclusive", "always"])
def test_a_tie_keeps_the_champion_and_bothers_nobody(rows, approval):
    result = ask(head_to_head=head_to_head(rows), config={"approval": approval})
    assert (result.decision, failed(result)) == ("keep", ["improvement"])
    assert "it is not above the champion" in result.sentence


def test_no_improvement_is_not_asked_about_even_in_doubt():
    few_and_equal = row_set(counts(50, 4, 4), counts(500, 9, 9))
    result = ask(head_to_head=head_to_head(few_and_equal), config={"approval": "when_inconclusive"})
    assert result.decision == "keep"
    assert "improvement" in failed(result)


def test_as_much_as_was_asked_for_must_be_passed():
    rows = row_set(counts(1000, 40, 20), counts(1000, 30, 30))
    assert ask(head_to_head=head_to_head(rows), config={"required_improvement": 0.01}).decision == "keep"
    assert ask(head_to_head=head_to_head(rows), config={"required_improvement": 0.009}).decision == "promote"
    assert (
        "more than 1 points above"
        in ask(head_to_head=head_to_head(rows), config={"required_improvement": 0.01}).sentence
    )


@pytest.mark.parametrize(
    ("metric", "negative", "positive", "decision"),
    [
        # The challenger finds more negative reviews and calls more positive ones wrongly.
        ("balanced_accuracy", counts(3000, 300, 100), counts(9000, 100, 200), "promote"),
        ("negative_recall", counts(3000, 300, 100), counts(9000, 100, 200), "promote"),
        ("accuracy", counts(3000, 150, 100), counts(9000, 100, 200), "keep"),
        ("negative_recall", counts(2400, 300, 100), counts(9000, 100, 100), "keep"),
        ("accuracy", counts(400, 90, 10), counts(2001, 10, 10), "promote"),
        ("accuracy", counts(399, 90, 10), counts(2001, 10, 10), "keep"),
    ],
)
def test_the_configured_figure_decides(metric, negative, positive, decision):
    rows = row_set(negative, positive)
    assert ask(head_to_head=head_to_head(rows), config={"metric": metric}).decision == decision


def test_rows_that_are_too_few_on_the_old_part_take_no_part():
    few_and_worse = row_set(counts(600, 0, 200), counts(5000, 0, 900))
    assert ask(head_to_head=head_to_head(BETTER, few_and_worse)).decision == "promote"
    enough_and_worse = row_set(counts(601, 0, 200), counts(5000, 0, 900))
    assert ask(head_to_head=head_to_head(BETTER, enough_and_worse)).decision == "refuse"


def test_slices_are_looked_at_from_their_rows_on_and_corrected():
    assert ask(head_to_head=head_to_head(BAD_SLICE), config={"slice_rows": 301}).decision == "promote"
    result = ask(head_to_head=head_to_head(BAD_SLICE))
    rule = next(rule for rule in result.rules if rule.name == "no_slice_worse")
    assert rule.figure < -0.05
    assert "On 1 of 2 kinds of reviews" in rule.sentence
    assert "stars: 1 star (300 reviews), where its accuracy is −20.0 points" in rule.sentence
    # By itself this one would be shown to be worse; among forty it may be chance.
    lone = compared_slice(300, 5, 38)
    others = [compared_slice(300, 5, 5, f"{number}") for number in range(40)]
    for slices, decision in (((lone,), "refuse"), ((lone, *others), "promote")):
        rows = BETTER.model_copy(update={"slices": slices})
        assert ask(head_to_head=head_to_head(rows)).decision == decision


def test_only_behavior_tests_put_to_both_in_one_form_count():
    ours, theirs = the_examination(90), the_examination(90)
    extra = the_examination(0, name="new one").tests
    assert ask(
        behavioral_tests=ours.model_copy(update={"tests": ours.tests + extra}), champion_examined=theirs
    ).decision == ("promote")
    assert ask(behavioral_tests=the_examination(85), champion_examined=theirs).decision == "promote"


def test_the_champion_itself_is_kept_and_needs_no_challenge():
    present = change("new")
    for forced in (None, "because I say so"):
        result = ask(present, head_to_head=None, config={"force_promotion_reason": forced, "approval": "always"})
        assert (result.decision, failed(result), result.forced) == ("keep", ["new_model"], False)
        assert "it is the champion itself, in service since run 'run new'" in result.sentence


def test_demo_models_never_replace_real_ones_and_always_give_way():
    refused = ask(new=model(demo=True))
    assert (refused.decision, failed(refused), refused.demo) == ("refuse", ["no_demo"], True)
    assert refused.sentence.startswith("On demo data, which say nothing of real reviews: ")
    gives_way = ask(change(demo=True), head_to_head=None, champion_examined=None)
    assert (gives_way.decision, gives_way.first, gives_way.replacing) == ("promote", True, 4)
    assert "takes the place of Bidirectional LSTM old, which was trained on generated reviews" in gives_way.sentence
    said = the_verdict().model_copy(update={"sentence": f"{refused.sentence[:49]}It passes every rule."})
    alone = ask(None, new=model(demo=True), acceptance=said, head_to_head=None, champion_examined=None)
    assert alone.sentence == (
        "On demo data, which say nothing of real reviews: Bidirectional LSTM new becomes the first champion: it passes "
        "every rule."
    )
    among_demos = ask(change(demo=True), new=model(demo=True))
    assert (among_demos.decision, among_demos.first) == ("promote", False)


def test_the_first_champion_is_decided_without_a_comparison():
    alone = {"head_to_head": None, "champion_examined": None}
    result = ask(None, **alone)
    assert (result.decision, result.first, result.replacing, result.champion_title) == ("promote", True, 0, None)
    assert result.sentence == ("Bidirectional LSTM new becomes the first champion: bidirectional LSTM new may be used.")
    assert ask(None, **alone, config={"approval": "always"}).decision == "needs_person"
    doubt = ask(None, **alone, acceptance=the_verdict("cannot_tell"))
    assert (doubt.decision, doubt.sentence[:29]) == ("keep", "No model goes into service: t")


def test_always_asking_asks_before_a_promotion():
    result = ask(config={"approval": "always"})
    assert (result.decision, failed(result)) == ("needs_person", [])
    assert "every rule is passed, and a person decides on every promotion" in result.sentence


@pytest.mark.parametrize("changes", [{}, *REFUSALS.values(), *DOUBTS.values()])
def test_force_promotes_and_says_what_the_gate_would_have_said(changes):
    before = ask(**changes)
    result = ask(**changes, config={"force_promotion_reason": "the old one\nis broken"})
    assert (result.decision, result.forced, result.rules) == ("promote", True, before.rules)
    assert "because a person says so: 'the old one\\x0ais broken'. The gate would have said: " in result.sentence
    assert result.sentence.endswith(before.sentence[1:])


def test_evidence_of_another_model_is_an_error():
    for changes in (
        {"acceptance": the_verdict().model_copy(update={"best_model": "uni-seed1"})},
        {"evaluation": evaluation("uni-seed1")},
        {"exported": the_export(variant="uni-seed1")},
        {"behavioral_tests": the_examination().model_copy(update={"model": "uni-seed1"})},
    ):
        with pytest.raises(GateError, match="is of 'uni-seed1', but the challenger is 'bi-seed1'"):
            ask(**changes)


tallies = st.builds(
    PairedTally,
    both=st.integers(0, 1500),
    only_challenger=st.integers(0, 200),
    only_champion=st.integers(0, 200),
    neither=st.integers(0, 200),
)
configs = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(["balanced_accuracy", "accuracy", "negative_recall"]),
        "non_inferiority_margin": st.sampled_from([0.02, 0.05, 0.2]),
        "required_improvement": st.sampled_from([0.0, 0.01]),
        "approval": st.sampled_from(["auto", "when_inconclusive", "always"]),
    }
)


def judged(negative: PairedTally, positive: PairedTally, config: dict[str, Any], passed: int = 90) -> GateDecision:
    kind = compared_slice(max(negative.rows, 1), negative.only_challenger, negative.only_champion)
    rows = row_set(negative, positive, kind)
    return ask(head_to_head=head_to_head(rows, rows), behavioral_tests=the_examination(passed), config=config)


@given(tallies, tallies, configs)
@THOROUGH
def test_a_model_that_is_not_better_is_never_promoted(negative, positive, config):
    assume(negative.rows and positive.rows)
    result = judged(negative, positive, config)
    gains = [(tally.only_challenger - tally.only_champion, tally.rows) for tally in (negative, positive)]
    better = {
        "balanced_accuracy": gains[0][0] * gains[1][1] + gains[1][0] * gains[0][1] > 0,
        "accuracy": gains[0][0] + gains[1][0] > 0,
        "negative_recall": gains[0][0] > 0,
    }[config["metric"]]
    if not better:
        assert result.decision in {"keep", "refuse"}


@given(tallies, tallies, configs, st.integers(60, 100), st.data())
@THOROUGH
def test_right_answers_more_never_make_the_decision_worse(negative, positive, config, passed, data):
    assume(negative.rows and positive.rows)

    def righted(tally: PairedTally) -> PairedTally:
        from_champion = data.draw(st.integers(0, tally.only_champion))
        from_neither = data.draw(st.integers(0, tally.neither))
        return PairedTally(
            both=tally.both + from_champion,
            only_challenger=tally.only_challenger + from_neither,
            only_champion=tally.only_champion - from_champion,
            neither=tally.neither - from_neither,
        )

    before = judged(negative, positive, config, passed)
    after = judged(righted(negative), righted(positive), config, data.draw(st.integers(passed, 100)))
    assert ORDER[after.decision] >= ORDER[before.decision]


@given(tallies, tallies, configs)
@THOROUGH
def test_the_mirror_of_a_model_ties_with_it(negative, positive, config):
    assume(negative.rows and positive.rows)

    def even(tally: PairedTally) -> PairedTally:
        return tally.model_copy(update={"only_champion": tally.only_challenger})

    assert judged(even(negative), even(positive), config).decision in {"keep", "refuse"}


@given(st.data())
@THOROUGH
def test_what_is_not_a_number_is_never_promoted(data):
    bad = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    broken = Interval(value=bad, low=bad, high=bad)
    where = data.draw(st.sampled_from(["difference", "old difference", "slice", "calibration", "export", "threshold"]))
    changes: dict[str, Any] = {}
    if where in {"difference", "old difference"}:
        differences = BETTER.differences.model_copy(
            update=dict.fromkeys(("balanced_accuracy", "accuracy", "negative_recall"), broken)
        )
        rows = BETTER.model_copy(update={"differences": differences})
        changes["head_to_head"] = head_to_head(rows) if where == "difference" else head_to_head(BETTER, rows)
    elif where == "slice":
        one = BETTER.slices[0].model_copy(update={"difference": broken})
        changes["head_to_head"] = head_to_head(BETTER.model_copy(update={"slices": (one,)}))
    elif where == "calibration":
        changes["evaluation"] = calibrated(bad)
    elif where == "export":
        changes["exported"] = the_export(largest_difference=bad)
    else:
        changes["evaluation"] = calibrated().model_copy(update={"threshold": bad})
    approval = data.draw(st.sampled_from(["auto", "when_inconclusive", "always"]))
    result = ask(**changes, config={"approval": approval})
    assert result.decision == "refuse"
    # Whatever was broken, the record can be kept and read again.
    assert GateDecision.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("called_positive", [0, 3000])
def test_a_model_with_one_answer_is_never_promoted(called_positive):
    collapsed = evaluation(low=0.5, value=0.5, called_positive=called_positive)
    said = acceptance(
        [collapsed],
        BaselinesSummary(evaluations=(evaluation(TFIDF),)),
        LeakageSummary(figures=(), vocabulary_leakage=False),
        ComparisonSummary(comparisons=(against_tfidf(value=0.3),)),
        demo=False,
        margin=0.4,
    )
    for present, compared in ((None, None), (change(), head_to_head())):
        assert ask(present, acceptance=said, head_to_head=compared).decision == "refuse"


def test_the_margin_to_the_baseline_is_configured():
    pair = against_tfidf(value=-0.03, low=-0.04)
    said = {
        margin: acceptance(
            [evaluation()],
            BaselinesSummary(evaluations=(evaluation(TFIDF),)),
            LeakageSummary(figures=(), vocabulary_leakage=False),
            ComparisonSummary(comparisons=(pair,)),
            demo=False,
            margin=margin,
        )
        for margin in (0.05, 0.035, 0.025)
    }
    assert [one.decision for one in said.values()] == ["accept", "cannot_tell", "refuse"]
    assert "whether it is below by more than 3.5 points cannot be told" in said[0.035].sentence


def test_the_stages_from_challenge_to_champion(store):
    """Both stages in a store, then the change; asking again changes nothing."""
    champion_model, challenger = trained(store, "old", OLD), trained(store, "new", NEW)
    parts = {
        "evaluated": place(store, "evaluate", calibrated()),
        "behavioral_tests": place(store, "run_behavioral_tests", the_examination()),
        "validated_raw": place(store, "validate_raw", the_contract()),
    }
    champion_model, challenger = (one.model_copy(update=parts) for one in (champion_model, challenger))
    said = place(store, "check_acceptance", the_verdict())
    config = PromotionConfig(approval="when_inconclusive")

    first = gate(champion_model, None, said, None, config=config, store=store)
    assert promote(first, store, run_name="run old").number == 1
    present = champion(store)
    assert (present.kind, present.who, present.decided) == ("promote", "the gate", first)

    scorers = {challenger.exported: Asked(good), champion_model.exported: Asked(lambda *_: 0.7)}
    compared = challenge(challenger, present.model, CONFIG, store, scorers.__getitem__)
    decided = gate(challenger, present, said, compared, config=config, store=store)
    decision = store.summary(decided, GateDecision)
    assert decision.decision == "keep"
    assert promote(decided, store, run_name="run new", approved=True) is None

    one_more = [("really bad", "test", 0)]
    better = trained(store, "better", [*NEW, *one_more]).model_copy(update=parts)
    scorers[better.exported] = Asked(good)
    compared = challenge(better, present.model, CONFIG, store, scorers.__getitem__)
    decided = gate(better, present, said, compared, config=config, store=store)
    assert store.summary(decided, GateDecision).decision == "needs_person"
    assert promote(decided, store, run_name="run better") is None
    approved = promote(decided, store, run_name="run better", who="ann", approved=True)
    assert (approved.number, approved.who, approved.kind) == (2, "ann", "promote")
    assert promote(decided, store, run_name="run better", who="ann", approved=True) == approved

    # The gate knows that the champion is another one, or that the challenge was.
    with pytest.raises(GateError, match="compare the present champion with this challenger again"):
        gate(challenger, champion(store), said, compared, config=config, store=store)
    forced = gate(
        challenger,
        present,
        said,
        None,
        config=PromotionConfig(force_promotion_reason="the new one is broken"),
        store=store,
    )
    with pytest.raises(ChampionChangedError):
        promote(forced, store, run_name="run new", who="ben")
    forced = gate(
        challenger,
        champion(store),
        said,
        None,
        config=PromotionConfig(force_promotion_reason="it is broken"),
        store=store,
    )
    done = promote(forced, store, run_name="run new", who="ben")
    assert (done.kind, done.who, done.number) == ("force", "ben", 3)
    assert "it is broken" in done.why


def test_hours_to_decide_change_no_decision(store):
    new = model()
    for role, summary in {
        "exported": the_export(),
        "evaluated": calibrated(),
        "behavioral_tests": the_examination(),
        "validated_raw": the_contract(),
    }.items():
        new = new.model_copy(update={role: place(store, getattr(new, role).stage, summary)})
    said = place(store, "check_acceptance", the_verdict())
    decided = gate(new, None, said, None, config=PromotionConfig(), store=store)
    assert gate(new, None, said, None, config=PromotionConfig(approval_hours=1), store=store) == decided
    assert gate(new, None, said, None, config=PromotionConfig(approval="always"), store=store) != decided
    change_champion(store, new, kind="promote", replacing=0, who="the gate", why="It is good.", run_name="run new")
    assert gate(new, champion(store), said, None, config=PromotionConfig(), store=store) != decided
