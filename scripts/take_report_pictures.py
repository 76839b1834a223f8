"""Make the example reports of docs/examples: four runs on generated reviews, and what their reports look like.

Run it after the page has changed: ``make pictures``. It needs a Chromium (``scripts/browser.sh``) and takes minutes.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[1]
EXAMPLES = CHECKOUT / "docs" / "examples"
DESK, PHONE = (1280, 1600), (390, 1600)
COLOURS = 128


@dataclass(frozen=True)
class Example:
    """One run worth looking at."""

    name: str
    options: tuple[str, ...]
    refused: bool = False
    sections: tuple[str, ...] = ()
    """Identifiers of sections that get a picture of their own."""


RUNS = (
    Example(
        "healthy",
        ("--seeds", "1", "2", "--epochs", "6"),
        sections=("scores", "curves", "slices", "behavior", "explanation", "data"),
    ),
    Example(
        "article-collapse",
        ("--profile", "article", "--epochs", "20", "--patience", "20", "--units", "32"),
        sections=("article",),
    ),
    Example("refused-data", ("--profile", "demo"), refused=True),
    Example("refused-promotion", ("--directions", "uni", "--units", "2", "--epochs", "1", "--batch-size", "1024")),
)


def main() -> int:
    """Return 0 when every picture was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[run.name for run in RUNS], help="one of the runs")
    parser.add_argument("--store", type=Path, help="a folder for the artifacts, kept; default: one that goes away")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        store = options.store or Path(temporary) / "store"
        EXAMPLES.mkdir(parents=True, exist_ok=True)
        for run in RUNS:
            if options.only in (None, run.name):
                page = _run(run, store, Path(temporary))
                _take(page, run)
    return 0


def _run(run: Example, store: Path, temporary: Path) -> Path:
    """Run the workflow and return its page."""
    dumps = ["demo"]
    if run.refused:
        dumps = [str(_dump_of_praise(store, temporary))]
    command = [sys.executable, "-m", "pipeline", "run", "--store", str(store), "--run-name", run.name]
    done = subprocess.run(
        [*command, "--dumps", *dumps, *run.options],
        cwd=CHECKOUT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    page = store / "reports" / run.name / "report.html"
    if not page.exists() or (done.returncode != 0) != run.refused:
        sys.stderr.write(done.stderr)
        raise SystemExit(f"The run {run.name} ended with status {done.returncode}; its log stands above.")
    print(f"{run.name}: {page}", flush=True)
    return page


def _dump_of_praise(store: Path, temporary: Path) -> Path:
    """Return the demo dump with nearly every negative review gone and a few records broken: the contract refuses it."""
    from pipeline.config import DataConfig
    from pipeline.readers import check_dump
    from pipeline.sources import fetch
    from pipeline.store import ArtifactStore

    home = ArtifactStore(str(store))
    source = next(
        path for path in (home.folder(fetch(DataConfig(), home, check_dump)) / "raw").rglob("*") if path.is_file()
    )
    target = temporary / "Reviews.csv"
    with source.open(encoding="utf-8", newline="") as given, target.open("w", encoding="utf-8", newline="") as taken:
        reader = csv.DictReader(given)
        writer = csv.DictWriter(taken, reader.fieldnames or ())
        writer.writeheader()
        for number, row in enumerate(reader):
            if row["Score"] in {"1", "2"} and number % 40:
                continue
            # The demo dump has broken records of its own, with fields too many.
            row.pop(None, None)
            if number % 60 == 0:
                row["Score"] = "eleven"
            writer.writerow(row)
    return target


def _take(page: Path, run: Example) -> None:
    """Take the page's pictures: the first screens on a desk in light and dark and on a phone, and its sections."""
    from playwright.sync_api import sync_playwright

    chromium = subprocess.run(
        ["sh", str(CHECKOUT / "scripts" / "browser.sh")], capture_output=True, text=True, check=True
    ).stdout.strip()
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for (width, height), scheme, suffix in (
            (DESK, "light", ""),
            (DESK, "dark", "-dark"),
            (PHONE, "light", "-phone"),
        ):
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            tab = context.new_page()
            tab.goto(page.as_uri())
            _keep(tab.screenshot(), f"{run.name}{suffix}")
            for section in run.sections if not suffix else ():
                _keep(tab.locator(f"section#{section}").screenshot(), f"{run.name}-{section}")
            context.close()
        browser.close()


def _keep(picture: bytes, name: str) -> None:
    """Write a picture with a palette: a page has few colors, and a third of the bytes does."""
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(EXAMPLES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
