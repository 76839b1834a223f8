"""Check the wording of documentation, comments and messages (`make lint`).

Prints file, line, what was found and what to use instead. ``TERMS`` lists the terms; docs/reference/glossary.md
defines them. Without arguments it checks the whole checkout, with file names only those.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = ("pipeline", "dags", "plugins", "scripts", "deployment", "bench", "docs")
MAX_SENTENCE_WORDS = 40
"""Longest sentence of a Markdown page."""

ROOTS = "normal|regular|neutral|recogn|serial|vector|initial|random|minim|maxim|final|util|optim|organ|summar"
TERMS = {
    # Terms of the glossary.
    r"near-cop(y|ies)": "near-duplicate",
    r"knobs?": "parameter",
    r"cautions?": "warning",
    r"set(s|ting)? aside": "exclude",
    r"laid together|lays? together": "merge",
    r"(goes|went|comes?|came|put|puts) into service": "promote",
    r"(model|champion) in service": "champion",
    r"counting words": "TF-IDF baseline",
    r"behavior tests?": "behavioral test",
    r"leak check": "leakage check",
    r"judged|judges|judgement|judgment": "evaluate",
    r"verdicts?": "acceptance check, decision, result",
    r"landed|landing": "fetched",
    # Plain English.
    r"anew": "again",
    r"(tells?|told|telling) of": "describe, report, list",
    r"whoever": "anyone who",
    r"as far as": "if, where",
    r"nobody": "no one, or name what is missing",
    r"beside": "next to, in addition to",
    r"of (ours|yours)": "our, your",
    r"hold(s)? against": "compare with",
    r"where there (is|are)": "if there is",
    r"by itself": "automatically, alone",
    r"somebody": "someone, or name the user",
    r"in vain": "without success",
    r"for ever": "permanently",
    r"mend(s|ed)?": "correct, fix",
    # American spelling.
    r"behaviour\w*": "behavior",
    r"colour\w*": "color",
    r"neighbour\w*": "neighbor",
    r"favour\w*": "favor",
    r"honour\w*": "honor",
    rf"({ROOTS})is(e|es|ed|ing|ation)": "-ize",
    r"analys(e|ed|ing)": "analyze",
    r"labell(ed|ing)": "labeled",
    r"licence": "license",
    r"grey": "gray",
    r"centre": "center",
    r"cancell(ed|ing)": "canceled",
    r"whilst": "while",
}
PATTERN = re.compile("|".join(rf"(?P<t{index}>\b(?:{term})\b)" for index, term in enumerate(TERMS)), re.IGNORECASE)
INSTEAD = list(TERMS.values())
EXCEPTIONS = {
    # The table of terms itself, a page about old names, and test data.
    "scripts/check_prose.py",
    "CHANGELOG.md",
    "pipeline/behavioral_tests/templates.py",
}


def main(names: list[str]) -> int:
    """Check the named files, or all; return the exit status."""
    found = [problem for path in _files(names) for problem in check(path)]
    print("\n".join(found) or "Prose: nothing found.")
    return 1 if found else 0


def check(path: Path) -> list[str]:
    """Return a line for each finding in a file, in the order of its lines."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(CHECKOUT).as_posix() if path.is_relative_to(CHECKOUT) else path.name
    passages = list(READERS.get(path.suffix, _comments)(text))
    problems = [
        (
            line + passage.count("\n", 0, match.start()),
            f"`{match[0]}`; use: {INSTEAD[int((match.lastgroup or 't0')[1:])]}",
        )
        for line, passage in passages
        for match in PATTERN.finditer(passage)
    ]
    if path.suffix == ".md":
        problems += [(line, f"a sentence of {words} words; split it") for line, words in _long_sentences(passages)]
    return [f"{name}:{line}: {problem}" for line, problem in sorted(problems)]


def _files(names: list[str]) -> list[Path]:
    if not names:
        listing = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
        names = [name for name in listing.splitlines() if "/" not in name or name.split("/")[0] in FOLDERS]
    paths = [(CHECKOUT / name).resolve() for name in names]
    skipped = {CHECKOUT / name for name in EXCEPTIONS}
    endings, others = {*READERS, ".sh", ".toml", ".yaml", ".yml"}, {"Dockerfile", "Makefile"}
    read = [path for path in paths if path.suffix in endings or path.name in others]
    return [path for path in read if path not in skipped and path.exists()]


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    """Yield each paragraph, list item and table row with its first line's number, without code and link targets."""
    blank = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|https?://\S+", re.DOTALL)
    text = blank.sub(lambda match: "X" + "\n" * match[0].count("\n") if match[0][0] != "]" else "", text)
    paragraph: list[str] = []
    start = 1
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if (not line.strip() or re.match(r"\s*([-*|#>]|\d+\. )", line)) and paragraph:
            yield start, "\n".join(paragraph)
            paragraph = []
        if line.strip():
            if not paragraph:
                start = number
            paragraph.append(line)


def _python(text: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a module and its strings of more than one word."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        literal = token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE"
        if token.type == tokenize.COMMENT or (literal and " " in token.string):
            yield token.start[0], re.sub(r"``[^`]+``|`[^`\n]+`|\{[^{}\n]*\}", "X", token.string)


def _template(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a Jinja template without tags and expressions."""
    for number, line in enumerate(text.splitlines(), start=1):
        yield number, re.sub(r"\{\{.*?\}\}|\{%.*?%\}|<[^<>]*>|``[^`]+``", "X", line)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a configuration file or script."""
    for number, line in enumerate(text.splitlines(), start=1):
        if comment := re.search(r"(?:^|\s)#.*", line):
            yield number, re.sub(r"`[^`\n]+`", "X", comment[0])


def _long_sentences(passages: list[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    for line, passage in passages:
        if passage.lstrip().startswith("|"):
            continue
        for sentence in re.split(r"(?<=[.!?:;])[*_)\"”]*\s+", passage):
            words = len(re.findall(r"\w[\w'’.,-]*", sentence))
            if words > MAX_SENTENCE_WORDS:
                yield line, words


READERS = {".md": _markdown, ".py": _python, ".j2": _template}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
