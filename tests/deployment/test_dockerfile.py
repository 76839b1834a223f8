"""The Dockerfile: the version label, what it copies, and which steps need the network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
COPIED = [
    source
    for options, sources in re.findall(r"^COPY((?: --\S+)*) (.*) \S+$", DOCKERFILE, re.MULTILINE)
    if "--from=" not in options
    for source in sources.split()
]


def test_the_default_of_the_version_label_is_the_version_of_the_project() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"^ARG VERSION=(\S+)$", DOCKERFILE, re.MULTILINE) == [version]
    assert DOCKERFILE.count("image.version=${VERSION}") == DOCKERFILE.count("\nHEALTHCHECK") == 3


def test_the_context_holds_exactly_what_is_copied() -> None:
    ignored, *others = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line[:1] != "#"]
    assert ignored == "*"
    assert {line[1:] for line in others if line[0] == "!"} == set(COPIED)
    assert all((CHECKOUT / source).exists() for source in COPIED)


def test_the_package_is_installed_and_not_put_on_a_path() -> None:
    assert "PYTHONPATH" not in DOCKERFILE
    assert DOCKERFILE.count("pip install --no-cache-dir --no-deps --no-index /opt/review-sentiment/wheels/") == 3
    for lock in ("requirements.txt", "requirements/gpu.txt", "requirements/control-plane.txt"):
        assert re.search(r"^hatchling==", (CHECKOUT / lock).read_text(), re.MULTILINE), lock


def test_stop_words_are_downloaded_only_on_request() -> None:
    assert "ARG NLTK_STOPWORDS=0\n" in DOCKERFILE
    downloads = [line for line in DOCKERFILE.splitlines() if "nltk.download" in line]
    assert len(downloads) == 2
    assert all(line.startswith('RUN [ "$NLTK_STOPWORDS" != 1 ] || ') for line in downloads)


LOAD = """
import importlib, json, pkgutil, runpy, sys
from importlib.metadata import packages_distributions
from pathlib import Path

missing = set(json.loads(sys.argv[1]))
modules = {
    module for module, packages in packages_distributions().items() if missing & {one.lower() for one in packages}
}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
for file in sorted(Path("dags").glob("*.py")):
    runpy.run_path(str(file))
import pipeline.airflow.plugin
import pipeline.airflow.ui as ui
for found in pkgutil.iter_modules(ui.__path__):
    importlib.import_module(f"{ui.__name__}.{found.name}")
print(len(modules))
"""


def test_dags_and_pages_load_with_the_packages_of_the_control_plane() -> None:
    lock = (CHECKOUT / "requirements/control-plane.txt").read_text()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    names = {re.match(r"[\w-]+", one)[0].lower() for one in declared}
    missing = sorted(names - set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)))
    assert {"tensorflow", "great-expectations"} <= set(missing)
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(missing)], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    assert int(loaded.stdout.splitlines()[-1]) >= len(missing) - 2
