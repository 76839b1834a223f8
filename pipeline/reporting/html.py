"""The report as one HTML file: no script, no request, readable by anyone who gets it by mail."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from pipeline.promotion.records import Rule
from pipeline.reporting.explanation import EFFECT_STEPS, behavior_rows, explained
from pipeline.reporting.gate_text import (
    FAILURE_WORDS,
    HISTORY_HINT,
    ROW_SET_TITLES,
    gate_notes,
    gate_word,
    has_both_classes,
    worst_differences,
)
from pipeline.reporting.pictures import pictures
from pipeline.reporting.records import Outcome, ReportContents
from pipeline.reporting.templating import template_environment

TEMPLATES = Path(__file__).parent / "templates"
STYLE_SHEETS = ("style.css", "figures.css")
"""In this order they make the page's one style sheet."""

VERDICT_WORDS: dict[Outcome, str] = {
    "accepted": "Accepted",
    "rejected": "Rejected",
    "inconclusive": "Inconclusive",
    "stopped": "Stopped",
    "undecided": "No verdict yet",
}

LEAK_TITLES = {
    "identical_text": "Identical text",
    "near_duplicate": "Near-duplicate of a text",
    "product": "Product",
    "user": "User",
}

BEHAVIOUR_KINDS = {
    "minimum_functionality": "the plain case",
    "negation": "negation",
    "invariance": "must change nothing",
    "direction": "must change one way",
}

MOST_CAUTIONS = 6
"""Warnings that stand open; the others fold away. Serious ones always stand open."""
MOST_MATRICES = 4
"""Confusion matrices up to which all stand open."""
MOST_MISTAKES = 8
MOST_TERMS = 15
MOST_SUSPECTED = 6
MOST_EXPLAINED = 6
MOST_DUMPS = 12
"""Dumps of a window up to which their table stands open: a year of monthly ones."""
MOST_COMPARED_SLICES = 20
"""Kinds of reviews on which challenger and champion are shown beside each other."""


def render_html(contents: ReportContents) -> str:
    """Return the page.

    Its Content-Security-Policy allows nothing but the one style sheet, by its digest, and images that the page
    holds itself; so even text that got through the escaping could neither run nor fetch anything.
    """
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in STYLE_SHEETS)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    best = contents.best if contents.best is not None and contents.best.evaluated is not None else None
    behavioral_tests = best.behavioral_tests if best is not None else None
    others = [warning for warning in contents.warnings if not warning.serious]
    told = {mistake.row for mistake in behavioral_tests.explained[:MOST_EXPLAINED]} if behavioral_tests else set()
    wrong = best.evaluated.mistakes if best is not None and best.evaluated is not None else ()
    # A review that stands above word by word need not stand there again.
    mistakes = [mistake for mistake in wrong if mistake.row not in told]
    seen = told | {mistake.row for mistake in mistakes[:MOST_MISTAKES]}
    suspected = contents.comparison.suspected_labels if contents.comparison is not None else ()
    chosen = best.name if best is not None else None
    # The chosen model and the baselines say most; the other variants fold away where they are many.
    matrices = sorted(contents.evaluations, key=lambda judged: judged.kind == "variant" and judged.model != chosen)
    first = len(matrices) if len(matrices) <= MOST_MATRICES else 1 + len(matrices) - len(contents.variants)
    page = _environment().get_template("page.html.j2")
    return page.render(
        report=contents,
        title=_title(contents),
        acceptance_word=acceptance_word(contents),
        reasons=_reasons(contents),
        serious=[warning for warning in contents.warnings if warning.serious],
        warnings=others[:MOST_CAUTIONS],
        more_cautions=others[MOST_CAUTIONS:],
        sections=_sections(contents),
        evaluations=contents.evaluations,
        best=best,
        majority=contents.majority,
        word_counts=contents.word_counts,
        first_matrices=matrices[:first],
        more_matrices=matrices[first:],
        trained=[variant for variant in contents.variants if variant.trained is not None],
        examinations=contents.examinations,
        behavior=behavior_rows(contents.examinations),
        behavior_kinds=BEHAVIOUR_KINDS,
        explained=[explained(mistake) for mistake in behavioral_tests.explained[:MOST_EXPLAINED]]
        if behavioral_tests
        else [],
        effect_steps=EFFECT_STEPS,
        pictures=pictures(contents),
        leak_titles=LEAK_TITLES,
        mistakes=mistakes,
        suspects=[one for one in suspected if one.row not in seen],
        repeated=sum(one.row in seen for one in suspected),
        most_mistakes=MOST_MISTAKES,
        most_terms=MOST_TERMS,
        most_suspected=MOST_SUSPECTED,
        most_dumps=MOST_DUMPS,
        gate_word=gate_word(contents.gate) if contents.gate is not None else None,
        gate_notes=list(gate_notes(contents.gate)) if contents.gate is not None else [],
        history_hint=HISTORY_HINT,
        failure_words=FAILURE_WORDS,
        row_set_titles=ROW_SET_TITLES,
        has_both_classes=has_both_classes,
        compared_slices=worst_differences(contents.challenge, MOST_COMPARED_SLICES),
        # Both come from this package's own files, never from data.
        style=Markup(style),  # noqa: S704
        policy=Markup(policy),  # noqa: S704
    )


def acceptance_word(contents: ReportContents) -> str:
    """Return the outcome in a word or two."""
    return VERDICT_WORDS[contents.outcome]


def _reasons(contents: ReportContents) -> list[Rule]:
    """Return the rules that explain the acceptance: those that failed, or else all that hold."""
    rules = contents.acceptance.rules if contents.acceptance is not None else ()
    return [rule for rule in rules if not rule.passed] or list(rules)


def _title(contents: ReportContents) -> str:
    if contents.demo and contents.outcome in ("accepted", "rejected", "inconclusive"):
        return f"A demo run: {acceptance_word(contents).lower()}"
    return {
        "accepted": "The model is accepted",
        "rejected": "The model is rejected",
        "inconclusive": "The evaluation is inconclusive",
        "stopped": "The run stopped before its acceptance check",
        "undecided": "An unfinished run",
    }[contents.outcome]


def _sections(contents: ReportContents) -> list[tuple[str, str]]:
    judged = bool(contents.evaluations)
    trained = any(variant.trained is not None for variant in contents.variants)
    best = contents.best.evaluated if contents.best is not None else None
    behavioral_tests = contents.best.behavioral_tests if contents.best is not None else None
    compared = contents.comparison
    drawn = any(evaluation.curves is not None for evaluation in contents.evaluations)
    explains = (
        (best is not None and bool(best.mistakes))
        or (behavioral_tests is not None and bool(behavioral_tests.explained))
        or (contents.baselines is not None and bool(contents.baselines.negative_terms))
        or (compared is not None and bool(compared.suspected_labels))
    )
    present = [
        ("acceptance", "AcceptanceResult", True),
        ("gate", "Promotion", contents.gate is not None),
        ("warnings", "Warnings", bool(contents.warnings)),
        ("scores", "Scores", judged),
        ("comparison", "Comparison", compared is not None and bool(compared.comparisons or compared.seed_groups)),
        ("article", "The article", contents.article is not None),
        ("curves", "Curves", drawn or trained),
        ("confusion", "Confusion", judged),
        ("slices", "Slices", best is not None and bool(best.slices)),
        ("behavior", "Behavior", bool(contents.examinations)),
        ("explanation", "Explanation", explains),
        ("data", "Data", contents.ingest is not None),
        ("provenance", "Provenance", True),
    ]
    return [(identifier, name) for identifier, name, shown in present if shown]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return template_environment(TEMPLATES)
