"""The gate: the effect of each rule, and what never happens."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.config import PromotionConfig
from pipeline.evaluation.records import PairedCounts
from pipeline.promotion import GateDecision, compare_to_champion, gate, promote
from pipeline.promotion.champions import ChampionChangedError, champion, change_champion
from pipeline.promotion.gate import GateError, gate_decision
from pipeline.promotion.records import deciding_rule
from pipeline.statistics import Interval
from tests.factories import place
from tests.unit.evaluation.factories import evaluation
from tests.unit.promotion.factories import (
    BETTER,
    CONFIG,
    NEW,
    OLD,
    WORSE,
    Scripted,
    acceptance_result,
    against_tfidf,
    behavioral_tests,
    calibrated,
    change,
    checked,
    compared_slice,
    contract,
    counts,
    evidence,
    export,
    good,
    head_to_head,
    model,
    row_set,
    trained,
)

THOROUGH = settings(deadline=None, max_examples=50, derandomize=True)
ORDER = {"rejected": 0, "kept": 1, "needs_approval": 2, "promoted": 3}
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
    return [rule.code for rule in decision.rules if not rule.passed]


def test_a_better_challenger_is_promoted_with_its_figures():
    result = ask()
    assert (result.decision, result.replacing, result.champion_title) == ("promoted", 4, "Bidirectional LSTM old")
    assert (result.first, result.forced, result.demo) == (False, False, False)
    assert failed(result) == []
    assert [rule.code for rule in result.rules] == [
        "no_leakage", "data_contract", "finite_evidence", "export_matches", "calibration", "real_data", "new_model",
        "behavior", "enough_compared_rows", "not_below_champion", "no_slice_worse", "improvement",
    ]  # fmt: skip


REFUSALS: dict[str, dict[str, Any]] = {
    "data_contract": {"contract": contract(success=False)},
    "no_leakage": {"acceptance": acceptance_result("rejected")},
    "finite_evidence": {"evaluation": calibrated().model_copy(update={"unusable_probabilities": 2})},
    "export_matches": {"exported": export(largest_difference=0.01)},
    "calibration": {"evaluation": calibrated(0.151)},
    "behavior": {"behavioral_tests": behavioral_tests(84)},
    "not_below_champion": {"head_to_head": head_to_head(WORSE)},
    "not_below_on_champion_test": {"head_to_head": head_to_head(BETTER, WORSE)},
    "no_slice_worse": {"head_to_head": head_to_head(BAD_SLICE)},
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("approval", ["auto", "when_inconclusive", "always"])
def test_a_single_failed_rule_rejects(name, approval):
    result = ask(**REFUSALS[name], config={"approval": approval})
    assert result.decision == "rejected"
    assert name in failed(result)
    # No improvement comes with being worse; nothing else may.
    assert set(failed(result)) <= {name, "improvement"}
    assert deciding_rule(result.rules).code == name


@pytest.mark.parametrize(
    ("bytes_", "bound", "decision"),
    [
        (13_400_000, None, "promoted"),
        (13_400_000, 13.4, "promoted"),
        (13_400_001, 13.4, "rejected"),
        (None, None, "promoted"),
        (None, 13.4, "rejected"),
    ],
)
def test_a_model_may_have_a_maximum_size(bytes_, bound, decision):
    result = ask(exported=export(onnx_bytes=bytes_), config={"max_model_megabytes": bound})
    assert result.decision == decision
    assert failed(result) == ([] if decision == "promoted" else ["model_size"])


def test_a_model_that_is_too_large_is_rejected_with_its_size():
    result = ask(exported=export(onnx_bytes=13_460_000), config={"max_model_megabytes": 10})
    assert "The ONNX model has 13.5 MB; at most 10.0 MB are allowed." in result.sentence
    unknown = ask(exported=export(), config={"max_model_megabytes": 10})
    assert "does not record the size of the ONNX model" in unknown.sentence


@pytest.mark.parametrize("name", [name for name in REFUSALS if "not_below" not in name and "slice" not in name])
def test_the_first_champion_must_pass_every_rule_that_needs_no_champion(name):
    result = ask(None, **{**REFUSALS[name], "head_to_head": None, "champion_behavioral_tests": None})
    assert result.first
    assert result.decision == ("promoted" if name == "behavior" else "rejected")


DOUBTS: dict[str, dict[str, Any]] = {
    "enough_test_rows": {"acceptance": acceptance_result("inconclusive")},
    "enough_compared_rows": {"head_to_head": head_to_head(FEW)},
    "not_below_champion": {"head_to_head": head_to_head(DOUBTFUL)},
    "not_below_on_champion_test": {"head_to_head": head_to_head(BETTER, DOUBTFUL)},
    "behavior": {"behavioral_tests": behavioral_tests(name="other")},
    "compared": {"head_to_head": None},
}


@pytest.mark.parametrize("name", DOUBTS)
def test_an_inconclusive_rule_never_promotes_but_may_need_approval(name):
    answers = {
        approval: ask(**DOUBTS[name], config={"approval": approval})
        for approval in ("auto", "when_inconclusive", "always")
    }
    assert {approval: answer.decision for approval, answer in answers.items()} == {
        "auto": "kept",
        "when_inconclusive": "needs_approval",
        "always": "needs_approval",
    }
    assert failed(answers["auto"]) == [name]


@pytest.mark.parametrize("rows", [EQUAL, SLIGHTLY_WORSE])
@pytest.mark.parametrize("approval", ["auto", "when_inconclusive", "always"])
def test_a_tie_keeps_the_champion_without_approval(rows, approval):
    result = ask(head_to_head=head_to_head(rows), config={"approval": approval})
    assert (result.decision, failed(result)) == ("kept", ["improvement"])


def test_no_improvement_needs_no_approval_even_if_inconclusive():
    few_and_equal = row_set(counts(50, 4, 4), counts(500, 9, 9))
    result = ask(head_to_head=head_to_head(few_and_equal), config={"approval": "when_inconclusive"})
    assert result.decision == "kept"
    assert "improvement" in failed(result)


def test_the_required_improvement_must_be_exceeded():
    rows = row_set(counts(1000, 40, 20), counts(1000, 30, 30))
    assert ask(head_to_head=head_to_head(rows), config={"required_improvement": 0.01}).decision == "kept"
    assert ask(head_to_head=head_to_head(rows), config={"required_improvement": 0.009}).decision == "promoted"


@pytest.mark.parametrize(
    ("metric", "negative", "positive", "decision"),
    [
        # The challenger finds more negative reviews and calls more positive ones wrongly.
        ("balanced_accuracy", counts(3000, 300, 100), counts(9000, 100, 200), "promoted"),
        ("negative_recall", counts(3000, 300, 100), counts(9000, 100, 200), "promoted"),
        ("accuracy", counts(3000, 150, 100), counts(9000, 100, 200), "kept"),
        ("negative_recall", counts(2400, 300, 100), counts(9000, 100, 100), "kept"),
        ("accuracy", counts(400, 90, 10), counts(2001, 10, 10), "promoted"),
        ("accuracy", counts(399, 90, 10), counts(2001, 10, 10), "kept"),
    ],
)
def test_the_configured_metric_decides(metric, negative, positive, decision):
    rows = row_set(negative, positive)
    assert ask(head_to_head=head_to_head(rows), config={"metric": metric}).decision == decision


def test_too_few_rows_on_the_test_split_of_the_champion_are_ignored():
    few_and_worse = row_set(counts(600, 0, 200), counts(5000, 0, 900))
    assert ask(head_to_head=head_to_head(BETTER, few_and_worse)).decision == "promoted"
    enough_and_worse = row_set(counts(601, 0, 200), counts(5000, 0, 900))
    assert ask(head_to_head=head_to_head(BETTER, enough_and_worse)).decision == "rejected"


def test_slices_count_from_their_minimum_rows_and_are_corrected():
    assert ask(head_to_head=head_to_head(BAD_SLICE), config={"slice_rows": 301}).decision == "promoted"
    result = ask(head_to_head=head_to_head(BAD_SLICE))
    rule = next(rule for rule in result.rules if rule.code == "no_slice_worse")
    assert rule.value < -0.05
    found = {name: rule.details[name] for name in ("worse", "slices", "worst", "rows", "difference")}
    assert found == {"worse": 1, "slices": 2, "worst": "Stars: 1 star", "rows": 300, "difference": -0.2}
    # By itself this one would be shown to be worse; among forty it may be chance.
    lone = compared_slice(300, 5, 38)
    others = [compared_slice(300, 5, 5, f"{number}") for number in range(40)]
    for slices, decision in (((lone,), "rejected"), ((lone, *others), "promoted")):
        rows = BETTER.model_copy(update={"slices": slices})
        assert ask(head_to_head=head_to_head(rows)).decision == decision


def test_only_behavioral_tests_in_common_count():
    ours, theirs = behavioral_tests(90), behavioral_tests(90)
    extra = behavioral_tests(0, name="new one").tests
    assert ask(
        behavioral_tests=ours.model_copy(update={"tests": ours.tests + extra}), champion_behavioral_tests=theirs
    ).decision == ("promoted")
    assert ask(behavioral_tests=behavioral_tests(85), champion_behavioral_tests=theirs).decision == "promoted"


def test_the_champion_is_never_replaced_by_itself():
    present = change("new")
    for forced in (None, "because I say so"):
        result = ask(present, head_to_head=None, config={"force_promotion_reason": forced, "approval": "always"})
        assert (result.decision, failed(result), result.forced) == ("kept", ["new_model"], False)
        assert deciding_rule(result.rules).details == {"run_name": "run new"}


def test_demo_models_never_replace_real_ones_and_are_always_replaced():
    refused = ask(new=model(demo=True))
    assert (refused.decision, failed(refused), refused.demo) == ("rejected", ["real_data"], True)
    gives_way = ask(change(demo=True), head_to_head=None, champion_behavioral_tests=None)
    assert (gives_way.decision, gives_way.first, gives_way.replacing) == ("promoted", True, 4)
    among_demos = ask(change(demo=True), new=model(demo=True))
    assert (among_demos.decision, among_demos.first) == ("promoted", False)


def test_the_first_champion_is_decided_without_a_comparison():
    alone = {"head_to_head": None, "champion_behavioral_tests": None}
    result = ask(None, **alone)
    assert (result.decision, result.first, result.replacing, result.champion_title) == ("promoted", True, 0, None)
    assert ask(None, **alone, config={"approval": "always"}).decision == "needs_approval"
    doubt = ask(None, **alone, acceptance=acceptance_result("inconclusive"))
    assert (doubt.decision, failed(doubt)) == ("kept", ["enough_test_rows"])


def test_always_asking_asks_before_a_promotion():
    result = ask(config={"approval": "always"})
    assert (result.decision, failed(result)) == ("needs_approval", [])


@pytest.mark.parametrize("changes", [{}, *REFUSALS.values(), *DOUBTS.values()])
def test_a_forced_promotion_keeps_the_rules_and_the_reason(changes):
    before = ask(**changes)
    result = ask(**changes, config={"force_promotion_reason": "the old one\nis broken"})
    assert (result.decision, result.forced, result.rules) == ("promoted", True, before.rules)
    assert result.force_reason == "the old one\nis broken"


def test_evidence_of_another_model_is_an_error():
    for changes in (
        {"acceptance": acceptance_result().model_copy(update={"best_model": "uni-seed1"})},
        {"evaluation": evaluation("uni-seed1")},
        {"exported": export(variant="uni-seed1")},
        {"behavioral_tests": behavioral_tests().model_copy(update={"model": "uni-seed1"})},
    ):
        with pytest.raises(GateError, match="is of 'uni-seed1', but the challenger is 'bi-seed1'"):
            ask(**changes)


tallies = st.builds(
    PairedCounts,
    both=st.integers(0, 1500),
    only_first=st.integers(0, 200),
    only_second=st.integers(0, 200),
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


def decided(negative: PairedCounts, positive: PairedCounts, config: dict[str, Any], passed: int = 90) -> GateDecision:
    kind = compared_slice(max(negative.rows, 1), negative.only_first, negative.only_second)
    rows = row_set(negative, positive, kind)
    return ask(head_to_head=head_to_head(rows, rows), behavioral_tests=behavioral_tests(passed), config=config)


@given(tallies, tallies, configs)
@THOROUGH
def test_a_model_that_is_not_better_is_never_promoted(negative, positive, config):
    assume(negative.rows and positive.rows)
    result = decided(negative, positive, config)
    gains = [(tally.only_first - tally.only_second, tally.rows) for tally in (negative, positive)]
    better = {
        "balanced_accuracy": gains[0][0] * gains[1][1] + gains[1][0] * gains[0][1] > 0,
        "accuracy": gains[0][0] + gains[1][0] > 0,
        "negative_recall": gains[0][0] > 0,
    }[config["metric"]]
    if not better:
        assert result.decision in {"kept", "rejected"}


@given(tallies, tallies, configs, st.integers(60, 100), st.data())
@THOROUGH
def test_more_right_answers_never_make_the_decision_worse(negative, positive, config, passed, data):
    assume(negative.rows and positive.rows)

    def righted(tally: PairedCounts) -> PairedCounts:
        from_champion = data.draw(st.integers(0, tally.only_second))
        from_neither = data.draw(st.integers(0, tally.neither))
        return PairedCounts(
            both=tally.both + from_champion,
            only_first=tally.only_first + from_neither,
            only_second=tally.only_second - from_champion,
            neither=tally.neither - from_neither,
        )

    before = decided(negative, positive, config, passed)
    after = decided(righted(negative), righted(positive), config, data.draw(st.integers(passed, 100)))
    assert ORDER[after.decision] >= ORDER[before.decision]


@given(tallies, tallies, configs)
@THOROUGH
def test_the_mirror_of_a_model_ties_with_it(negative, positive, config):
    assume(negative.rows and positive.rows)

    def even(tally: PairedCounts) -> PairedCounts:
        return tally.model_copy(update={"only_second": tally.only_first})

    assert decided(even(negative), even(positive), config).decision in {"kept", "rejected"}


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
        changes["exported"] = export(largest_difference=bad)
    else:
        changes["evaluation"] = calibrated().model_copy(update={"threshold": bad})
    approval = data.draw(st.sampled_from(["auto", "when_inconclusive", "always"]))
    result = ask(**changes, config={"approval": approval})
    assert result.decision == "rejected"
    # Whatever was broken, the record can be kept and read again.
    assert GateDecision.model_validate_json(result.model_dump_json()) == result


@pytest.mark.parametrize("called_positive", [0, 3000])
def test_a_model_with_one_answer_is_never_promoted(called_positive):
    collapsed = evaluation(low=0.5, value=0.5, called_positive=called_positive)
    result = checked(collapsed, pairs=[against_tfidf(value=0.3)], margin=0.4)
    for present, compared in ((None, None), (change(), head_to_head())):
        assert ask(present, acceptance=result, head_to_head=compared).decision == "rejected"


def test_the_margin_to_the_baseline_is_configured():
    pair = against_tfidf(value=-0.03, low=-0.04)
    decisions = [checked(evaluation(), pairs=[pair], margin=margin).decision for margin in (0.05, 0.035, 0.025)]
    assert decisions == ["accepted", "inconclusive", "rejected"]


def test_the_stages_from_comparison_to_champion(store):
    """Both stages in a store, then the change; asking again changes nothing."""
    champion_model, challenger = trained(store, "old", OLD), trained(store, "new", NEW)
    parts = {
        "evaluated": place(store, "evaluate", calibrated()),
        "behavioral_tests": place(store, "run_behavioral_tests", behavioral_tests()),
        "validated_raw": place(store, "validate_raw", contract()),
    }
    champion_model, challenger = (one.model_copy(update=parts) for one in (champion_model, challenger))
    said = place(store, "check_acceptance", acceptance_result())
    config = PromotionConfig(approval="when_inconclusive")

    first = gate(champion_model, None, said, None, config=config, store=store)
    assert promote(first, store, run_name="run old").number == 1
    present = champion(store)
    assert (present.kind, present.who, present.decided) == ("promote", "the gate", first)

    scorers = {challenger.exported: Scripted(good), champion_model.exported: Scripted(lambda *_: 0.7)}
    compared = compare_to_champion(challenger, present.model, CONFIG, store, scorers.__getitem__)
    decided = gate(challenger, present, said, compared, config=config, store=store)
    decision = store.summary(decided, GateDecision)
    assert decision.decision == "kept"
    assert promote(decided, store, run_name="run new", approved=True) is None

    one_more = [("really bad", "test", 0)]
    better = trained(store, "better", [*NEW, *one_more]).model_copy(update=parts)
    scorers[better.exported] = Scripted(good)
    compared = compare_to_champion(better, present.model, CONFIG, store, scorers.__getitem__)
    decided = gate(better, present, said, compared, config=config, store=store)
    assert store.summary(decided, GateDecision).decision == "needs_approval"
    assert promote(decided, store, run_name="run better") is None
    approved = promote(decided, store, run_name="run better", who="ann", approved=True)
    assert (approved.number, approved.who, approved.kind) == (2, "ann", "promote")
    assert promote(decided, store, run_name="run better", who="ann", approved=True) == approved

    # The gate knows that the champion is another one, or that the challenge was.
    with pytest.raises(GateError, match="Compare the current champion with this challenger again"):
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
        "exported": export(),
        "evaluated": calibrated(),
        "behavioral_tests": behavioral_tests(),
        "validated_raw": contract(),
    }.items():
        new = new.model_copy(update={role: place(store, getattr(new, role).stage, summary)})
    said = place(store, "check_acceptance", acceptance_result())
    decided = gate(new, None, said, None, config=PromotionConfig(), store=store)
    assert gate(new, None, said, None, config=PromotionConfig(approval_hours=1), store=store) == decided
    assert gate(new, None, said, None, config=PromotionConfig(approval="always"), store=store) != decided
    change_champion(store, new, kind="promote", replacing=0, who="the gate", why="It is good.", run_name="run new")
    assert gate(new, champion(store), said, None, config=PromotionConfig(), store=store) != decided
