"""Great Expectations' pages, made fit to be kept and shown: self-contained, without scripts, the same each time.

As they come, the pages load styles and scripts from six other servers, draw their index with one of these
scripts, carry 4 MB of pictures and fonts each, and name the moment and random ids. In a tab of the orchestrator's
own site that would be a hole; offline it is a bare page. Here they keep Great Expectations' contents and lose the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from pipeline.validation.records import ContractResult

FRAME_TITLES = {
    "columns": "Columns of the table",
    "dump": "All rows that were read",
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
.holds { color: #1a7f37; }
.broken, .text-danger { color: #d1242f; font-weight: 600; }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content security policy of every page: nothing is loaded and nothing runs."""

_DROPPED = (
    "script, style, link, meta, img, i, title, footer, nav, button, .cooltip .top, .card.mb-3, "
    "#section-1-content-block-3, .sticky"
)
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BLANK_LINES = re.compile(r"\s*\n\s*")


@dataclass(frozen=True)
class Page:
    """One page of Great Expectations.

    Attributes:
        frame: What it is about; also its file name.
        html: As Great Expectations wrote it.
    """

    frame: str
    html: str


def write_data_docs(
    data_set: str, contract: ContractResult, frames: tuple[str, ...], pages: tuple[Page, ...], folder: Path
) -> None:
    """Write ``index.html``, with every clause in plain words, and one page of Great Expectations per frame.

    Args:
        data_set: ``raw`` or ``clean``.
        contract: The outcome.
        frames: The frame of each of the contract's expectations.
        pages: Great Expectations' own pages.
        folder: Made here.
    """
    folder.mkdir(parents=True)
    for page in pages:
        heading = f"{data_set.capitalize()} data: {FRAME_TITLES[page.frame].lower()}"
        body = f'<p><a href="{INDEX}">All clauses of the contract</a></p>{_contents(page.html)}'
        (folder / f"{page.frame}.html").write_text(_document(heading, body), encoding="utf-8")
    (folder / INDEX).write_text(_index(data_set, contract, frames), encoding="utf-8")


def _contents(html: str) -> str:
    """Return what Great Expectations says on a page: its sections, with the status in words instead of icons."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    for node in tree.css("td i"):
        node.insert_before("holds" if "fa-check" in (node.attributes.get("class") or "") else "broken")
    for node in tree.css(_DROPPED):
        node.decompose()
    for node in tree.css("code"):
        # Traces of the library hold paths of this machine; the log has them.
        if "Traceback" in node.text():
            node.decompose()
    for node in tree.css("*"):
        for name in list(node.attributes):
            target = node.attributes.get(name) or ""
            if name not in ("class", "href") or (name == "href" and not target.startswith("#")):
                del node.attrs[name]
    sections = [node.html or "" for node in tree.css(".ge-section")]
    return _BLANK_LINES.sub("\n", _IDENTIFIER.sub("", "\n".join(sections)))


def _index(data_set: str, contract: ContractResult, frames: tuple[str, ...]) -> str:
    rows = []
    for frame, result in zip(frames, contract.expectations, strict=True):
        status = '<td class="holds">holds</td>' if result.success else '<td class="broken">broken</td>'
        cells = [
            f'<a href="{escape(frame)}.html">{escape(result.title)}</a>',
            escape(result.expected),
            escape(result.observed),
            "" if result.success else escape(result.advice),
            f"<code>{escape(result.name)}</code>",
        ]
        rows.append(f"<tr>{status}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    acceptance = (
        f'<p class="holds">All {len(contract.expectations)} clauses hold.</p>'
        if contract.success
        else f'<p class="broken">Broken: {len(contract.broken)} of {len(contract.expectations)} clauses.</p>'
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "Clause", "Expected", "Observed", "What to do", "Expectation"))
    links = "".join(
        f'<li><a href="{escape(frame)}.html">{FRAME_TITLES[frame]}</a></li>' for frame in dict.fromkeys(frames)
    )
    body = (
        f"{acceptance}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f"<h2>Great Expectations’ own pages</h2><ul>{links}</ul>"
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
