"""What axe-core says against a page."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")
"""WCAG 2.1 A and AA, contrast included, and axe-core's own advice."""
SHOWN_PLACES = 4


def accessibility_violations(page: Page) -> list[str]:
    """Return what breaks ``RULES`` on a page as it stands, one readable line each; an empty list is what is wanted."""
    options = {"runOnly": {"type": "tag", "values": list(RULES)}, "resultTypes": ["violations"]}
    return [_line(violation) for violation in Axe().run(page, options=options).response["violations"]]


def _line(violation: dict[str, Any]) -> str:
    places = [f"{' '.join(map(str, node['target']))} ({_reason(node)})" for node in violation["nodes"][:SHOWN_PLACES]]
    rest = len(violation["nodes"]) - len(places)
    more = f" and {rest} more places" if rest else ""
    return f"{violation['id']} [{violation['impact']}]: {violation['help']}: {'; '.join(places)}{more}"


def _reason(node: dict[str, Any]) -> str:
    checks = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    return " / ".join(checks)
