"""The pages inside Airflow's UI: who may see them, and what they say when something is missing."""

from __future__ import annotations

import ast
import csv
import html
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pytest
from starlette.routing import Mount, Route

from pipeline.scoring.scorer import Scores
from pipeline.store import ArtifactReference, ArtifactStore, Record
from tests.factories import place
from tests.plugins.conftest import nowhere, published, served, took
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, only_these_credentials

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = "/review-sentiment"
DAG = "train_review_sentiment"
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


def test_a_link_in_the_store_does_not_make_the_server_hand_out_what_only_it_may_read(
    analyst: TestClient, store: ArtifactStore, tmp_path: Path
) -> None:
    secrets = tmp_path / "only-the-servers"
    secrets.mkdir()
    for name in ("environ", "report.html", "report.json", "index.html", "epochs.jsonl", "variant.txt"):
        (secrets / name).write_text("SIGNING_KEY")
    published(store, "linked-file")
    report = Path(store.url) / "reports" / "linked-file" / "report.html"
    report.unlink()
    report.symlink_to(secrets / "environ")
    (report.parent / "data_docs_raw").mkdir()
    (report.parent / "data_docs_raw" / "index.html").symlink_to(secrets / "environ")
    (report.parents[1] / "linked-folder").symlink_to(secrets)
    docs = report.parents[1] / "linked-docs"
    docs.mkdir()
    (docs / "data_docs_raw").symlink_to(secrets)
    (report.parents[2] / "resumable" / "train").mkdir(parents=True)
    (report.parents[2] / "resumable" / "train" / ("a" * 64)).symlink_to(secrets)
    for path in (
        "runs/linked-file/", "runs/linked-file/data_docs_raw/index.html", "runs/linked-folder/",
        "runs/linked-folder/report.json", "runs/linked-docs/data_docs_raw/index.html", "training",
    ):  # fmt: skip
        assert "SIGNING_KEY" not in analyst.get(f"{BASE}/{path}").text, path


def test_an_airflow_run_id_finds_its_report(analyst: TestClient, store: ArtifactStore) -> None:
    from pipeline.store.run_names import safe_run_name

    run_id = "manual__2026-11-24T10:00:00.123456+00:00"
    published(store, safe_run_name(run_id), report="found")
    assert analyst.get(f"{BASE}/runs/{run_id.replace('+', '%2B')}/").text == "found"


@pytest.mark.parametrize("path", ["", "/history", "/training", "/score"])
def test_an_empty_store_gets_advice_not_an_error(analyst: TestClient, path: str) -> None:
    answer = analyst.get(BASE + (path or "/"))
    assert answer.status_code == 200
    assert any(word in answer.text for word in ("Trigger", "No training is running"))


def test_a_run_without_a_report_gets_advice(analyst: TestClient) -> None:
    for path in ("/runs/x/", "/runs/x/report.json", "/runs/x/quarantine", "/runs/x/quarantine.csv"):
        answer = analyst.get(BASE + path)
        assert answer.status_code == 404
        assert "has not published a report" in answer.text


def test_damaged_and_foreign_records_do_not_hide_the_others(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "good")
    reports = Path(store.url) / "reports"
    for name, text in (("half", '{"run_name": "ha'), ("older", '{"schema_version": 0}')):
        (reports / name).mkdir()
        (reports / name / "run.json").write_text(text)
    (reports / "before").mkdir()
    (reports / "latest.json").write_text("{}")
    published(store, "none", day=-1, validated_raw=None, exported=nowhere("export"), balanced_accuracy=None)
    page = analyst.get(f"{BASE}/history").text
    assert ">good</a>" in page
    # Named, so that nobody looks for them in vain, and to be opened all the same.
    told = page[page.index("damaged or of another version") :]
    assert f'<a href="{BASE}/runs/half/">half</a>, <a href="{BASE}/runs/older/">older</a>' in told
    assert "before" not in told[: told.index("</p>")]
    assert analyst.get(f"{BASE}/").status_code == 200


def test_the_history_lists_runs_newest_first_and_compares_two(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "first", day=1, headline="The first one.")
    published(store, "second", day=2, outcome="rejected", headline="The second one.")
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


def main_of(page: str) -> str:
    """Return a page's own part with its white space made even."""
    return " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<main>") : page.index("</main>")]).split())


def part_of(page: str, identity: str) -> str:
    """Return the section under a heading with that id."""
    return re.split(r"</section>", page[page.index(f'id="{identity}"') :])[0]


def test_the_overview_tells_which_model_serves_since_when_and_why(analyst: TestClient, store: ArtifactStore) -> None:
    exported = place(store, "export", Nothing())
    published(store, "a-run", exported=exported)
    served(store, 1, "before")
    served(store, 2, "a-run", exported, kind="force", who="anna", why="The numbers of May.")
    part = part_of(analyst.get(f"{BASE}/").text, "champion")
    assert "Bidirectional LSTM of a-run" in part
    assert "In production since 2026-02-03 00:00 UTC" in part
    assert "Forced by anna: The numbers of May." in part
    assert f'<a href="{BASE}/runs/a-run/">' in part
    assert "0.900" in part


def test_scores_of_another_model_are_not_shown_as_the_champions(analyst: TestClient, store: ArtifactStore) -> None:
    # The run was cleared and trained anew: its report is about another model by now.
    published(store, "a-run", exported=place(store, "export", Nothing()))
    served(store, 1, "a-run", nowhere("export", 1))
    part = part_of(analyst.get(f"{BASE}/").text, "champion")
    assert "not in this store" in part
    assert "0.900" not in part


@pytest.mark.parametrize("damage", ["{", '{"schema_version": 2}', None, b"\xff\xfe"])
def test_a_damaged_champion_record_is_told_on_every_page(
    analyst: TestClient, store: ArtifactStore, damage: str | bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, "a-run", exported=place(store, "export", Nothing()))
    served(store, 1, "a-run")
    newest = Path(store.url) / "champions" / "000002.json"
    if damage is None:
        newest.mkdir()
    else:
        newest.write_bytes(damage.encode() if isinstance(damage, str) else damage)
    monkeypatch.setattr("pipeline.airflow.ui.scoring._scorer", lambda _: Fake())
    for path in ("/", "/history", "/score"):
        answer = analyst.get(BASE + path)
        assert answer.status_code == 200, path
        assert ("cannot be read" if path == "/score" else "The champion is unknown.") in answer.text, path
        assert "a-run" in answer.text, path
    # The newest model answers, and the page does not present it as the champion.
    page = main_of(analyst.post(f"{BASE}/score", data={"review": "good"}).text)
    assert "the newest model answers instead" in page
    assert "The newest model, Bidirectional LSTM, seed 1" in page
    assert "Positive: probability" in page


def test_a_damaged_record_of_an_earlier_change_hides_the_list_and_not_the_champion(
    analyst: TestClient, store: ArtifactStore
) -> None:
    exported = place(store, "export", Nothing())
    published(store, "a-run", exported=exported)
    served(store, 1, "before")
    served(store, 2, "a-run", exported)
    (Path(store.url) / "champions" / "000001.json").write_text("{")
    page = analyst.get(f"{BASE}/history").text
    assert "The changes cannot be listed." in part_of(page, "changes")
    assert '<span class="mark">champion</span>' in page
    assert "Bidirectional LSTM of a-run" in part_of(analyst.get(f"{BASE}/").text, "champion")


def test_the_history_marks_the_champion_and_the_one_before_and_lists_the_changes(
    analyst: TestClient, store: ArtifactStore
) -> None:
    models = [place(store, "export", Nothing(), label=name) for name in ("first", "second", "third")]
    for day, (name, model) in enumerate(zip(("first", "second", "third"), models, strict=True)):
        published(store, name, day=day, exported=model)
    served(store, 1, "first", models[0])
    served(store, 2, "second", models[1])
    served(store, 3, "first", models[0], kind="roll_back", who="bob", why="Complaints about the second one.")
    page = analyst.get(f"{BASE}/history").text
    rows = {name: re.search(rf">{name}</a>(.*?)</th>", page) for name in ("first", "second", "third")}
    assert '<span class="mark">champion</span>' in rows["first"][1]
    assert '<span class="mark">previous champion</span>' in rows["second"][1]
    assert "mark" not in rows["third"][1]
    # Told apart by form and word in the picture too, and to those who hear it.
    assert page.count("<circle") == 1
    assert ">champion</text>" in page
    assert ">previous champion</text>" in page
    assert ">2026-" in page[page.index("<svg") : page.index("</svg>")]
    assert "first: 0.900, champion; second: 0.900, previous champion; third: 0.900" in page
    changes = " ".join(re.sub(r"<[^>]+>", " ", part_of(page, "changes")).split())
    assert re.search(r"3 2026-02-04 00:00 UTC .*of first champion Rolled back bob Complaints .* 2 2026-02-03", changes)
    assert "1 2026-02-02 00:00 UTC" in changes


def test_two_reports_stand_side_by_side(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "first", report="<p>report one</p>", day=1)
    published(store, "second", report="<p>report two</p>", day=2)
    beside = analyst.get(f"{BASE}/history", params={"compare": ["first", "second"]}).text
    [address] = re.findall(rf'href="({BASE}/compare\?[^"]+)"', beside)
    answer = analyst.get(address.replace("&amp;", "&"))
    assert answer.status_code == 200
    frames = re.findall(r"<iframe [^>]+>", answer.text)
    assert [re.search(r'title="([^"]+)"', frame)[1] for frame in frames] == ["Report of second", "Report of first"]
    for frame in frames:
        source = re.search(r'src="([^"]+)"', frame)[1]
        assert analyst.get(source).text.startswith("<p>report")
        assert "frame-ancestors 'self'" in analyst.get(source).headers["content-security-policy"]
        assert f'<a href="{source}">Open this report alone' in answer.text
        assert "allow-scripts" not in frame
    assert "frame-src 'self'" in answer.headers["content-security-policy"]
    for path in ("/", "/history", "/score", "/compare", "/runs/first/"):
        assert "frame-src" not in analyst.get(BASE + path).headers["content-security-policy"], path


def test_a_report_of_an_older_version_can_be_compared(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "new")
    published(store, "old")
    for text in ('{"schema_version": 0}', "", None):
        record = Path(store.url) / "reports" / "old" / "run.json"
        record.unlink(missing_ok=True)
        if text is not None:
            record.write_text(text)
        answer = analyst.get(f"{BASE}/compare", params={"first": "new", "second": "old"})
        assert answer.status_code == 200
        assert "A report of another version" in answer.text
        assert answer.text.count("<iframe") == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [("a-run", "gone"), ("a-run", "a-run"), ("a-run", ""), ("", ""), ("../a-run", "a-run"), (HOSTILE, "\x00"),
     ("latest.json", "a-run"), ("x" * 5000, "a-run")],
)  # fmt: skip
def test_a_comparison_without_two_reports_gets_advice(
    analyst: TestClient, store: ArtifactStore, first: str, second: str
) -> None:
    published(store, "a-run")
    (Path(store.url) / "reports" / "latest.json").write_text("{}")
    answer = analyst.get(f"{BASE}/compare", params={"first": first, "second": second})
    assert answer.status_code == 404
    assert "Select two different runs" in answer.text
    assert "<iframe" not in answer.text
    assert HOSTILE not in answer.text
    assert "<script>" not in answer.text


def test_one_or_three_ticked_runs_get_a_sentence(analyst: TestClient, store: ArtifactStore) -> None:
    for day, name in enumerate(("one", "two", "three")):
        published(store, name, day=day)
    assert "needs two" in analyst.get(f"{BASE}/history", params={"compare": ["one"]}).text
    page = analyst.get(f"{BASE}/history", params={"compare": ["one", "two", "three"]}).text
    assert "the two newest are compared" in page
    assert "first=three&amp;second=two" in page
    assert "not in this store" in analyst.get(f"{BASE}/history", params={"compare": ["gone"]}).text


def listed(page: str) -> dict[str, str]:
    """Return each file of the inbox with its state, as the overview tells it."""
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', part_of(page, "inbox"), re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", "", row.split("</td>")[0]).split()) for name, row in rows}


def put(inbox: Path, name: str, text: bytes = b"text", day: int = 1) -> None:
    """Put a file into an inbox, written on that day of January 2026."""
    inbox.mkdir(exist_ok=True)
    (inbox / name).write_bytes(text)
    at = datetime(2026, 1, day, tzinfo=UTC).timestamp()
    os.utime(inbox / name, (at, at))


def test_the_overview_tells_what_became_of_each_file_of_the_inbox(
    analyst: TestClient, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(inbox))
    for name in ("week 1.csv", "week2.csv", "new.csv"):
        put(inbox, name)
    put(inbox, "longer.csv", b"longer")
    put(inbox, "again.csv", day=20)
    put(inbox, "notes.pdf")
    published(store, "run-5")
    took(store, 5, "week_1.csv")
    took(store, 6, "week2.csv", outcome="refused", reason="Too many bad rows.")
    took(store, 7, "longer.csv")
    took(store, 8, "again.csv")
    read = []
    monkeypatch.setattr("hashlib.file_digest", lambda *_: read.append(1))
    page = analyst.get(f"{BASE}/").text
    assert listed(page) == {
        "week 1.csv": "received by run-5",
        "week2.csv": "received by run-6, refused",
        "new.csv": "pending",
        "longer.csv": "pending",
        "again.csv": "changed since run-8 received it",
    }
    assert not read
    assert "<code>inbox:week 1.csv</code>" in page
    command = 'airflow dags trigger train_review_sentiment --conf \'{"dumps": ["inbox:again.csv"]}\''
    assert command in html.unescape(part_of(page, "inbox"))
    assert "notes.pdf" in re.split("skipped", part_of(page, "inbox"))[1]
    dumps = " ".join(re.sub(r"<[^>]+>", "", part_of(page, "dumps")).split())
    assert "week2.csvRefused: Too many bad rows.2026-01-07 00:00 UTCrun-61,006" in dumps
    assert f'<a href="{BASE}/runs/run-5/">run-5</a>' in part_of(page, "inbox")


def test_an_unfinished_file_is_not_called_new(
    analyst: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources.inbox import InboxListing
    from pipeline.sources.source import InboxFile

    now = datetime.now(UTC)
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path))
    monkeypatch.setattr(
        "pipeline.airflow.ui.dumps.scan_inbox",
        lambda _: InboxListing((InboxFile(name="half.csv", bytes=1, modified=now, complete=False),), ()),
    )
    assert listed(analyst.get(f"{BASE}/").text) == {"half.csv": "incomplete"}


def test_a_missing_or_empty_inbox_gets_a_sentence(
    analyst: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No inbox is configured" in analyst.get(f"{BASE}/").text
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path / "empty"))
    assert "is empty" in analyst.get(f"{BASE}/").text
    for name in ("gone", "file"):
        monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path / name))
        answer = analyst.get(f"{BASE}/")
        assert answer.status_code == 200
        assert "cannot be listed" in answer.text, name


def test_an_inbox_that_fails_in_its_librarys_own_way_gives_nothing_away(
    analyst: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: str) -> None:
        raise RuntimeError("no route to s3://user:secret@host")

    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", "s3://user:secret@bucket/inbox?token=secret")
    monkeypatch.setattr("pipeline.airflow.ui.dumps.scan_inbox", fails)
    answer = analyst.get(f"{BASE}/")
    assert answer.status_code == 200
    assert "cannot be listed" in answer.text
    assert "RuntimeError" in answer.text
    assert "secret" not in answer.text


def test_an_inbox_that_does_not_answer_keeps_nobody_waiting(
    analyst: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources.inbox import InboxListing

    answered, asked = threading.Event(), []

    def hangs(_: str) -> InboxListing:
        asked.append(threading.current_thread())
        answered.wait()
        return InboxListing((), ())

    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", "s3://bucket/inbox")
    monkeypatch.setattr("pipeline.airflow.ui.dumps.scan_inbox", hangs)
    monkeypatch.setattr("pipeline.airflow.ui.dumps.PATIENCE_SECONDS", 0.01)
    try:
        for _ in range(6):
            assert "did not answer" in analyst.get(f"{BASE}/").text
        # However often the page is looked at, few wait.
        assert len(asked) == 4
    finally:
        answered.set()
        for thread in asked:
            thread.join()
    assert "is empty" in analyst.get(f"{BASE}/").text


def test_a_damaged_collection_gets_a_sentence(
    analyst: TestClient, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path / "inbox"))
    put(tmp_path / "inbox", "new.csv")
    published(store, "a-run")
    took(store, 1, "week1.csv")
    (Path(store.url) / "collection" / "batches" / "half.json").write_text("{")
    page = analyst.get(f"{BASE}/").text
    assert "The batch registry cannot be read." in page
    assert listed(page) == {"new.csv": "unknown: the batch registry cannot be read"}
    assert "a-run" in page


def test_many_dumps_are_shown_in_pages(analyst: TestClient, store: ArtifactStore) -> None:
    for number in range(60):
        took(store, number, f"dump-{number:02}.csv")
    pages = [analyst.get(f"{BASE}/", params={"page": number}).text for number in (1, 2, 3, 4)]
    assert [page.count("Accepted</span>") for page in pages] == [25, 25, 10, 0]
    assert pages[0].index("dump-59.csv") < pages[0].index("dump-58.csv")
    assert 'rel="next"' not in pages[2]
    assert analyst.get(f"{BASE}/", params={"page": 0}).status_code == 422


def test_hostile_names_and_reasons_are_shown_as_text(
    analyst: TestClient, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.dataset.records import ClaimedFile
    from pipeline.sources.inbox import InboxListing
    from pipeline.sources.source import InboxFile

    now = datetime.now(UTC)
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", f"/nowhere/{HOSTILE}")
    monkeypatch.setenv("REVIEW_SENTIMENT_COMMIT", HOSTILE)
    # A name that is no text comes from the operating system with lone surrogates.
    names = (HOSTILE, '" onload="alert(1)', "\udcff.csv")
    monkeypatch.setattr(
        "pipeline.airflow.ui.dumps.scan_inbox",
        lambda _: InboxListing(
            tuple(InboxFile(name=name, bytes=1, modified=now, complete=True) for name in names), (HOSTILE,)
        ),
    )
    exported = place(store, "export", Nothing())
    hostile = {"run_name": HOSTILE, "headline": HOSTILE, "dumps": (HOSTILE,), "best_title": HOSTILE}
    published(store, "a-run", exported=exported, **hostile)
    published(store, "b-run")
    (Path(store.url) / "reports" / "<b>x").mkdir()
    (Path(store.url) / "reports" / "<b>x" / "run.json").write_text("{")
    served(store, 1, HOSTILE, exported, who=HOSTILE, why=HOSTILE)
    took(
        store, 1, "x", outcome="refused", reason=HOSTILE, run_name=HOSTILE,
        files=(ClaimedFile(name=HOSTILE, sha256="0" * 64, bytes=1),),
    )  # fmt: skip
    for path in ("/", "/history?compare=a-run&compare=b-run", "/score", "/compare?first=a-run&second=b-run"):
        answer = analyst.get(BASE + path)
        assert answer.status_code == 200, path
        for raw in ("<script>alert", "\u202e", "\x1b", 'x="alert', '" onload="', "<b>"):
            assert raw not in answer.text, (path, raw)
        assert "⟨U+202E⟩" in answer.text
    assert "⟨U+DCFF⟩.csv" in analyst.get(f"{BASE}/").text


def test_a_store_that_is_away_gets_a_page(
    analyst: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise ConnectionError("https://user:secret@host is away")

    monkeypatch.setattr("pipeline.airflow.ui.overview.default_store", away)
    answer = analyst.get(f"{BASE}/")
    assert answer.status_code == 503
    assert "ConnectionError" in answer.text
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_every_page_says_which_version_made_it(analyst: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import tomllib

    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    monkeypatch.delenv("REVIEW_SENTIMENT_COMMIT", raising=False)
    assert f"<footer><p>Review sentiment {version}</p></footer>" in analyst.get(f"{BASE}/").text
    monkeypatch.setenv("REVIEW_SENTIMENT_COMMIT", "0123abc")
    assert f"Review sentiment {version}, commit 0123abc</p></footer>" in analyst.get(f"{BASE}/history").text


class Fake:
    """A model that scores the word good as positive."""

    threshold = 0.5

    def score_texts(self, texts: list[str]) -> Scores:
        unknown = np.array([float("zebra" in text) for text in texts], dtype=np.float32)
        return Scores(self.probabilities(texts), unknown)

    def answers(self, scores: Scores) -> list[str]:
        return ["unknown" if share == 1 else "positive" for share in scores.unknown_word_share]

    def probabilities(self, texts: list[str], _: object = None, /) -> np.ndarray:
        return np.array([0.9 if "good" in text else 0.2 for text in texts], dtype=np.float32)


def test_a_review_is_scored_with_the_effect_of_each_word(
    analyst: TestClient, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, "a-run", exported=place(store, "export", Nothing()))
    monkeypatch.setattr("pipeline.airflow.ui.scoring._scorer", lambda _: Fake())
    page = analyst.post(f"{BASE}/score", data={"review": f"good tea {HOSTILE}"}).text
    assert "Positive: probability of positive 0.900" in page
    assert '<th scope="row">good</th><td class="number">+3.58</td><td>positive</td>' in page
    assert "<script>" not in page
    assert analyst.post(f"{BASE}/score", data={"review": "x" * 5001}).status_code == 422
    page = analyst.post(f"{BASE}/score", data={"review": "zebra"}).text
    assert "No answer: the model knows none of these words" in page
    assert "probability of positive" not in page


def test_every_part_of_a_long_review_has_an_effect(
    analyst: TestClient, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, "a-run", exported=place(store, "export", Nothing()))
    monkeypatch.setattr("pipeline.airflow.ui.scoring._scorer", lambda _: Fake())
    page = analyst.post(f"{BASE}/score", data={"review": f"{'tea ' * 300}good"}).text
    # Only the last piece has an effect: it contains the word good.
    assert page.count("<td>neither</td>") > 100
    assert page.count("<td>positive</td>") == 1


def test_the_page_names_the_champion_as_the_answering_model(
    analyst: TestClient, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = place(store, "export", Nothing(), label="champion")
    published(store, "newest", day=9, exported=place(store, "export", Nothing(), label="newest"))
    asked = []
    monkeypatch.setattr("pipeline.airflow.ui.scoring._scorer", lambda folder: asked.append(folder) or Fake())
    page = main_of(analyst.post(f"{BASE}/score", data={"review": "good"}).text)
    assert "No model is in production yet. The newest model, Bidirectional LSTM, seed 1 of run newest , answers" in page
    served(store, 1, "the-champions-run", champion)
    page = main_of(analyst.post(f"{BASE}/score", data={"review": "good"}).text)
    assert "The champion, Bidirectional LSTM of the-champions-run of run the-champions-run , answers" in page
    assert asked[1] == str(store.folder(champion))


def test_a_champion_whose_model_is_missing_is_not_replaced_silently(analyst: TestClient, store: ArtifactStore) -> None:
    published(store, "newest", exported=place(store, "export", Nothing()))
    served(store, 1, "gone")
    answer = analyst.post(f"{BASE}/score", data={"review": "good"})
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text
    assert "The champion, Bidirectional LSTM of gone" in answer.text


def test_a_missing_model_is_reported(analyst: TestClient, store: ArtifactStore) -> None:
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
    assert "1: 0.600 and on validation 0.500</desc>" in page
    assert f'<script src="{BASE}/files/live.js" defer></script>' in page


def test_the_plugin_costs_a_task_next_to_nothing(airflow_home: Path) -> None:
    program = (
        "import sys, runpy\nimport airflow.plugins_manager\nbefore = set(sys.modules)\n"
        f"runpy.run_path({str(CHECKOUT / 'plugins' / 'review_sentiment.py')!r})\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(out.stdout.strip().splitlines()[-1]))
    assert {name for name in loaded if name.partition(".")[0] == "pipeline"} == {
        "pipeline",
        "pipeline.airflow",
        "pipeline.airflow.plugin",
        "pipeline.airflow.run_notes",
    }
    assert not loaded & {"fastapi", "jinja2", "pandas", "upath"}


def test_pages_open_an_object_store_with_the_airflow_connection(
    analyst: TestClient, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_these_credentials(monkeypatch, {"AWS_ENDPOINT_URL": s3.url})
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE", f"s3://{s3.make_bucket()}/reviews")
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE_CONN", "pages_store")
    monkeypatch.setenv("AIRFLOW_CONN_PAGES_STORE", f"aws://{ACCESS_KEY}:{quote(SECRET_KEY, safe='')}@")
    assert analyst.get(f"{BASE}/history").status_code == 200
    assert {request.status for request in s3.requests} == {200}
    monkeypatch.setenv("AIRFLOW_CONN_PAGES_STORE", f"aws://AKIASTRANGER:{quote(SECRET_KEY, safe='')}@")
    refused = analyst.get(f"{BASE}/history")
    assert refused.status_code == 503
    assert "refuses the login of the Airflow connection pages_store" in refused.text
    assert SECRET_KEY not in refused.text


def test_pages_that_cannot_be_built_leave_airflow_standing(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    from pipeline.airflow import plugin

    monkeypatch.setitem(sys.modules, "pipeline.airflow.ui.app", None)
    # As in a process that has not built the pages yet.
    monkeypatch.setattr(plugin, "_pages", plugin._pages.__wrapped__)
    [app] = plugin.ReviewSentimentPlugin().fastapi_apps
    answer = TestClient(app["app"]).get("/history")
    assert answer.status_code == 503
    assert "could not be built" in answer.text


@pytest.fixture
def run_in_airflow(airflow_home: Path) -> Iterator[Callable[..., None]]:
    """Puts a run of the training DAG into Airflow's database, with its failed tasks."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import delete, insert

    added: list[str] = []

    def add(run_id: str, state: str, *failed: tuple[str, int]) -> None:
        added.append(run_id)
        now = datetime.now(UTC)
        with create_session() as session:
            session.execute(
                insert(DagRun).values(
                    dag_id=DAG, run_id=run_id, state=state, run_type="manual", run_after=now, queued_at=now
                )
            )
            for second, (task_id, map_index) in enumerate(failed):
                session.execute(
                    insert(TaskInstance).values(
                        task_id=task_id, map_index=map_index, dag_id=DAG, run_id=run_id, state="failed",
                        end_date=now + timedelta(seconds=second), pool="default_pool", pool_slots=1, queue="default",
                    )
                )  # fmt: skip

    yield add
    with create_session() as session:
        for model in (TaskInstance, DagRun):
            session.execute(delete(model).where(model.run_id.in_(added)))


@pytest.mark.parametrize(
    ("state", "failed", "heading", "expected"),
    [
        (
            "failed",
            [("train", 1), ("evaluate", 0)],
            "No report: the run failed",
            '<a href="/dags/train_review_sentiment/runs/manual__1%2B00%3A00/tasks/train/mapped/1" data-airflow>The log',
        ),
        ("failed", [("fetch", -1)], "No report: the run failed", '/tasks/fetch" data-airflow>The log of fetch</a>'),
        ("failed", [], "No report: the run failed", "Its tasks</a> show the reason."),
        ("running", [], "No report yet", "is running. It publishes its report when it ends"),
        ("success", [], "No report", "there was nothing to evaluate"),
    ],
)
def test_a_run_without_a_report_says_how_it_stands(
    analyst: TestClient, run_in_airflow: Callable[..., None], *, state: str, failed: Any, heading: str, expected: str
) -> None:
    run_in_airflow("manual__1+00:00", state, *failed)
    answer = analyst.get(f"{BASE}/runs/manual__1%2B00:00/?dag_id={DAG}")
    assert answer.status_code == 404
    assert f"<h1>{heading}</h1>" in answer.text
    assert expected in answer.text


def test_the_tabs_of_other_dags_say_that_they_have_no_report_and_no_training(
    analyst: TestClient, store: ArtifactStore
) -> None:
    published(store, "manual__1")
    page = analyst.get(f"{BASE}/runs/manual__1/?dag_id=score_reviews").text
    assert "<h1>This DAG has no evaluation report</h1>" in page
    assert "one of <em>score_reviews</em>" in page
    assert "Runs of <em>score_reviews</em> train no model" in analyst.get(f"{BASE}/training?dag_id=score_reviews").text
    assert "train no model" not in analyst.get(f"{BASE}/training?dag_id={DAG}").text


def test_runs_lead_to_airflow_and_a_report_leads_back(
    analyst: TestClient, store: ArtifactStore, run_in_airflow: Callable[..., None]
) -> None:
    published(store, "manual__1", report="<html><body><h1>The report</h1></body></html>")
    published(store, "shell__1", day=1)
    run_in_airflow("manual__1", "success")
    link = '<a href="/dags/train_review_sentiment/runs/manual__1" data-airflow>in Airflow'
    for path in ("/", "/history"):
        page = analyst.get(f"{BASE}{path}").text
        assert link in page
        # A run of the command line is not in Airflow.
        assert 'runs/shell__1" data-airflow' not in page
    report = analyst.get(f"{BASE}/runs/manual__1/").text
    assert '<body><nav aria-label="Review sentiment"><a href="../../">Overview of all reports</a></nav><h1>' in report
    written = Path(store.url) / "reports" / "manual__1" / "report.html"
    assert "<nav" not in written.read_text(encoding="utf-8")
