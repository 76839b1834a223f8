"""Sentences of the acceptance check, the head-to-head evaluation and the gate; every reader takes them from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import quoted
from pipeline.evaluation.text import signed_points

if TYPE_CHECKING:
    # The records take their sentences from here.
    from pipeline.promotion.records import AcceptanceResult, GateDecision, RowSet, Rule, RuleCode

METRIC_TITLES = {
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "negative_recall": "Recall of the negative class",
}
DEMO_NOTE = "The reviews are generated demo data, so this says nothing about real reviews."
REASON_CHARACTERS = 500
"""Longest reason of a forced promotion that is quoted."""


class RuleText(NamedTuple):
    """Templates of a rule; they name ``value``, ``bound`` and the details of the rule."""

    passed: str
    failed: str
    not_measured: str | None = None


def _same(text: str, not_measured: str | None = None) -> RuleText:
    return RuleText(text, text, not_measured)


_FINITE = RuleText(
    "All predictions and metrics are finite.",
    "{unusable:,} predictions are not in 0–1 and {not_finite:,} metrics are NaN or infinite; the model is corrupt.",
)
_NOT_BELOW = (
    "{{metric}} is {{difference:points}} against {other}, and {{value:points}} at the lower end of the 95 % interval; "
    "the margin is {{bound:points}}."
)
TEXTS: dict[RuleCode, RuleText] = {
    "finite_scores": _FINITE,
    "no_leakage": RuleText(
        "The leakage check found no violated guarantee of the split.",
        "{value:,.0f} test reviews are known from training ({kinds}), although the split guarantees none; the scores "
        "are too high.",
    ),
    "both_classes_predicted": RuleText(
        "It predicts both classes: {positive:,} positive and {negative:,} negative reviews.",
        "It predicts the same class for every review.",
    ),
    "enough_test_rows": _same(
        "The smaller class ({smaller_class}) has {value:,.0f} test reviews; at least {bound:,.0f} are required."
    ),
    "better_than_majority": _same(
        "The 95 % interval of balanced accuracy starts at {value:.3f}; it must start above {bound:g} (the majority "
        "class scores 0.5)."
    ),
    "not_below_tfidf": _same(
        _NOT_BELOW.format(other="TF-IDF with logistic regression"), "There are no reviews to compare it with TF-IDF."
    ),
    "data_contract": RuleText(
        "The newest reviews satisfy the data contract.",
        "The newest reviews violate the data contract (violated expectations: {value:,.0f}).",
    ),
    "finite_evidence": _FINITE,
    "export_matches": _same(
        "Exported and evaluated predictions differ by up to {value:.1g} on the raw text of {rows:,} test reviews; "
        "{bound:g} is allowed.",
        "The exported model was not checked on any review.",
    ),
    "calibration": _same("The expected calibration error is {value:.3f}; at most {bound:g} is allowed."),
    "model_size": _same(
        "The ONNX model has {value:,.1f} MB; at most {bound:,.1f} MB are allowed.",
        "The export does not record the size of the ONNX model.",
    ),
    "real_data": RuleText(
        "It does not replace a model of real reviews by a model of generated ones.",
        "It was trained on generated reviews, the champion on real ones.",
    ),
    "new_model": RuleText(
        "It is not the current champion.",
        "It is the current champion, in production since run {run_name:quoted}.",
    ),
    "behavior": _same(
        "It passes {passed_cases:,} of {cases:,} behavioral test cases and the champion {champion_passed_cases:,} "
        "({value:points}); the margin is {bound:points}.",
        "Challenger and champion have no behavioral test in common.",
    ),
    "compared": _same("Challenger and champion were not compared on the same reviews."),
    "enough_compared_rows": _same(
        "The comparison has {value:,.0f} {kind}; at least {bound:,.0f} are required for the margin."
    ),
    "not_below_champion": _same(
        _NOT_BELOW.format(other="the champion on the test split of the challenger"),
        "The test split of the challenger has no reviews to compare.",
    ),
    "not_below_on_champion_test": _same(
        _NOT_BELOW.format(other="the champion on the test split of the champion"),
        "The test split of the champion has too few reviews that neither model was trained on; it is not compared.",
    ),
    "no_slice_worse": RuleText(
        "None of {slices} slices is significantly below the margin of {bound:points}.",
        "{worse} of {slices} slices are significantly below the margin of {bound:points}. The worst is {worst} "
        "({rows:,} reviews): accuracy {difference:points}, at best {value:points}.",
        "No slice has enough reviews for a comparison.",
    ),
    "improvement": _same(
        "{metric} is {value:points} against the champion; more than {bound:points} is required.",
        "There are no reviews that could show an improvement.",
    ),
}


def acceptance_sentence(result: AcceptanceResult, reason: Rule | None) -> str:
    """Return the decision of the acceptance check and its reason, the failed rule that decides."""
    if reason is None:
        sentence = f"{result.best_title} is accepted{_scores(result.rules)}."
    elif result.decision == "rejected":
        sentence = f"{result.best_title} is rejected. {rule_sentence(reason)}"
    else:
        sentence = f"The evaluation of {result.best_title} is inconclusive. {rule_sentence(reason)}"
    return f"{sentence} {DEMO_NOTE}" if result.demo else sentence


def gate_sentence(decision: GateDecision, reason: Rule | None) -> str:
    """Return the decision of the gate and its reason, the failed rule that decides."""
    challenger, champion = decision.challenger.title, decision.champion_title
    because = "Every rule passed." if reason is None else rule_sentence(reason)
    if decision.force_reason is not None:
        sentence = f"{challenger} is promoted by force: {quoted(decision.force_reason, REASON_CHARACTERS)}. {because}"
    elif decision.decision == "promoted":
        sentence = _promotion(decision)
    elif decision.decision == "rejected":
        stays = "" if champion is None else f" {champion} stays in production."
        sentence = f"{challenger} is rejected. {because}{stays}"
    elif decision.decision == "kept":
        sentence = f"{'No model is promoted' if champion is None else f'{champion} stays in production'}. {because}"
    else:
        action = "become the first champion" if champion is None else f"replace {champion}"
        sentence = f"{challenger} needs manual approval to {action}. {because}"
    return f"{sentence} {DEMO_NOTE}" if decision.demo else sentence


def row_set_sentence(row_set: RowSet) -> str:
    """Return how many reviews were compared, and how many were excluded and why."""
    owner = "challenger" if row_set.name == "challenger_test" else "champion"
    sentence = f"Compared on {row_set.rows:,} test reviews of the {owner}."
    if row_set.excluded:
        sentence += (
            f" {row_set.excluded:,} more were excluded because the same text is in the training or validation split of "
            f"the champion ({row_set.known_to_champion:,}) or of the challenger ({row_set.known_to_challenger:,})."
        )
    return sentence


def rule_sentence(rule: Rule) -> str:
    """Return a rule and its outcome as whole sentences."""
    text = TEXTS[rule.code]
    template = text.passed if rule.passed else text.failed
    if rule.value is None and text.not_measured is not None:
        template = text.not_measured
    numbers = {"value": rule.value, "bound": rule.bound, **rule.details}
    if "metric" in numbers:
        numbers["metric"] = METRIC_TITLES[str(numbers["metric"])]
    return template.format(**{name: _Formatted(value) for name, value in numbers.items()})


def _promotion(decision: GateDecision) -> str:
    challenger, champion = decision.challenger.title, decision.champion_title
    if champion is None:
        return f"{challenger} becomes the first champion{_scores(decision.rules)}."
    if decision.first:
        return f"{challenger} replaces {champion}, which was trained on generated reviews."
    found = next((rule for rule in decision.rules if rule.code == "improvement"), None)
    if found is None or found.value is None:
        return f"{challenger} replaces {champion}."
    metric = METRIC_TITLES[str(found.details["metric"])].lower()
    return (
        f"{challenger} replaces {champion}: {metric} {signed_points(found.value)} ({_points(found, 'low')} to "
        f"{_points(found, 'high')}) on {found.details['rows']:,} reviews that neither model was trained on."
    )


def _scores(rules: tuple[Rule, ...]) -> str:
    """Return the balanced accuracy, and the difference to TF-IDF, as the end of a sentence."""
    scores = next((rule for rule in rules if rule.code == "better_than_majority"), None)
    if scores is None or scores.value is None:
        return ""
    text = (
        f": balanced accuracy {scores.details['balanced_accuracy']:.2f} ({scores.value:.2f} to "
        f"{scores.details['high']:.2f}) on {scores.details['rows']:,} test reviews"
    )
    baseline = next((rule for rule in rules if rule.code == "not_below_tfidf"), None)
    return text if baseline is None else f"{text}, {_points(baseline, 'difference')} against TF-IDF"


@dataclass(frozen=True)
class _Formatted:
    """A value as a template shows it: ``points`` for signed percentage points, else a standard format."""

    value: int | float | str | None

    def __format__(self, spec: str) -> str:
        if self.value is None:
            return "not a number"
        if spec == "points":
            return signed_points(float(self.value))
        return quoted(self.value) if spec == "quoted" else format(self.value, spec)


def _points(rule: Rule, name: str) -> str:
    return format(_Formatted(rule.details.get(name)), "points")
