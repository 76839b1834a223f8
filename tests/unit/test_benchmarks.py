"""`review-sentiment benchmark`, from the folders of the official archive to the table; generated reviews."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.benchmarks import BENCHMARKS, BenchmarkResult, benchmark_as_text
from pipeline.cli import main
from pipeline.config import RunConfig
from tests.factories import reviews
from tests.unit.promotion.factories import calibrated

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).with_name("review-sentiment"))
TINY = (
    *("--units", "4", "--layers", "1", "--embedding-dim", "8", "--batch-size", "32", "--epochs", "1"),
    *("--word-pairs", "0", "--bootstrap-samples", "100", "--num-workers", "1", "--device", "cpu", "--directions", "bi"),
)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dump that `scripts/imdb_dump.py` makes of an archive with 300 training and 100 test reviews."""
    folder = tmp_path_factory.mktemp("imdb")
    for split, first, count in (("train", 0, 150), ("test", 150, 50)):
        for label, stars, ratings in (("neg", 1, (1, 4)), ("pos", 5, (7, 10))):
            texts = [str(row[-1]) for row in reviews(first + count, score=lambda _, stars=stars: stars)[first:]]
            if split == "test":
                texts[0] = reviews(1, score=lambda _, stars=stars: stars)[0][-1]  # a copy of a training review
                texts[1] = texts[0]
            target = folder / "aclImdb" / split / label
            target.mkdir(parents=True)
            for number, text in enumerate(texts):
                (target / f"{number}_{ratings[number % 2]}.txt").write_text(text, encoding="utf-8")
            urls = "".join(f"http://www.imdb.com/title/tt{split}{number // 3}/\n" for number in range(count))
            (target.parent / f"urls_{label}.txt").write_text(re.sub("train|test", "", urls), encoding="utf-8")
    script = [sys.executable, "scripts/imdb_dump.py", str(folder / "aclImdb"), str(folder / "imdb.jsonl")]
    done = subprocess.run(script, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder / 'imdb.jsonl'}: 300 train reviews, 100 test reviews\n"
    return folder / "imdb.jsonl"


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_the_dump_of_the_archive_has_stars_movies_and_the_official_split(dump: Path) -> None:
    rows = [json.loads(line) for line in dump.read_text(encoding="utf-8").splitlines()]
    assert [row["split"] for row in rows] == ["train"] * 300 + ["test"] * 100
    assert [row["score"] for row in rows[:2] + rows[150:152]] == [1, 2, 4, 5]
    assert [row["product_id"] for row in rows[:4]] == ["tt0", "tt0", "tt0", "tt1"]


@pytest.mark.slow
def test_ours_beside_published_figures_on_the_official_test_rows(dump: Path) -> None:
    store = dump.parent / "store"
    command = [PROGRAM, "benchmark", "imdb", "--dump", str(dump), "--store", str(store), *TINY]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Test rows: 100 evaluated, 25,000 in the official test split." in done.stdout
    assert "WARNING: these are not the official test rows" in done.stdout
    assert "4 test rows (4.00%) have a text that is also in training or validation." in done.stdout
    figures = " +".join([r"[01]\.\d{3} \([01]\.\d{3}–[01]\.\d{3}\)"] * 2)
    for title in ("Bidirectional LSTM, seed 1", "TF-IDF with logistic regression"):
        assert re.search(rf"^{title} +{figures}$", done.stdout, re.MULTILINE), done.stdout
    assert not (store / "reports").exists()
    assert not (store / "champions").exists()


@pytest.mark.parametrize("rows", [24_999, 25_000])
def test_published_figures_have_sources_and_other_test_rows_a_warning(rows: int) -> None:
    benchmark = BENCHMARKS["imdb"]
    shared = ("7 test rows (0.03%) have a text that is also in training or validation.",)
    text = benchmark_as_text(BenchmarkResult(benchmark, models=(calibrated(),), test_rows=rows, shared=shared))
    assert f"Test rows: {rows:,} evaluated, 25,000 in the official test split." in text
    assert ("WARNING: these are not the official test rows" in text) == (rows != 25_000)
    assert shared[0] in text
    accuracy = calibrated().scores.accuracy
    assert f" {accuracy.value:.3f} ({accuracy.low:.3f}–{accuracy.high:.3f}) " in text
    for figure in benchmark.published:
        number = re.search(rf"^{re.escape(figure.model)} +{figure.accuracy:g} +(\[\d\])$", text, re.MULTILINE)
        assert number
        assert f"{number[1]} {figure.source}: {figure.link}" in text


@pytest.mark.parametrize(
    ("arguments", "expected", "message"),
    [
        ((), 2, "needs the files: --dumps FILE. Each file needs the columns text, score, split."),
        (("--dumps", "{other}"), 3, "'other.csv' has no column split, which the benchmark imdb needs."),
        (("--dumps", "{dump}", "--strategy", "grouped"), 2, "The benchmark imdb fixes strategy"),
        (("--dumps", "{dump}", "--deduplicate"), 2, "The benchmark imdb fixes deduplicate"),
    ],
)
def test_what_a_benchmark_needs_is_said_before_anything_is_trained(
    dump: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: int, message: str
) -> None:
    other = dump.parent / "other.csv"
    other.write_text("review,rating\ngood,5\n", encoding="utf-8")
    given = [argument.format(dump=dump, other=other) for argument in arguments]
    store = dump.parent / "unused"
    assert status("benchmark", "imdb", "--store", str(store), *given) == expected
    assert message in capsys.readouterr().err
    assert not list(store.glob("artifacts/validate_raw"))


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=str)
def test_a_benchmark_is_the_profile_with_its_fixed_parameters(benchmark) -> None:
    config = benchmark.configuration({"dumps": ["a.csv"], "epochs": 1}).flat()
    profile = RunConfig.from_flat({"profile": benchmark.profile}).flat()
    changed = {name for name, value in config.items() if value != profile[name]}
    assert changed <= {"dumps", "epochs", *benchmark.fixed}
    assert {name: config[name] for name in benchmark.fixed} == benchmark.fixed
    assert all(0.5 < figure.accuracy < 1 and figure.link.startswith("https://") for figure in benchmark.published)
