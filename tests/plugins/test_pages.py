"""The pages inside Airflow's UI: who may see them, and what they say when something is missing."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from starlette.routing import Mount, Route

from pipeline.store import ArtifactReference, ArtifactStore, Record
from tests.plugins.conftest import nowhere, published
from tests.support import place

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = "/review-sentiment"
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


class Nothing(Record):
    """A summary that says nothing."""


def routes(server: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of every page of the project."""
    mounted = next(route for route in server.routes if isinstance(route, Mount) and route.path == BASE)
    found = [
        (
            method,
            BASE
            + route.path.replace("{document}", "report.json")
            .replace("{run_id}", "a-run")
            .replace("{docs}", "data_docs_raw")
            .replace("{name}", "style.css")
            .replace("{name:path}", "index.html"),
        )
        for route in mounted.app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    ]
    assert len(found) >= 10
    return found


def quarantine(store: ArtifactStore, rows: int = 60) -> ArtifactReference:
    table = pa.table(
        {
            "row": range(rows),
            "file": ["=cmd()"] + ["Reviews.csv"] * (rows - 1),
            "line": range(2, rows + 2),
            "reason": ["bad_score" if row % 3 else "empty_text" for row in range(rows)],
            "detail": [f"detail {row}" for row in range(rows)],
            "raw": [HOSTILE] * rows,
        }
    )
    return place(store, "validate_raw", Nothing(), tables={"quarantine.parquet": table})


def test_nobody_sees_anything_without_a_login(server: FastAPI, anonymous: TestClient) -> None:
    for method, path in routes(server):
        answer = anonymous.request(method, path)
        assert answer.status_code == 401, f"{method} {path}"
        assert "report" not in answer.text


def test_nobody_sees_anything_without_the_right_to_read_the_dag(
    server: FastAPI, analyst: TestClient, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    published(store, "a-run")
    asked = []
    monkeypatch.setattr(
        SimpleAuthManager, "is_authorized_dag", lambda *_, details, **__: bool(asked.append(details.id))
    )
    for method, path in routes(server):
        assert analyst.request(method, path).status_code == 403, f"{method} {path}"
    assert set(asked) == {"train_review_sentiment"}


def test_a_runs_report_is_shown_and_kept_private(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "a-run", report="<p>the report of a-run</p>")
    answer = analyst.get(f"{BASE}/runs/a-run/?dag_id=train_review_sentiment")
    assert answer.status_code == 200
    assert answer.text == "<p>the report of a-run</p>"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert analyst.get(f"{BASE}/runs/a-run/report.json").headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fsecret",
        "%2e%2e%2fsecret",
        "....//secret",
        "%00",
        "/etc/passwd",
        "C:%5csecret",
        "a-run%2f..%2fb",
        "latest.json",
    ],
)
def test_no_name_leads_out_of_the_reports(analyst: TestClient, store: ArtifactStore, name: str) -> None:
    published(store, "a-run")
    (Path(store.url) / "secret").mkdir()
    (Path(store.url) / "secret" / "report.html").write_text("secret")
    answer = analyst.get(f"{BASE}/runs/{name}/")
    # 422 is what a name gets that the router takes for a run and one of its files.
    assert answer.status_code in {404, 422}
    assert answer.text != "secret"
    assert analyst.get(f"{BASE}/runs/a-run/manifest.json").status_code in {404, 422}


def test_data_docs_are_shown_by_the_names_that_were_published(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "a-run")
    docs = Path(store.url) / "reports" / "a-run" / "data_docs_raw"
    (docs / "static").mkdir(parents=True)
    (docs / "index.html").write_text("the docs")
    (docs / "static" / "style.css").write_text("body {}")
    answer = analyst.get(f"{BASE}/runs/a-run/data_docs_raw/index.html")
    assert answer.text == "the docs"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert (
        analyst.get(f"{BASE}/runs/a-run/data_docs_raw/static/style.css").headers["content-type"].startswith("text/css")
    )
    for name in ("..%2freport.json", "%2e%2e/report.json", "/etc/passwd", "static", ""):
        assert analyst.get(f"{BASE}/runs/a-run/data_docs_raw/{name}").status_code in {404, 422}, name


def test_an_airflow_run_id_finds_its_report(analyst: TestClient, store: ArtifactStore) -> None:
    from pipeline.reporting.publishing import safe_run_name

    run_id = "manual__2026-11-24T10:00:00.123456+00:00"
    published(store, safe_run_name(run_id), report="found")
    assert analyst.get(f"{BASE}/runs/{run_id.replace('+', '%2B')}/").text == "found"


@pytest.mark.parametrize("path", ["", "/history", "/training", "/score"])
def test_an_empty_store_gets_advice_not_an_error(analyst: TestClient, path: str) -> None:
    answer = analyst.get(BASE + (path or "/"))
    assert answer.status_code == 200
    assert any(word in answer.text for word in ("Trigger", "Nothing trains"))


def test_a_run_without_a_report_gets_advice(analyst: TestClient) -> None:
    for path in ("/runs/x/", "/runs/x/report.json", "/runs/x/quarantine", "/runs/x/quarantine.csv"):
        answer = analyst.get(BASE + path)
        assert answer.status_code == 404
        assert "has published no report" in answer.text


def test_damaged_and_foreign_records_do_not_hide_the_others(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "good")
    reports = Path(store.url) / "reports"
    for name, text in (("half", '{"run_name": "ha'), ("older", '{"schema_version": 0}')):
        (reports / name).mkdir()
        (reports / name / "run.json").write_text(text)
    (reports / "before").mkdir()
    (reports / "latest.json").write_text("{}")
    page = analyst.get(f"{BASE}/history").text
    assert ">good</a>" in page
    assert "half" not in page


def test_the_history_lists_runs_newest_first_and_compares_two(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "first", day=1, headline="The first one.")
    published(store, "second", day=2, outcome="refuse", headline="The second one.")
    published(store, "refused", day=3, outcome="stopped", best_title=None, balanced_accuracy=None, roc_auc=None)
    page = analyst.get(f"{BASE}/history").text
    assert page.index(">refused</a>") < page.index(">second</a>") < page.index(">first</a>")
    assert page.count("<circle") == 2
    beside = analyst.get(f"{BASE}/history", params={"compare": ["first", "refused"]}).text
    assert "Side by side" in beside
    assert "The first one." in beside


def test_the_quarantine_is_shown_in_pages_by_reason(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "a-run", validated_raw=quarantine(store))
    page = analyst.get(f"{BASE}/runs/a-run/quarantine").text
    assert "bad_score <strong>40</strong>" in page
    assert "Page 1 of 3" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page
    last = analyst.get(f"{BASE}/runs/a-run/quarantine", params={"reason": "empty_text", "page": 1}).text
    assert last.count("<td>empty_text</td>") == 20
    assert "bad_score</td>" not in last
    assert analyst.get(f"{BASE}/runs/a-run/quarantine", params={"page": 0}).status_code == 422


def test_the_quarantine_as_a_file_holds_every_row_and_no_formula(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "a-run", validated_raw=quarantine(store))
    rows = list(csv.DictReader(analyst.get(f"{BASE}/runs/a-run/quarantine.csv").text.splitlines()))
    assert len(rows) == 60
    assert rows[0]["file"] == "'=cmd()"
    chosen = analyst.get(f"{BASE}/runs/a-run/quarantine.csv", params={"reason": "bad_score"}).text
    assert len(list(csv.DictReader(chosen.splitlines()))) == 40


def test_a_quarantine_that_is_gone_gets_advice(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "a-run", validated_raw=nowhere("validate_raw"))
    assert analyst.get(f"{BASE}/runs/a-run/quarantine").status_code == 404


class Fake:
    """A model that likes the word good."""

    threshold = 0.5

    def probabilities(self, texts: list[str]) -> np.ndarray:
        return np.array([0.9 if "good" in text else 0.2 for text in texts], dtype=np.float32)


def test_a_review_is_scored_with_the_effect_of_each_word(
    analyst: TestClient, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, "a-run", exported=place(store, "export", Nothing()))
    monkeypatch.setattr("review_sentiment_ui.scoring._scorer", lambda _: Fake())
    page = analyst.post(f"{BASE}/score", data={"review": f"good tea {HOSTILE}"}).text
    assert "Positive, probability of positive 0.900" in page
    assert '<th scope="row">good</th><td class="number">+3.58</td><td>positive</td>' in page
    assert "<script>" not in page
    assert analyst.post(f"{BASE}/score", data={"review": "x" * 5001}).status_code == 422


def test_a_long_review_is_read_whole_when_its_words_are_weighed(
    analyst: TestClient, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, "a-run", exported=place(store, "export", Nothing()))
    monkeypatch.setattr("review_sentiment_ui.scoring._scorer", lambda _: Fake())
    page = analyst.post(f"{BASE}/score", data={"review": f"{'tea ' * 300}good"}).text
    # Only the piece that holds the one good word matters, and it stands at the end.
    assert page.count("<td>neither</td>") > 100
    assert page.count("<td>positive</td>") == 1


def test_a_model_that_is_gone_is_told(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "a-run", exported=nowhere("export"))
    answer = analyst.post(f"{BASE}/score", data={"review": "good"})
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text


def test_what_trains_now_is_shown_though_its_last_line_is_half_written(
    analyst: TestClient, store: ArtifactStore
) -> None:
    from pipeline.training.records import EpochRecord

    epoch = EpochRecord(
        epoch=1, loss=0.6, accuracy=0.8, validation_loss=0.5, validation_accuracy=0.8, validation_auc=0.7, seconds=1.0,
        reviews_per_second=900.0,
    )  # fmt: skip
    folder = Path(store.url) / "resumable" / "train" / "key"
    folder.mkdir(parents=True)
    (folder / "variant.txt").write_text("bi-seed1")
    (folder / "epochs.jsonl").write_text(epoch.model_dump_json() + '\n{"epoch": 2, "lo')
    page = analyst.get(f"{BASE}/training").text
    assert "<h2>bi-seed1</h2>" in page
    assert "Epoch 1: loss 0.600" in page
    assert f'<script src="{BASE}/files/live.js" defer></script>' in page


def test_the_plugin_costs_a_task_next_to_nothing(airflow_home: Path) -> None:
    program = (
        "import sys, runpy\nimport airflow.plugins_manager\nbefore = set(sys.modules)\n"
        f"runpy.run_path({str(CHECKOUT / 'plugins' / 'review_sentiment_plugin.py')!r})\n"
        "print(sorted(name.split('.')[0] for name in set(sys.modules) - before))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = out.stdout.strip().splitlines()[-1]
    assert not [name for name in ("pipeline", "fastapi", "jinja2", "review_sentiment_ui") if f"'{name}'" in loaded]


def test_pages_that_cannot_be_built_leave_airflow_standing(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import runpy

    from starlette.testclient import TestClient

    monkeypatch.setitem(sys.modules, "review_sentiment_ui.app", None)
    plugin = runpy.run_path(str(CHECKOUT / "plugins" / "review_sentiment_plugin.py"))["ReviewSentimentPlugin"]()
    [app] = plugin.fastapi_apps
    answer = TestClient(app["app"]).get("/history")
    assert answer.status_code == 503
    assert "could not be built" in answer.text
