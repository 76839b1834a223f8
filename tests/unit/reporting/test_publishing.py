"""Publishing: whole or not at all, inside its folder whatever the run is called, and always findable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.reporting import publish, report
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage
from pipeline.store.run_names import safe_run_name
from pipeline.validation.records import ValidationSummary
from tests.factories import replaced
from tests.unit.reporting.factories import ExampleRun, refused_run, validation_summary

AIRFLOW_NAME = "manual__2026-11-23T05:33:00+00:00"
HOSTILE_NAMES = (
    "../../etc/passwd", "..", ".", "", "/", "/absolute", "a/b", "a\\b", "C:\\x", "latest.json", ".hidden", "nul\x00l",
    "\u202eevil", "x" * 500, "ünïcode", "-rf", "~", "$(id)", "a\nb", "CON", "\ud800",
)  # fmt: skip


def with_docs(store: ArtifactStore, run: ExampleRun) -> ExampleRun:
    """Give the raw validation an artifact with Data Docs."""

    def build(work: object) -> Outcome:
        docs = work.folder / "data_docs"  # type: ignore[attr-defined]
        (docs / "static").mkdir(parents=True)
        (docs / "index.html").write_text("<p>docs</p>", encoding="utf-8")
        (docs / "static" / "style.css").write_text("p{}", encoding="utf-8")
        return Outcome(store.summary(run.state["validate_raw"], ValidationSummary))

    validated = store.produce(Stage("validate_raw", version=2), inputs={}, params=None, build=build)
    return ExampleRun(replaced(run.state, {"validate_raw": validated}), run.config)


@pytest.fixture
def reported(store: ArtifactStore) -> ArtifactReference:
    run = with_docs(store, refused_run(store))
    return report(run.state, run.config, AIRFLOW_NAME, store)


def test_the_published_folder_holds_the_report_and_the_data_docs(
    store: ArtifactStore, reported: ArtifactReference
) -> None:
    page = Path(publish(reported, AIRFLOW_NAME, store))

    assert page.parent.parent == Path(str(store.root)) / "reports"
    names = sorted(path.relative_to(page.parent).as_posix() for path in page.parent.rglob("*") if path.is_file())
    assert names == [
        "data_docs_raw/index.html",
        "data_docs_raw/static/style.css",
        "model_card.md",
        "report.html",
        "report.json",
        "report.md",
        "run.json",
    ]
    assert 'href="data_docs_raw/index.html"' in page.read_text("utf-8")
    assert page.read_bytes() == (store.folder(reported) / "report.html").read_bytes()


def test_the_latest_report_can_be_found(store: ArtifactStore, reported: ArtifactReference) -> None:
    publish(reported, "first", store)
    page = publish(reported, AIRFLOW_NAME, store)
    latest = json.loads((Path(str(store.root)) / "reports" / "latest.json").read_text("utf-8"))

    assert latest["run_name"] == AIRFLOW_NAME
    assert latest["report"] == page
    assert Path(latest["json"]).is_file()
    assert Path(latest["markdown"]).is_file()
    assert latest["artifact"] == f"report/{reported.key}"
    assert all(isinstance(value, str) for value in latest.values())


def test_publishing_again_replaces_the_report_and_leaves_nothing_behind(
    store: ArtifactStore, reported: ArtifactReference
) -> None:
    page = Path(publish(reported, "run", store))
    (page.parent / "stale.txt").write_text("old", encoding="utf-8")

    assert Path(publish(reported, "run", store)) == page
    assert not (page.parent / "stale.txt").exists()
    assert sorted(path.name for path in page.parent.parent.iterdir()) == ["latest.json", "run"]


def test_a_failing_copy_leaves_the_old_report_and_no_half_of_a_new_one(
    store: ArtifactStore, reported: ArtifactReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(publish(reported, "run", store))
    before, copied = page.read_bytes(), []

    def fail_at_the_third(source: Path, target: Path) -> None:
        if len(copied) == 2:
            raise OSError(28, "No space left on device")
        target.write_bytes(source.read_bytes())
        copied.append(target)

    monkeypatch.setattr("pipeline.reporting.publishing.shutil.copyfile", fail_at_the_third)
    with pytest.raises(OSError, match="No space"):
        publish(reported, "run", store)
    with pytest.raises(OSError, match="No space"):
        publish(reported, "other", store)

    assert page.read_bytes() == before
    assert sorted(path.name for path in page.parent.parent.iterdir()) == ["latest.json", "run"]
    assert json.loads((page.parent.parent / "latest.json").read_text("utf-8"))["run_name"] == "run"


def test_a_failing_rename_puts_the_old_report_back(
    store: ArtifactStore, reported: ArtifactReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(publish(reported, "run", store))
    before, rename = page.read_bytes(), Path.rename

    def fail_for_the_new_one(source: Path, target: Path) -> Path:
        if source.name == "new":
            raise OSError(5, "Input/output error")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(OSError, match="Input/output"):
        publish(reported, "run", store)

    assert page.read_bytes() == before


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_leaves_the_reports_folder(store: ArtifactStore, reported: ArtifactReference, name: str) -> None:
    page = Path(publish(reported, name, store))

    reports = Path(str(store.root)) / "reports"
    assert page.resolve().parent.parent == reports.resolve()
    assert (reports / "latest.json").is_file()
    assert sorted(path.name for path in reports.iterdir()) == sorted([page.parent.name, "latest.json"])


@given(st.text(alphabet=st.characters(), max_size=120), st.text(alphabet=st.characters(), max_size=120))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_names_become_safe_and_stay_distinct(one: str, other: str) -> None:
    safe = safe_run_name(one)

    assert 0 < len(safe) <= 100
    assert safe.isascii()
    assert all(character.isalnum() or character in "_-" for character in safe)
    if one != other:
        assert safe != safe_run_name(other)


def test_a_name_that_is_safe_stays_readable() -> None:
    assert safe_run_name("shell__2026-11-23T05-33-00") == "shell__2026-11-23T05-33-00"
    assert safe_run_name(AIRFLOW_NAME).startswith("manual__2026-11-23T05_33_00_00_00-")


def test_a_remote_store_gets_the_same_files(store: ArtifactStore, reported: ArtifactReference, tmp_path: Path) -> None:
    remote = ArtifactStore("memory://bucket/publishing", cache=tmp_path / "cache")
    for folder in (Path(str(store.root)) / "artifacts").glob("*/*"):
        for file in folder.rglob("*"):
            if file.is_file():
                target = remote.root / file.relative_to(Path(str(store.root))).as_posix()
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())

    page = publish(reported, "run", remote)

    home = remote.root / "reports"
    assert page.endswith("reports/run/report.html")
    assert (home / "run" / "report.html").read_bytes() == (store.folder(reported) / "report.html").read_bytes()
    assert (home / "run" / "data_docs_raw" / "static" / "style.css").exists()
    assert json.loads((home / "latest.json").read_text())["report"] == page


def test_the_example_speaks_of_its_data_docs() -> None:
    assert validation_summary("raw").data_docs == "data_docs/index.html"
