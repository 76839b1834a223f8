"""The report as one HTML file without scripts and requests, which can be sent by mail."""

from __future__ import annotations

import base64
import hashlib

from markupsafe import Markup

from pipeline.behavioral_tests.records import BehaviorTest
from pipeline.evaluation.records import EvaluationSummary, Mistake, SuspectedLabel
from pipeline.promotion.records import ComparedSlice, Rule
from pipeline.reporting.explanation import EFFECT_STEPS, mark, strongest_words
from pipeline.reporting.figures import figures_by_section
from pipeline.reporting.gate_text import (
    FAILURE_WORDS,
    HISTORY_HINT,
    ROW_SET_TITLES,
    gate_notes,
    gate_word,
    has_both_classes,
    worst_differences,
)
from pipeline.reporting.records import ReportContents, ReportWarning, RunOutcome
from pipeline.reporting.templating import TEMPLATES, template_environment
from pipeline.splitting.records import MIN_WORDS

STYLE_SHEETS = ("style.css", "figures.css")
"""The parts of the page's style sheet, in their order."""

OUTCOME_TITLES: dict[RunOutcome, str] = {
    "accepted": "Accepted",
    "rejected": "Rejected",
    "inconclusive": "Inconclusive",
    "stopped": "Stopped",
    "undecided": "Not evaluated yet",
}
MAX_WARNINGS = 6
"""Warnings that are shown; the others fold away. Serious ones are always shown."""
MAX_MATRICES = 4
"""With more models, the confusion matrices of the other variants fold away."""
MAX_EXPLAINED = 6
MAX_COMPARED_SLICES = 20
"""Slices on which challenger and champion are compared."""


class ReportView:
    """What the templates show besides the contents: selections, their limits, and titles of codes."""

    leakage_titles = {  # noqa: RUF012 - never changed
        "identical_text": "Identical text",
        "near_duplicate": "Near-duplicate text",
        "identical_short_text": f"Identical text of fewer than {MIN_WORDS} words",
        "product": "Product",
        "user": "User",
    }
    behavior_kinds = {  # noqa: RUF012 - never changed
        "minimum_functionality": "minimum functionality",
        "negation": "negation",
        "invariance": "invariance",
        "direction": "directional expectation",
    }
    effect_steps = EFFECT_STEPS
    mark = staticmethod(mark)
    strongest_words = staticmethod(strongest_words)
    failure_words = FAILURE_WORDS
    row_set_titles = ROW_SET_TITLES
    history_hint = HISTORY_HINT
    has_both_classes = staticmethod(has_both_classes)
    max_mistakes = 8
    max_terms = 15
    max_suspected = 6
    max_dumps = 12
    """Dumps of a training window from which their table folds away: a year of monthly dumps."""

    def __init__(self, contents: ReportContents) -> None:
        """Select what the page of a run shows."""
        best = contents.best
        self._contents = contents
        self.best = best if best is not None and best.evaluated is not None else None
        self.outcome = OUTCOME_TITLES[contents.outcome]
        self.serious = [warning for warning in contents.warnings if warning.serious]
        self.trained = [variant for variant in contents.variants if variant.trained is not None]
        self.figures = figures_by_section(contents)
        self.gate_word = gate_word(contents.gate) if contents.gate is not None else None
        self.gate_notes = list(gate_notes(contents.gate)) if contents.gate is not None else []
        self.compared_slices: tuple[ComparedSlice, ...] = worst_differences(contents.challenge, MAX_COMPARED_SLICES)
        tests = self.best.behavioral_tests if self.best is not None else None
        self.explained = tests.explained[:MAX_EXPLAINED] if tests is not None else ()

    @property
    def title(self) -> str:
        """The main heading."""
        outcome = self._contents.outcome
        if self._contents.demo and outcome in ("accepted", "rejected", "inconclusive"):
            return f"Demo run: {self.outcome.lower()}"
        return {
            "accepted": "The model is accepted",
            "rejected": "The model is rejected",
            "inconclusive": "The evaluation is inconclusive",
            "stopped": "The run stopped before its acceptance check",
            "undecided": "The run is not finished",
        }[outcome]

    def title_of(self, model: str) -> str:
        """Return the title of a model by its name."""
        titles = {variant.name: variant.title for variant in self._contents.variants}
        return (titles | {one.model: one.title for one in self._contents.evaluations}).get(model, model)

    @property
    def reasons(self) -> list[Rule]:
        """The rules that explain the acceptance: those that failed, or all if none failed."""
        rules = self._contents.acceptance.rules if self._contents.acceptance is not None else ()
        return [rule for rule in rules if not rule.passed] or list(rules)

    @property
    def warnings(self) -> tuple[list[ReportWarning], list[ReportWarning]]:
        """The warnings that are not serious: those shown, and those folded away."""
        others = [warning for warning in self._contents.warnings if not warning.serious]
        return others[:MAX_WARNINGS], others[MAX_WARNINGS:]

    @property
    def matrices(self) -> tuple[list[EvaluationSummary], list[EvaluationSummary]]:
        """The evaluations whose confusion matrices are shown, and those folded away."""
        evaluations, best = self._contents.evaluations, self._contents.best_variant
        important = [one for one in evaluations if one.kind == "baseline" or one.model == best]
        others = [one for one in evaluations if one not in important]
        return (important + others, []) if len(evaluations) <= MAX_MATRICES else (important, others)

    @property
    def behavior_rows(self) -> list[tuple[BehaviorTest, list[BehaviorTest | None]]]:
        """Each behavioral test with its result per model; ``None`` for a model without it."""
        models = [{test.name: test for test in model.tests} for model in self._contents.behavioral_tests]
        tests = {test.name: test for model in reversed(models) for test in model.values()}
        names = dict.fromkeys(name for model in models for name in model)
        return [(tests[name], [model.get(name) for model in models]) for name in names]

    @property
    def mistakes(self) -> list[Mistake]:
        """The mistakes of the best variant that are not explained word by word."""
        mistakes = self.best.evaluated.mistakes if self.best is not None and self.best.evaluated is not None else ()
        explained = {review.row for review in self.explained}
        return [mistake for mistake in mistakes if mistake.row not in explained]

    @property
    def suspected_labels(self) -> list[SuspectedLabel]:
        """The suspected label errors that are not shown among the mistakes."""
        comparison = self._contents.comparison
        shown = {review.row for review in self.explained}
        shown |= {mistake.row for mistake in self.mistakes[: self.max_mistakes]}
        return [one for one in (comparison.suspected_labels if comparison is not None else ()) if one.row not in shown]

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Identifier and name of each section with content."""
        contents, comparison = self._contents, self._contents.comparison
        evaluated = bool(contents.evaluations)
        drawn = any(evaluation.curves is not None for evaluation in contents.evaluations)
        terms = contents.baselines is not None and bool(contents.baselines.negative_terms)
        suspected = comparison is not None and bool(comparison.suspected_labels)
        compared = comparison is not None and bool(comparison.comparisons or comparison.seed_groups)
        slices = self.best is not None and self.best.evaluated is not None and bool(self.best.evaluated.slices)
        present = [
            ("acceptance", "Acceptance", True),
            ("gate", "Promotion", contents.gate is not None),
            ("warnings", "Warnings", bool(contents.warnings)),
            ("scores", "Scores", evaluated),
            ("comparison", "Comparison", compared),
            ("article", "The article", contents.article is not None),
            ("curves", "Curves and training", drawn or bool(self.trained)),
            ("confusion", "Confusion matrices", evaluated),
            ("slices", "Slices", slices),
            ("behavior", "Behavioral tests", bool(contents.behavioral_tests)),
            ("explanation", "Explanations", bool(self.explained or self.mistakes) or terms or suspected),
            ("data", "Data", contents.ingest is not None),
            ("provenance", "Provenance", True),
        ]
        return [(identifier, name) for identifier, name, shown in present if shown]


def render_html(contents: ReportContents) -> str:
    """Return the page.

    Its Content-Security-Policy allows the page's one style sheet, by its digest, and embedded images, but nothing else.
    So even text that was not escaped could neither run nor load anything.
    """
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in STYLE_SHEETS)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        template_environment(TEMPLATES)
        .get_template("page.html.j2")
        # Both texts are parts of this package, never data.
        .render(report=contents, view=ReportView(contents), style=Markup(style), policy=Markup(policy))  # noqa: S704
    )
