"""Converts HTML to exactly the text that BeautifulSoup with lxml returns, without building a tree.

Source: ``bs4.BeautifulSoup(text, "lxml").get_text()``, as in the replicated article
(docs/explanation/replicated_experiment.md). lxml's parser reports the same start, end and text
events to any target; BeautifulSoup builds a tree from them, here the text is collected directly.
"""

from __future__ import annotations

import re

HIDDEN_ELEMENTS = frozenset({"rp", "rt", "script", "style", "template"})
"""Elements whose text ``get_text`` leaves out: ``bs4.builder.HTMLTreeBuilder.DEFAULT_STRING_CONTAINERS``."""

_LINE_BREAK = re.compile(r"<[bB][rR] ?/?>")
_MARKUP = re.compile(r"<|&[A-Za-z#]")
"""The start of any markup. A single ampersand (`M & M`) is text for every HTML parser."""


def html_to_text(text: str) -> str:
    """Return the text of an HTML fragment; tags are removed without leaving a space.

    Line breaks are nine tenths of the markup in reviews, and a parser removes them: a text without other markup is not
    parsed.
    """
    without_breaks = _LINE_BREAK.sub("", text) if "<" in text else text
    # The parser gets the original text: an unclosed attribute may include line breaks.
    return _parsed(text) if _MARKUP.search(without_breaks) else without_breaks


def _parsed(text: str) -> str:
    from lxml import etree

    collector = _TextCollector()
    parser = etree.HTMLParser(target=collector, strip_cdata=False, recover=True)
    # A lone surrogate is not a letter, and lxml would reject the whole text because of it.
    parser.feed(text.encode("utf-8", "replace").decode("utf-8"))
    parser.close()
    return collector.text()


class _TextCollector:
    """A parser target of lxml, which prescribes the names of its methods."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._hidden = 0

    def start(self, tag: str, _attributes: object) -> None:
        self._hidden += tag in HIDDEN_ELEMENTS

    def end(self, tag: str) -> None:
        self._hidden -= tag in HIDDEN_ELEMENTS

    def data(self, content: str) -> None:
        if not self._hidden:
            self._parts.append(content)

    def comment(self, content: str) -> None:
        """Ignore comments."""

    def close(self) -> None:
        """End the document, which needs no work."""

    def text(self) -> str:
        return "".join(self._parts)
