"""Great Expectations' pages without scripts and outside links: self-contained and the same in each run.

The original pages load styles and scripts from six other servers, draw their index with one of these scripts, have 4 MB
of pictures and fonts each, and contain the time and random ids. In a tab of Airflow's site that would be a security
risk, and offline the pages would be bare. Only the contents are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.validation.contracts import FrameName
from pipeline.validation.records import ContractResult

FRAME_TITLES = {
    "columns": "Columns of the table",
    "dump": "All rows of the dump",
    "reviews": "The reviews",
    "languages": "Languages",
}
INDEX = "index.html"

TEMPLATE = "data_docs.html.j2"
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
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder.mkdir(parents=True)
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.get_template(TEMPLATE)
    for frame, html in pages.items():
        heading = f"{data_set.capitalize()} data: {FRAME_TITLES[frame].lower()}"
        # Only the contents that are kept, without scripts and attributes that load anything.
        page = template.render(title=heading, index=INDEX, page=Markup(_contents(html)))  # noqa: S704
        (folder / f"{frame}.html").write_text(page, encoding="utf-8")
    index = template.render(
        title=f"The contract of the {data_set} data",
        page=None,
        contract=contract,
        results=list(zip(frames, contract.expectations, strict=True)),
        frames=list(dict.fromkeys(frames)),
        titles=FRAME_TITLES,
    )
    (folder / INDEX).write_text(index, encoding="utf-8")


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
