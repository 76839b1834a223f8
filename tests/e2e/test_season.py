"""A season of retraining on a real Airflow: dumps arrive, models come and go, and a person steps in at the end.

``SEASON_PICTURES=docs/images/retraining`` keeps pictures of what is seen at its end.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from pipeline.dataset import batches
from pipeline.promotion import champion_changes
from pipeline.promotion.champions import champion
from pipeline.reporting.history import PublishedRun, read_history
from pipeline.sources.demo import write_demo_dump
from pipeline.store import ArtifactStore
from pipeline.store.run_names import safe_run_name

CHECKOUT = Path(__file__).resolve().parents[2]
TRAIN, SCORE, ROLL_BACK = "train_review_sentiment", "score_reviews", "roll_back_champion"
RUN_SECONDS = 1800
"""How long a loaded machine with two cores may take for a tiny run."""
LOOKS_BEFORE_ANSWER = 5
LEAP_DAYS = "0 0 29 2 *"
"""A schedule with dates to fill in, none of which comes while the test runs."""
SETTINGS = """\
profile: demo
epochs: 3
directions: [uni]
units: [16]
bootstrap_samples: 100
window: all
approval: {approval}
"""


@dataclass
class Season:
    """A running Airflow with an inbox."""

    address: str
    home: Path
    client: httpx.Client
    seen: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Ids of the runs of each DAG that the test has looked at."""

    @property
    def inbox(self) -> Path:
        """Where dumps are put."""
        return self.home / "inbox"

    @property
    def store(self) -> ArtifactStore:
        """Where everything ends up."""
        return ArtifactStore(str(self.home / "store"))

    def runs(self, dag: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"/api/v2/dags/{dag}/dagRuns", params={"order_by": "run_after", "limit": 100})
        return answer.raise_for_status().json()["dag_runs"]

    def trigger(self, dag: str, conf: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})
        run_id = answer.raise_for_status().json()["dag_run_id"]
        return self.finished(dag, run_id)

    def backfill(self, date: datetime, conf: dict[str, Any]) -> dict[str, Any]:
        """Have the training run of a past date of the schedule made up for."""
        told = {
            "dag_id": TRAIN,
            "from_date": (date - timedelta(days=1)).isoformat(),
            "to_date": (date + timedelta(days=1)).isoformat(),
            "dag_run_conf": conf,
        }
        deadline = time.monotonic() + RUN_SECONDS
        # 409: half a minute may pass until the scheduler notices the end of the backfill before. 503: on SQLite it
        # may have written while Airflow looked for what is to be done.
        while (answer := self.client.post("/api/v2/backfills", json=told)).status_code in {409, 503}:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.5)
        answer.raise_for_status()
        return self.next_run()

    def pause(self, dag: str, *, paused: bool) -> None:
        deadline = time.monotonic() + RUN_SECONDS
        # Right after the start a DAG may not have been parsed yet.
        while (answer := self.client.patch(f"/api/v2/dags/{dag}", json={"is_paused": paused})).status_code == 404:
            assert time.monotonic() < deadline, f"{dag} is unknown"
            time.sleep(1)
        answer.raise_for_status()

    def next_run(self, dag: str = TRAIN) -> dict[str, Any]:
        """Wait for a run that nobody has looked at yet, to its end."""
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            new = [run["dag_run_id"] for run in self.runs(dag) if run["dag_run_id"] not in self.seen[dag]]
            if new:
                return self.finished(dag, new[0])
            time.sleep(1)
        raise AssertionError(f"no run of {dag} was set off")

    def approve(self) -> None:
        """Wait for the question that a run puts, and say yes."""
        deadline = time.monotonic() + RUN_SECONDS
        looks = 0
        while time.monotonic() < deadline:
            answer = self.client.get(f"/api/v2/dags/{TRAIN}/dagRuns/~/hitlDetails").raise_for_status()
            waiting = [
                one for one in answer.json()["hitl_details"] if one["task_instance"]["state"] == "awaiting_input"
            ]
            # Nobody reads so fast that the scheduler has not taken notice of the end of the task's first process.
            looks = looks + 1 if waiting else 0
            if looks > LOOKS_BEFORE_ANSWER:
                [question] = waiting
                assert question["subject"].startswith("Promote ")
                run_id = question["task_instance"]["dag_run_id"]
                path = f"/api/v2/dags/{TRAIN}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
                self.client.patch(path, json={"chosen_options": ["Approve"]}).raise_for_status()
                return
            time.sleep(1)
        raise AssertionError("nobody was asked")

    def finished(self, dag: str, run_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            run = self.client.get(f"/api/v2/dags/{dag}/dagRuns/{run_id}").raise_for_status().json()
            if run["state"] in {"success", "failed"}:
                self.seen[dag].add(run_id)
                return run
            time.sleep(1)
        raise AssertionError(f"{run_id} did not end; its tasks: {self.states(dag, run_id)}")

    def states(self, dag: str, run_id: str) -> dict[str, str | None]:
        answer = self.client.get(f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances", params={"limit": 200})
        return {task["task_id"]: task["state"] for task in answer.raise_for_status().json()["task_instances"]}

    def scored_by(self) -> str:
        """Wait for the scoring that a new champion sets off, and return the key of the one model that did it."""
        run = self.next_run(SCORE)
        assert (run["run_type"], run["state"]) == ("asset_triggered", "success"), self.states(SCORE, run["dag_run_id"])
        folder = self.home / "store" / "predictions" / safe_run_name(run["dag_run_id"])
        [model] = set(pq.read_table(folder / "predictions.parquet")["model_version"].to_pylist())
        return model.removeprefix("export/")

    def published(self, run: dict[str, Any]) -> PublishedRun:
        return next(found for found in read_history(self.store).runs if found.run_name == run["dag_run_id"])

    def report(self, run: dict[str, Any]) -> str:
        folder = self.published(run).folder
        answer = self.client.get(f"/review-sentiment/runs/{folder}/")
        return answer.raise_for_status().text


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Season]:
    home = tmp_path_factory.mktemp("season")
    (home / "inbox").mkdir()
    (home / "retrain.yaml").write_text(SETTINGS.format(approval="always"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        # The one that ships runs the same tasks in tests/browser/test_airflow.py.
        "AIRFLOW__CORE__EXECUTOR": "tests.e2e.warm_executor.WarmLocalExecutor",
        # The DAG files stay as they are, so there is no need to parse them every half minute.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "REVIEW_SENTIMENT_STORE": str(home / "store"),
        "REVIEW_SENTIMENT_INBOX": str(home / "inbox"),
        "REVIEW_SENTIMENT_INBOX_SETTLE_SECONDS": "1",
        "REVIEW_SENTIMENT_INBOX_POLL_SECONDS": "2",
        "REVIEW_SENTIMENT_RETRAIN_CONFIG": str(home / "retrain.yaml"),
        "REVIEW_SENTIMENT_SCHEDULE": LEAP_DAYS,
        "REVIEW_SENTIMENT_SCORE_AFTER_PROMOTION": str(home / "to-score.csv"),
    }
    server = [sys.executable, str(CHECKOUT / "scripts" / "airflow_server.py")]
    options = ["--home", str(home / "airflow"), "--port", str(port)]
    up = subprocess.run([*server, "up", *options], env=environment, capture_output=True, text=True, check=False)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        address = f"http://127.0.0.1:{port}"
        [(user, password)] = json.loads((home / "airflow" / "passwords.json").read_text()).items()
        with httpx.Client(base_url=address, timeout=60) as client:
            token = client.post("/auth/token", json={"username": user, "password": password}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield Season(address, home, client)
    finally:
        subprocess.run([*server, "down", *options], env=environment, capture_output=True, check=False)


def fetch(season: Season, name: str, source: Path) -> None:
    """Put a dump into the inbox as an upload should: under another name first."""
    aside = season.inbox / f"{name}.part"
    aside.write_bytes(source.read_bytes())
    aside.rename(season.inbox / name)


def dump(season: Season, name: str, rows: int, seed: int) -> Path:
    path = season.home / name
    write_demo_dump(path, rows=rows, seed=seed)
    return path


def altered(season: Season, name: str, change: Any, seed: int) -> Path:
    """Return a dump whose rows were changed, each by its number."""
    source = dump(season, f"source-of-{name}", 1_500, seed)
    with source.open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    place = header.index("Score")
    target = season.home / name
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for number, row in enumerate(rows):
            row[place] = change(number, row[place])
            writer.writerow(row)
    return target


def test_a_season(season: Season) -> None:
    # Each new champion scores these; that is looked at towards the end.
    season.pause(SCORE, paused=True)
    dump(season, "to-score.csv", 500, seed=5)

    # A first dump fetches; the deployment wants a person to look, who says yes: its model is the first champion.
    fetch(season, "a.csv", dump(season, "a.csv", 6_000, seed=1))
    season.approve()
    (season.home / "retrain.yaml").write_text(SETTINGS.format(approval="auto"))
    first = season.next_run()
    assert first["run_type"] == "asset_triggered"
    assert first["state"] == "success", season.states(TRAIN, first["dag_run_id"])
    opened = champion(season.store)
    assert opened is not None
    assert (opened.number, opened.kind, opened.who) == (1, "promote", "analyst")
    assert opened.model.run_name == first["dag_run_id"]

    # A second one fetches: the next model is trained on both, and the decision has its figures.
    second_dump = dump(season, "b.csv", 6_000, seed=2)
    fetch(season, "b.csv", second_dump)
    second = season.next_run()
    assert second["state"] == "success", season.states(TRAIN, second["dag_run_id"])
    assert [batch.outcome for batch in batches(season.store)] == ["accepted", "accepted"]
    report = season.report(second)
    assert "a.csv" in report
    assert "b.csv" in report
    assert '<h2 id="heading-gate">Promotion</h2>' in report
    assert "that neither model was trained on" in report

    # The same content under another name sets nothing off, and a run that is asked for it is skipped in seconds.
    fetch(season, "b-again.csv", second_dump)
    third = season.trigger(TRAIN, {"dumps": ["inbox"], "window": "all"})
    assert third["state"] == "success"
    assert set(season.states(TRAIN, third["dag_run_id"]).values()) == {"skipped"}
    assert {run["dag_run_id"] for run in season.runs(TRAIN)} == season.seen[TRAIN]

    # A past date is made up for with what was known then: before the first dump that was nothing.
    fourth = season.backfill(datetime(2024, 2, 29, tzinfo=UTC), {})
    assert (fourth["run_type"], fourth["state"]) == ("backfill", "failed")
    assert "2 accepted batches, 0 of them until 2024-02-29 00:00 UTC" in fourth["note"]

    # A dump with a tenth of its rows broken is refused by its contract; the champion is untouched.
    before = champion_changes(season.store)
    fetch(season, "corrupt.csv", altered(season, "corrupt.csv", lambda n, score: "?" if n % 10 == 0 else score, seed=3))
    fifth = season.next_run()
    assert fifth["state"] == "failed"
    assert season.states(TRAIN, fifth["dag_run_id"])["enforce_raw_contract"] == "failed"
    assert "contract" in season.report(fifth)
    assert champion_changes(season.store) == before

    # One whose stars were turned round is refused because it is unlike what the champion knows.
    turned = dict(zip("12345", "54321", strict=True))
    fetch(season, "flipped.csv", altered(season, "flipped.csv", lambda _, score: turned.get(score, score), seed=4))
    sixth = season.next_run()
    assert sixth["state"] == "failed"
    assert season.states(TRAIN, sixth["dag_run_id"])["enforce_drift_limits"] == "failed"
    assert "Share of positive reviews" in season.report(sixth)
    assert champion_changes(season.store) == before
    assert [batch.outcome for batch in batches(season.store)] == ["refused", "refused", "accepted", "accepted"]

    # A person insists on a model of what was known before the second dump, which scores at once what the shop wants.
    season.pause(SCORE, paused=False)
    [first_intake] = [batch for batch in batches(season.store) if batch.files[0].name == "a.csv"]
    told = {"as_of": first_intake.received_at.isoformat(), "window": "last", "window_dumps": 1}
    insisted = {**told, "epochs": 2, "directions": ["bi"], "force_promotion_reason": "the shop wants the first only"}
    seventh = season.backfill(datetime(2020, 2, 29, tzinfo=UTC), insisted)
    assert seventh["state"] == "success", season.states(TRAIN, seventh["dag_run_id"])
    forced = champion(season.store)
    assert (forced.kind, forced.who) == ("force", "analyst")
    assert "the shop wants the first only" in forced.why
    assert (forced.model.fetched, forced.model.parts) == (opened.model.fetched, opened.model.parts)
    assert season.scored_by() == forced.model.exported.key

    # And goes back: scoring uses what serves now.
    back = season.trigger(ROLL_BACK, {"why": "it was a mistake"})
    assert back["state"] == "success", season.states(ROLL_BACK, back["dag_run_id"])
    now = champion(season.store)
    assert (now.kind, now.who, now.why) == ("roll_back", "analyst", "it was a mistake")
    assert now.model == before[0].model
    assert season.scored_by() == now.model.exported.key
    keep_pictures(season, second, sixth)


def keep_pictures(season: Season, second: dict[str, Any], refused: dict[str, Any]) -> None:
    """Take the tutorial's pictures, if asked to."""
    folder = os.environ.get("SEASON_PICTURES")
    if not folder:
        return
    from playwright.sync_api import sync_playwright

    Path(folder).mkdir(parents=True, exist_ok=True)
    reports = [f"runs/{season.published(run).folder}/" for run in (second, refused)]
    pages = {
        "overview": ("", None),
        "history": ("history", None),
        "into_service": (reports[0], "#gate"),
        "refused": (reports[1], "#verdict"),
    }
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = chromium.new_context(viewport={"width": 1200, "height": 900}).new_page()
        page.set_extra_http_headers({"Authorization": season.client.headers["Authorization"]})
        for name, (path, section) in pages.items():
            page.goto(f"{season.address}/review-sentiment/{path}")
            seen = page.locator(section) if section else page
            seen.screenshot(path=Path(folder) / f"{name}.png")
        chromium.close()
