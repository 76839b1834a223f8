"""The documentation is current: generated pages, links, named files, and commands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import check_prose, write_reference

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
FOLDERS = ("bench", "dags", "deployment", "pipeline", "plugins", "requirements", "scripts", "tests")
PAGES = sorted([*CHECKOUT.glob("*.md"), *DOCS.glob("**/*.md"), *(CHECKOUT / ".github").glob("**/*.md")])

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())


def code(page: Path) -> str:
    """Return the code blocks and the inline code of a page, one per line."""
    return "\n".join(re.findall(r"```\w*\n.*?```|`[^`\n]+`", page.read_text(encoding="utf-8"), flags=re.DOTALL))


def prose(page: Path) -> str:
    """Return a page without its code."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("path", write_reference.PAGES, ids=lambda path: path.name)
def test_generated_pages_are_current(path: Path) -> None:
    content = write_reference.PAGES[path]()
    assert path.read_text(encoding="utf-8") == content, f"run `make docs` and commit {path.name}"


@each_page
def test_links_lead_to_files_of_the_site(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", prose(page)):
        if "://" not in target:
            linked = (page.parent / target).resolve()
            assert linked.exists(), f"{page.name} links to {target}, which does not exist"
            assert not page.is_relative_to(DOCS) or linked.is_relative_to(DOCS), f"{target} is not part of the site"


@each_page
def test_named_files_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # It names files of earlier versions.
    for name in re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w", code(page)):
        resource_of_kubectl = name == "deployment/review-sentiment-api-server"
        assert resource_of_kubectl or (CHECKOUT / name).exists(), f"{page.name} names {name}, which does not exist"


@each_page
def test_named_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", code(page), re.MULTILINE)) <= targets


def test_named_commands_and_options_exist() -> None:
    """Every ``review-sentiment COMMAND --option`` of the pages, against the command's own help."""
    named: dict[str, set[str]] = {}
    for page in PAGES:
        for command, rest in re.findall(r"^`?review-sentiment ([a-z][a-z-]*)([^\n`#]*)", code(page), re.MULTILINE):
            named.setdefault(command, set()).update(re.findall(r"(?<=\s)--[a-z][a-z-]*", rest))
    assert {"run", "score", "champion"} <= set(named)
    for command, options in named.items():
        assert options <= set(re.findall(r"--[a-z][a-z-]*", help_of(command))), f"review-sentiment {command}"


def help_of(command: str) -> str:
    arguments = [sys.executable, "-m", "pipeline", command, "--help"]
    done = subprocess.run(arguments, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"there is no command `review-sentiment {command}`"
    return done.stdout


def test_the_examples_of_the_develop_page_are_the_code() -> None:
    modules = [path for folder in ("pipeline", "dags") for path in (CHECKOUT / folder).rglob("*.py")]
    written = ["".join(path.read_text(encoding="utf-8").split()) for path in modules]
    page = (DOCS / "how-to" / "develop.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert examples
    for example in examples:
        compact = "".join(example.split()).replace(",)", ")")
        assert any(compact in text.replace(",)", ")") for text in written), f"take this from the code again: {example}"


# --- The site


def test_the_navigation_lists_every_page() -> None:
    def files(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [file for part in (entry.values() if isinstance(entry, dict) else entry) for file in files(part)]

    settings = tomllib.loads((CHECKOUT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(files(settings["nav"])) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.glob("**/*.md"))


def test_the_site_builds_without_broken_links_and_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "zensical.toml", tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs")
    build = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "build" / "site").glob("**/*.html"))
    assert len(pages) > len(list(DOCS.glob("**/*.md")))
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="?(?:https?:)?//(?!$)[^">]*', html)


# --- Contributing


def test_hooks_fetch_nothing_and_the_workflow_runs_what_ci_runs() -> None:
    hooks = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert {(repository["repo"], hook["language"]) for repository in hooks for hook in repository["hooks"]} == {
        ("local", "system")
    }
    job = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["ci"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = {name.rpartition(" ")[2] for name in project["classifiers"] if "Python :: 3." in name}
    assert {min(supported), max(supported)} == set(job["strategy"]["matrix"]["python"])


# --- The prose check


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("One near-copy is excluded.\n", ["`near-copy`; use: near-duplicate"]),
        ("Plain English with `near-copy` in code.\n\n```sh\nknob\n```\n", []),
        ("Word " * 41 + "end.\n", ["a sentence of 42 words; split it"]),
        ("Word " * 30 + "end. " + "Word " * 30 + "end.\n", []),
    ],
)
def test_the_prose_check_reads_markdown(tmp_path: Path, text: str, findings: list[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert check_prose.check(page) == [f"page.md:1: {finding}" for finding in findings]


def test_the_prose_check_reads_comments_and_sentences_of_code_but_no_names(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""A knob."""\n\nknob = {"knob": 1}  # another knob\nprint(f"the {knob}")\n', encoding="utf-8")
    assert [finding.split(": ")[0] for finding in check_prose.check(module)] == ["module.py:1", "module.py:3"]
