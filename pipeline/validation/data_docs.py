"""Great Expectations' pages without scripts and outside links: self-contained and the same in each run.

The original pages load styles and scripts from six other servers, draw their index with one of these scripts, have 4 MB
of pictures and fonts each, and contain the time and random ids. In a tab of Airflow's site that would be a security
risk, and offline the pages would be bare. Only the contents are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from pipeline.validation.contracts import FrameName
from pipeline.validation.records import ContractResult

FRAME_TITLES = {
    "columns": "Columns of the table",
    "dump": "All rows of the dump",
    "reviews": "The reviews",
}
INDEX = "index.html"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem; border-bottom: 1px solid #8886; }
.badge { background: #8883; border-radius: .25rem; padding: 0 .3rem; font-family: ui-monospace, monospace; }
.alert { border-left: .3rem solid #8886; padding: .25rem .75rem; margin-top: 1.5rem; }
.passed { color: #1a7f37; }
.failed, .text-danger { color: #d1242f; font-weight: 600; }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content security policy of every page: it loads nothing and runs nothing."""

_DROPPED = (
    "script, style, link, meta, img, i, title, footer, nav, button, .cooltip .top, .card.mb-3, "
    "#section-1-content-block-3, .sticky"
)
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BLANK_LINES = re.compile(r"\s*\n\s*")


def write_data_docs(
    data_set: str, contract: ContractResult, frames: tuple[FrameName, ...], pages: Mapping[FrameName, str], folder: Path
) -> None:
    """Write ``index.html``, with every expectation in words, and one page of Great Expectations per frame.

    Args:
        data_set: ``raw`` or ``clean``.
        contract: The result of the contract.
        frames: The frame of each expectation.
        pages: Great Expectations' HTML by frame.
        folder: The folder to create and write to.
    """
    folder.mkdir(parents=True)
    for frame, html in pages.items():
        heading = f"{data_set.capitalize()} data: {FRAME_TITLES[frame].lower()}"
        body = f'<p><a href="{INDEX}">All expectations of the contract</a></p>{_contents(html)}'
        (folder / f"{frame}.html").write_text(_document(heading, body), encoding="utf-8")
    (folder / INDEX).write_text(_index(data_set, contract, frames), encoding="utf-8")


def _contents(html: str) -> str:
    """Return the sections of one of Great Expectations' pages, with the status in words instead of icons."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    for node in tree.css("td i"):
        node.insert_before("passed" if "fa-check" in (node.attributes.get("class") or "") else "failed")
    for node in tree.css(_DROPPED):
        node.decompose()
    for node in tree.css("code"):
        # Tracebacks contain paths of this machine; the log has them.
        if "Traceback" in node.text():
            node.decompose()
    for node in tree.css("*"):
        for name in list(node.attributes):
            target = node.attributes.get(name) or ""
            if name not in ("class", "href") or (name == "href" and not target.startswith("#")):
                del node.attrs[name]
    sections = [node.html or "" for node in tree.css(".ge-section")]
    return _BLANK_LINES.sub("\n", _IDENTIFIER.sub("", "\n".join(sections)))


def _index(data_set: str, contract: ContractResult, frames: tuple[FrameName, ...]) -> str:
    rows = []
    for frame, result in zip(frames, contract.expectations, strict=True):
        status = '<td class="passed">passed</td>' if result.success else '<td class="failed">failed</td>'
        cells = [
            f'<a href="{escape(frame)}.html">{escape(result.title)}</a>',
            escape(result.expected),
            escape(result.observed),
            "" if result.success else escape(result.advice),
            f"<code>{escape(result.name)}</code>",
        ]
        rows.append(f"<tr>{status}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    outcome = (
        f'<p class="passed">All {len(contract.expectations)} expectations passed.</p>'
        if contract.success
        else f'<p class="failed">{len(contract.failed)} of {len(contract.expectations)} expectations failed.</p>'
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "Expectation", "Expected", "Observed", "What to do", "Type"))
    links = "".join(
        f'<li><a href="{escape(frame)}.html">{FRAME_TITLES[frame]}</a></li>' for frame in dict.fromkeys(frames)
    )
    body = (
        f"{outcome}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"<h2>Pages of Great Expectations</h2><ul>{links}</ul>"
    )
    return _document(f"The contract of the {data_set} data", body)


def _document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )
