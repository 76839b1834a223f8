"""HTML to text, with the very text of BeautifulSoup over lxml, but without building a tree.

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
"""What can be markup at all; a lone ampersand (`M & M`) is text to every HTML parser."""


def html_to_text(text: str) -> str:
    """Return the text of an HTML fragment; elements vanish without leaving a space.

    Line breaks are nine tenths of the markup in reviews, and a parser leaves nothing of them: a text without other
    markup is not parsed.
    """
    without_breaks = _LINE_BREAK.sub("", text) if "<" in text else text
    # What is parsed is the text as it came: an attribute left open may reach over line breaks.
    return _parsed(text) if _MARKUP.search(without_breaks) else without_breaks


def _parsed(text: str) -> str:
    from lxml import etree

    collector = _TextCollector()
    parser = etree.HTMLParser(target=collector, strip_cdata=False, recover=True)
    # Half a surrogate pair is no character and no letter; lxml would refuse the whole text for it.
    parser.feed(text.encode("utf-8", "replace").decode("utf-8"))
    parser.close()
    return collector.text()


class _TextCollector:
    """Receives lxml's events; a parser target, so its methods are named by lxml."""

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
        """Leave comments out."""

    def close(self) -> None:
        """End of the document: nothing is left to do."""

    def text(self) -> str:
        return "".join(self._parts)
