"""The three files of the report's artifact: complete, valid, and the same for the same inputs."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline.config import RunConfig
from pipeline.errors import ArtifactError
from pipeline.reporting import report
from pipeline.reporting.gathering import gather, reproduce_command
from pipeline.reporting.history import PublishedRun
from pipeline.reporting.records import ReportContents, ReportSummary
from pipeline.reporting.schema import report_schema
from pipeline.run_state import RunState
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import contents as files_of
from tests.factories import replaced
from tests.unit.reporting.factories import ExampleRun, example_run, minimal_run, refused_run, rejected_run, window_run


def with_data(run: ExampleRun, **artifacts: ArtifactReference | None) -> RunState:
    """Return the run with other artifacts."""
    return replaced(run.state, artifacts)


SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "report.schema.json"


def test_the_artifact_holds_page_data_and_message(store: ArtifactStore) -> None:
    run = example_run(store, "article")
    reported = report(run.state, run.config, "a run", store)

    assert sorted(files_of(store.folder(reported))) == [
        "model_card.md",
        "report.html",
        "report.json",
        "report.md",
        "run.json",
        "summary.json",
    ]
    summary = store.summary(reported, ReportSummary)
    assert summary.outcome == "rejected"
    assert summary.serious_warnings == 1


def test_the_login_and_the_query_of_a_dumps_address_stay_out_of_every_file(store: ArtifactStore) -> None:
    run = example_run(store)
    dumps = ("https://ann:hunter2@example.org/Reviews.csv?signature=5ecret", "Reviews.csv")
    config = run.config.model_copy(update={"data": run.config.data.model_copy(update={"dumps": dumps})})
    folder = store.folder(report(run.state, config, "a run", store))

    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"https://example.org/Reviews.csv" in written
    assert b"hunter2" not in written
    assert b"5ecret" not in written


def test_the_report_reads_every_artifact_of_the_run(store: ArtifactStore) -> None:
    run = example_run(store)
    inputs = store.manifest(report(run.state, run.config, "a run", store)).inputs

    assert list(inputs)[:3] == ["fetch", "ingest", "validate_raw"]
    assert "export bi-seed1" in inputs
    assert len(inputs) == 17 + 4 * 5


def test_the_same_run_gives_the_same_bytes(store: ArtifactStore) -> None:
    run = example_run(store, "article")
    first = store.folder(report(run.state, run.config, "a run", store))
    before = files_of(first)
    for path in first.iterdir():
        path.unlink()
    again = files_of(store.folder(report(run.state, run.config, "a run", store)))

    assert again == before


def test_another_refusal_is_another_report(store: ArtifactStore) -> None:
    run = refused_run(store)
    first = report(run.state, run.config, "a run", store)
    second = report(run.state.model_copy(update={"refusal": "Something else."}), run.config, "a run", store)

    assert first.key != second.key


@pytest.mark.parametrize("profile", ["default", "article", "demo", "refused", "rejected", "minimal", "window"])
def test_the_json_fits_the_published_schema_and_reads_back(store: ArtifactStore, profile: str) -> None:
    given = {"refused": refused_run, "rejected": rejected_run, "minimal": minimal_run, "window": window_run}
    place = given.get(profile)
    run = place(store) if place is not None else example_run(store, profile)
    folder = store.folder(report(run.state, run.config, "a run", store))
    text = (folder / "report.json").read_text("utf-8")

    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    contents = ReportContents.model_validate_json(text)
    assert contents == gather(run.state, run.config, store, "a run")
    assert contents.schema_version == 3


def test_the_schema_refuses_a_report_without_its_demo_flag(store: ArtifactStore) -> None:
    run = refused_run(store)
    data = gather(run.state, run.config, store).model_dump(mode="json")
    del data["demo"]

    with pytest.raises(jsonschema.ValidationError, match="demo"):
        jsonschema.validate(data, report_schema())


def test_a_diverged_training_still_makes_a_report(store: ArtifactStore) -> None:
    run = example_run(store)
    whole = gather(run.state, run.config, store)
    variant = whole.variants[0]
    epochs = tuple(epoch.model_copy(update={"loss": math.nan}) for epoch in variant.trained.epochs)
    broken = variant.model_copy(update={"trained": variant.trained.model_copy(update={"epochs": epochs})})
    contents = whole.model_copy(update={"variants": (broken, *whole.variants[1:])})
    from pipeline.reporting.html import render_html

    assert "n/a" in render_html(contents)
    jsonschema.validate(json.loads(contents.model_dump_json()), report_schema())


def test_the_message_is_short_and_says_verdict_figures_warnings_and_command(store: ArtifactStore) -> None:
    run = example_run(store, "article")
    folder = store.folder(report(run.state, run.config, "manual__2026-11-23T05:33:00+00:00", store))
    message = (folder / "report.md").read_text("utf-8")

    assert message.startswith("**Rejected**: Bidirectional LSTM, seed 1 is rejected.")
    assert "\nPromotion: **Rejected**: Bidirectional LSTM, seed 1 is rejected. " in message
    assert "Balanced accuracy 0.872 (0.846–0.898; majority class: 0.500; TF-IDF: 0.875)" in message
    assert "**Serious.** Unidirectional LSTM, seed 1 is no better than the majority" in message
    assert "`manual__2026-11-23T05:33:00+00:00`" in message
    assert "review-sentiment run --profile article" in message
    assert len(message) < 1_500


@pytest.mark.parametrize(
    ("make", "decision"), [(example_run, "needs_approval"), (rejected_run, "rejected"), (minimal_run, None)]
)
def test_the_run_in_short_has_the_gates_answer(store: ArtifactStore, make: Any, decision: str | None) -> None:
    run = make(store)
    folder = store.folder(report(run.state, run.config, "r", store))
    text = (folder / "run.json").read_text("utf-8")

    assert PublishedRun.model_validate_json(text).decision == decision
    # Runs that were published before there was a gate are still read.
    older = {name: value for name, value in json.loads(text).items() if name != "decision"}
    assert PublishedRun.model_validate(older).decision is None
    assert ("Promotion: " in (folder / "report.md").read_text("utf-8")) == (decision is not None)


def test_the_message_of_a_refused_run_says_what_broke(store: ArtifactStore) -> None:
    run = refused_run(store)
    message = (store.folder(report(run.state, run.config, "r", store)) / "report.md").read_text("utf-8")

    assert message.startswith("**Stopped**: Training was refused")
    assert "observed 3.9 % (374 of 9,542), expected at most 1.0 %" in message


def test_hostile_reasons_cannot_act_in_the_message_of_a_forced_promotion(store: ArtifactStore) -> None:
    run = example_run(store, reason="[click](javascript:alert(1)) <img src=x> @everyone\n# big", champion="<script>")
    message = (store.folder(report(run.state, run.config, "r", store)) / "report.md").read_text("utf-8")

    assert "Promotion: **Promoted by force**" in message
    assert not re.search(r"(?<!\\)\]\(", message)
    assert "<" not in message
    assert "@everyone" not in message
    assert not any(line.startswith("# ") for line in message.splitlines())
    assert len(message) < 1_500


def test_hostile_text_cannot_act_in_the_message(store: ArtifactStore) -> None:
    text = "[click](javascript:alert(1)) <img src=x> @everyone `code` ![x](http://y)\n# big"
    run = refused_run(store, refusal=text)
    bare = with_data(run, validate_raw=None)
    message = (store.folder(report(bare, run.config, text, store)) / "report.md").read_text("utf-8")

    outside_code = re.sub(r"`[^`]*`", "", re.sub(r"\\.", "", message))
    assert "`" not in outside_code
    assert "](" not in outside_code
    assert "<img" not in outside_code
    assert "@everyone" not in outside_code
    assert not any(line.startswith("# ") for line in message.splitlines())


@pytest.mark.parametrize("profile", ["default", "article"])
def test_page_data_message_and_card_name_the_same_figures(store: ArtifactStore, profile: str) -> None:
    run = example_run(store, profile)
    folder = store.folder(report(run.state, run.config, "r", store))
    data = json.loads((folder / "report.json").read_text("utf-8"))
    best = next(found for found in data["variants"] if found["name"] == data["best_variant"])["evaluated"]

    for name in ("balanced_accuracy", "accuracy"):
        figure = best["scores"][name]
        for file in ("report.html", "report.md", "model_card.md"):
            text = (folder / file).read_text("utf-8")
            assert f"{figure['value']:.3f}" in text, (file, name)
            assert f"{figure['low']:.3f}–{figure['high']:.3f}" in text, (file, name)


def test_a_missing_artifact_is_named(store: ArtifactStore) -> None:
    run = refused_run(store)
    lost = with_data(run, clean=ArtifactReference(stage="clean", key="1" * 32))

    with pytest.raises(ArtifactError, match="clean/111111111111"):
        report(lost, run.config, "r", store)


@pytest.mark.parametrize(
    "values",
    [
        {"profile": "default"},
        {"profile": "article", "epochs": 3, "directions": ["bi"], "units": [64, 128]},
        {"profile": "demo", "include_summary": False, "delimiter": ";", "dumps": ["my reviews.csv", "b.csv"]},
        {"profile": "default", "columns": {"text": "Review", "score": "Star rating"}, "learning_rate": 1e-4},
    ],
)
def test_the_command_to_run_it_again_gives_the_same_configuration(values: dict[str, object]) -> None:
    cli = pytest.importorskip("pipeline.cli")
    config = RunConfig.from_flat(values)
    words = shlex.split(reproduce_command(config))

    assert words[:2] == ["review-sentiment", "run"]
    options = cli.build_parser().parse_args(words[1:])
    given = {name: getattr(options, name) for _, name, _ in RunConfig.fields() if getattr(options, name) is not None}
    assert RunConfig.from_flat({"profile": options.profile, **given}) == config
