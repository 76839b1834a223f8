"""The report as one HTML file: no script, no request, readable by anyone who gets it by mail."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting import charts, formatting
from pipeline.reporting.records import Outcome, ReportContents

TEMPLATES = Path(__file__).parent / "templates"

VERDICT_WORDS: dict[Outcome, str] = {
    "accept": "Accepted",
    "refuse": "Refused",
    "cannot_tell": "Cannot tell",
    "stopped": "Stopped",
    "undecided": "No verdict yet",
}

LEAK_TITLES = {
    "identical_text": "Identical text",
    "near_copy": "Near-copy of a text",
    "product": "Product",
    "user": "User",
}

MOST_MISTAKES = 8
MOST_TERMS = 15


def render_html(contents: ReportContents) -> str:
    """Return the page.

    Its Content-Security-Policy allows nothing but the one style sheet, by its digest, and images that the page
    holds itself; so even text that got through the escaping could neither run nor fetch anything.
    """
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    best = contents.best if contents.best is not None and contents.best.evaluated is not None else None
    page = _environment().get_template("page.html.j2")
    return page.render(
        report=contents,
        title=_title(contents),
        verdict_word=verdict_word(contents),
        sections=_sections(contents),
        evaluations=contents.evaluations,
        best=best,
        majority=contents.majority,
        interval_panels=charts.interval_panels(contents.evaluations),
        curve_panels=charts.curve_panels(contents.variants),
        funnel_bars=charts.funnel_bars(contents.funnel),
        part_bars=charts.part_bars(contents.funnel, contents.split),
        histogram=charts.histogram(contents.encoding),
        leak_titles=LEAK_TITLES,
        most_mistakes=MOST_MISTAKES,
        most_terms=MOST_TERMS,
        # Both come from this package's own file, never from data.
        style=Markup(style),  # noqa: S704
        policy=Markup(policy),  # noqa: S704
    )


def verdict_word(contents: ReportContents) -> str:
    """Return the outcome in a word or two."""
    return VERDICT_WORDS[contents.outcome]


def _title(contents: ReportContents) -> str:
    if contents.demo and contents.outcome in ("accept", "refuse", "cannot_tell"):
        return f"A demo run: {verdict_word(contents).lower()}"
    return {
        "accept": "This model may be used",
        "refuse": "This model must not be used",
        "cannot_tell": "The figures do not settle it",
        "stopped": "This run stopped before its verdict",
        "undecided": "An unfinished run",
    }[contents.outcome]


def _sections(contents: ReportContents) -> list[tuple[str, str]]:
    judged = bool(contents.evaluations)
    trained = any(variant.trained is not None for variant in contents.variants)
    best = contents.best
    present = [
        ("verdict", "Verdict", True),
        ("warnings", "Warnings", bool(contents.cautions)),
        ("scores", "Scores", judged),
        ("comparison", "Comparison", contents.comparison is not None and bool(contents.comparison.comparisons)),
        ("article", "The article", contents.article is not None),
        ("data", "Data", contents.ingest is not None),
        ("training", "Training", trained),
        ("confusion", "Confusion", judged),
        ("words", "Words", contents.encoding is not None or contents.vocabulary is not None),
        ("mistakes", "Mistakes", best is not None and best.evaluated is not None and bool(best.evaluated.mistakes)),
        ("contract", "Contract", contents.validation_raw is not None or contents.validation_clean is not None),
        ("provenance", "Provenance", True),
    ]
    return [(identifier, name) for identifier, name, shown in present if shown]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(formatting, name)
        for name in (
            "bare",
            "count",
            "day",
            "decimal",
            "difference",
            "duration",
            "interval",
            "moment",
            "plural",
            "probability",
            "score",
            "share",
            "size",
        )
    }
    return environment
