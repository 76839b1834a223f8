"""The workflow as most people use it: log in, fill in the form, watch, read. On a real Airflow, in a real browser.

``UI_PICTURES=docs/images/ui`` keeps pictures of what is seen on the way.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.reporting.history import find_published_run
from pipeline.store import ArtifactStore
from pipeline.store.run_names import safe_run_name
from tests.browser.accessibility import accessibility_violations
from tests.factories import reviews, write_csv
from tests.plugins.conftest import nowhere, served, took

CHECKOUT = Path(__file__).resolve().parents[2]
DAG = "train_review_sentiment"
RUN_SECONDS = 1500
"""How long a loaded machine with two cores may take for a tiny run: each task that trains loads TensorFlow anew."""


@dataclass(frozen=True)
class Site:
    """A running Airflow."""

    address: str
    password: str
    store: ArtifactStore
    home: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Airflow as ``make up`` starts it, on a free port, with a home and a store of its own."""
    home = tmp_path_factory.mktemp("served")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "inbox").mkdir()
    environment = {
        **os.environ,
        "REVIEW_SENTIMENT_STORE": str(home / "store"),
        "REVIEW_SENTIMENT_INBOX": str(home / "inbox"),
    }
    server = [sys.executable, str(CHECKOUT / "scripts" / "airflow_server.py")]
    options = ["--home", str(home / "airflow"), "--port", str(port)]
    up = subprocess.run([*server, "up", *options], env=environment, capture_output=True, text=True, check=False)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        address = f"http://127.0.0.1:{port}"
        assert address in up.stdout
        again = subprocess.run([*server, "up", *options], env=environment, capture_output=True, text=True, check=True)
        assert "already running" in again.stdout
        [password] = json.loads((home / "airflow" / "passwords.json").read_text()).values()
        yield Site(address, password, ArtifactStore(str(home / "store")), home / "airflow")
    finally:
        down = subprocess.run([*server, "down", *options], env=environment, capture_output=True, text=True, check=False)
    assert "stopped" in down.stdout, down.stdout + down.stderr
    with socket.socket() as trial:
        assert trial.connect_ex(("127.0.0.1", port)), "something is still listening"


@pytest.fixture(scope="module")
def page(site: Site, browser: Browser) -> Iterator[Page]:
    """A logged-in analyst."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    found = context.new_page()
    found.goto(site.address)
    found.locator("input[name=username]").fill("analyst")
    found.locator("input[type=password]").fill(site.password)
    found.locator("button[type=submit]").click()
    expect(found.get_by_role("link", name="Dags", exact=True)).to_be_visible(timeout=60_000)
    yield found
    context.close()


@pytest.fixture(scope="module")
def run_id(site: Site, page: Page, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run over a tiny dump, triggered through the form and gone well."""
    dump = write_csv(
        tmp_path_factory.mktemp("dump") / "Reviews.csv", reviews(600, lambda i: "x" if i == 7 else 5 if i % 4 else 1)
    )
    dialog = open_form(site, page)
    dialog.locator("textarea[name=element_dumps]").fill(str(dump))
    dialog.get_by_role("button", name="Models", exact=True).click()
    dialog.locator("#element_directions").get_by_role("combobox").fill("bi")
    page.get_by_role("option", name="Bidirectional", exact=True).click()
    dialog.locator("input[name=element_epochs]").fill("1")
    keep(page, "form")
    dialog.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url("**/runs/**", timeout=60_000)
    # Airflow's page of a run asks the server for news all the time, and takes a core from the run.
    page.goto("about:blank")
    token = page.request.post(
        f"{site.address}/auth/token", data={"username": "analyst", "password": site.password}
    ).json()["access_token"]
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        [run] = page.request.get(
            f"{site.address}/api/v2/dags/{DAG}/dagRuns", headers={"Authorization": f"Bearer {token}"}
        ).json()["dag_runs"]
        if run["state"] in {"success", "failed"}:
            break
        page.wait_for_timeout(1_000)
    assert run["state"] == "success", f"the run is {run['state']}"
    assert run["conf"]["epochs"] == 1
    return str(run["dag_run_id"])


@pytest.fixture(scope="module")
def comparison(site: Site, run_id: str) -> str:
    """Address of two reports side by side: the run's, in service as champion, and a copy that was champion before."""
    first = safe_run_name(run_id)
    run = find_published_run(site.store, first)
    assert run is not None
    reports = Path(site.store.url) / "reports"
    shutil.copytree(reports / first, reports / "another-run")
    record = json.loads((reports / first / "run.json").read_text())
    before = nowhere("export")
    changed = record | {
        "run_name": "another-run", "exported": before.model_dump(), "made_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    (reports / "another-run" / "run.json").write_text(json.dumps(changed))
    # Numbers that no change of the run's own can have taken.
    served(site.store, 900, "another-run", before)
    reason = "The model before was trained on last year's products and misses complaints about the new ones."
    served(site.store, 901, run_id, run.exported, kind="force", who="anna", why=reason)
    took(site.store, 1, "a_dump_with_a_rather_long_name_as_some_exports_have_them.csv.gz", run_name=run_id)
    took(site.store, 2, "week2.csv", outcome="refused", reason="4.1 % of the rows are bad, 1.0 % is allowed.")
    return f"compare?first={first}&second=another-run"


def open_form(site: Site, page: Page):
    """Return the trigger form's dialog."""
    page.goto(f"{site.address}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("textarea[name=element_dumps]")).to_be_visible(timeout=60_000)
    return dialog


def keep(page: Page, name: str) -> None:
    """Keep a picture, if asked to."""
    if folder := os.environ.get("UI_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_it_listens_on_this_machine_alone(site: Site) -> None:
    from scripts import airflow_server

    server = airflow_server.recorded(site.home)
    listening = [
        connection.laddr.ip
        for process in server.members()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_the_form_has_its_sections_and_the_common_run_is_one_click(site: Site, page: Page) -> None:
    dialog = open_form(site, page)
    expect(dialog.locator("textarea[name=element_dumps]")).to_have_value("demo")
    for section in ("Data", "Text", "Models", "Evaluation", "Hardware"):
        expect(dialog.get_by_role("button", name=section, exact=True)).to_be_visible()
    expect(dialog.get_by_text("Files, folders,", exact=False)).to_be_visible()


def test_the_logs_of_a_run_have_its_epochs_and_its_decision_and_no_harmless_error(site: Site, run_id: str) -> None:
    lines = {
        task: [json.loads(line) for file in files for line in file.read_text().splitlines()]
        for task in ("preflight", "train", "predict", "export", "compare", "conclude")
        if (files := list((site.home / "logs").glob(f"dag_id={DAG}/run_id={run_id}/task_id={task}/**/*.log")))
    }
    assert {"train", "conclude"} < set(lines)
    assert [line["event"] for task in lines.values() for line in task if line["level"] in {"error", "critical"}] == []
    assert any("epoch 1 of 1: loss" in line["event"] for line in lines["train"])
    run = find_published_run(site.store, safe_run_name(run_id))
    assert run is not None
    assert any(line["event"].endswith(f"{safe_run_name(run_id)}/report.html") for line in lines["conclude"])


def test_the_run_shows_its_report_in_a_tab(site: Site, page: Page, run_id: str) -> None:
    page.goto(f"{site.address}/dags/{DAG}/runs/{run_id.replace('+', '%2B')}")
    page.get_by_role("link", name="Evaluation report").click()
    report = page.frame_locator("iframe")
    expect(report.locator("#acceptance")).to_be_visible(timeout=60_000)
    expect(report.locator("h1")).not_to_be_empty()
    expect(report.get_by_text(run_id)).to_be_visible()
    keep(page, "report")
    report.get_by_role("link", name="Data Docs of the raw data").click()
    expect(report.get_by_role("heading", name="The contract of the raw data")).to_be_visible()


def test_history_quarantine_and_scoring_box_are_a_click_away(site: Site, page: Page, run_id: str) -> None:
    page.goto(f"{site.address}/dags/{DAG}")
    page.get_by_role("link", name="Model history").click()
    history = page.frame_locator("iframe")
    table = history.get_by_role("region", name="Every run")
    expect(table.get_by_role("link", name=run_id, exact=True)).to_be_visible(timeout=60_000)
    row = table.get_by_role("row", name=run_id)
    row.get_by_role("link", name="1", exact=True).click()
    expect(history.get_by_role("cell", name="bad_score")).to_be_visible()
    keep(page, "quarantine")
    history.get_by_role("link", name="Try a review").click()
    history.get_by_role("textbox", name="Review").fill("Delicious, wonderful tea. <b>Not</b> stale at all!")
    history.get_by_role("button", name="Score", exact=True).click()
    expect(history.get_by_role("heading", level=2)).to_contain_text("probability of positive")
    expect(history.get_by_role("row", name="Delicious,")).to_be_visible()
    keep(page, "score")


def test_two_runs_are_compared_with_the_keyboard_alone(site: Site, page: Page, run_id: str, comparison: str) -> None:
    page.goto(f"{site.address}/review-sentiment/history")
    for name in (run_id, "another-run"):
        page.get_by_label(f"Compare {name}").focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Compare the selected runs").focus()
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Both whole reports side by side")
    expect(link).to_be_visible()
    for mark in ("champion", "previous champion"):
        expect(page.locator(".mark").get_by_text(mark, exact=True).first).to_be_visible()
        expect(page.locator("svg text").get_by_text(mark, exact=True)).to_be_visible()
    keep(page, "history")
    link.focus()
    page.keyboard.press("Enter")
    frames = page.locator("iframe")
    expect(frames).to_have_count(2)
    for number in (0, 1):
        expect(frames.nth(number).content_frame.locator("#acceptance")).to_be_visible()
    left, right = (frames.nth(number).bounding_box() for number in (0, 1))
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    keep(page, "compare")
    page.get_by_role("link", name="Open this report alone").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#acceptance")).to_be_visible()


PAGES = ("", "history", "training", "score", "history with two compared", "two reports")


def address_of(path: str, comparison: str) -> str:
    """Return a page's address below the pages."""
    compared = comparison.replace("compare?first=", "history?compare=").replace("&second=", "&compare=")
    return {"history with two compared": compared, "two reports": comparison}.get(path, path)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_pages(site: Site, page: Page, comparison: str, path: str, scheme: str) -> None:
    other = page.context.new_page()
    other.emulate_media(color_scheme=scheme)
    other.goto(f"{site.address}/review-sentiment/{address_of(path, comparison)}")
    assert accessibility_violations(other) == []
    if not path and scheme == "light":
        expect(other.get_by_text("In production since")).to_be_visible()
        keep(other, "overview")
    other.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_needs_no_sideways_scrolling(site: Site, page: Page, comparison: str, path: str) -> None:
    other = page.context.new_page()
    other.set_viewport_size({"width": 390, "height": 844})
    other.goto(f"{site.address}/review-sentiment/{address_of(path, comparison)}")
    assert other.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    if path == "two reports":
        upper, lower = (other.locator("iframe").nth(number).bounding_box() for number in (0, 1))
        assert upper is not None
        assert lower is not None
        assert upper["y"] + upper["height"] <= lower["y"]
    other.close()


@pytest.mark.parametrize(("chosen", "browsers"), [("dark", "light"), ("light", "dark")])
def test_the_pages_take_the_look_chosen_in_airflow(site: Site, page: Page, chosen: str, browsers: str) -> None:
    other = page.context.new_page()
    other.emulate_media(color_scheme=browsers)
    other.goto(f"{site.address}/review-sentiment/history")
    other.evaluate("theme => localStorage.setItem('theme', theme)", chosen)
    other.reload()
    paper = other.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"dark": "rgb(20, 23, 27)", "light": "rgb(255, 255, 255)"}[chosen]
    assert accessibility_violations(other) == []
    other.evaluate("localStorage.removeItem('theme')")
    other.close()


def test_a_stranger_sees_nothing(site: Site, browser: Browser, run_id: str) -> None:
    context = browser.new_context()
    for path in ("", "history", "score", f"runs/{run_id}/", f"compare?first={run_id}&second={run_id}"):
        answer = context.request.get(f"{site.address}/review-sentiment/{path}")
        assert answer.status == 401
        assert "accuracy" not in answer.text()
    context.close()
