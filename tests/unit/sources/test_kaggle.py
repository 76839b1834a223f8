"""Kaggle's data set, from a server that answers as Kaggle's does: what is asked, kept, tried again, refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import SourceError, SourceUnavailableError
from pipeline.sources import kaggle as kaggle_module
from pipeline.sources.kaggle import DATA_SET, fetch_kaggle, kaggle_version
from pipeline.sources.records import KnownVersion
from pipeline.sources.staging import FoundFile, NotModified
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text

SECRET = "geheim-" + "of-this-test"


def archive(body: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("Reviews.csv", body)
        files.writestr("hashes.txt", "none")
    return packed.getvalue()


class Kaggle(ThreadingHTTPServer):
    """Answers the two calls that the client makes, and holds the archives of its versions."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port of this machine, with one version."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.versions = {1: archive(csv_text())}
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.authorizations: list[str | None] = []
        self.ranges: list[str | None] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """Answered first, one by one: status and headers."""
        self.cut = 0
        """How many downloads break off in the middle."""
        self.damaged = 0
        """How many downloads bring other bytes than announced."""

    def calls(self) -> list[str]:
        return [path.rpartition("/")[2] for path, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    """The server's side."""

    protocol_version = "HTTP/1.1"
    server: Kaggle

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        self.server.authorizations.append(self.headers.get("Authorization"))
        if self.server.refusals:
            status, headers = self.server.refusals.pop(0)
            told = {"code": status, "message": f"{SECRET} is not allowed"}
            self.answer(status, json.dumps(told).encode(), {"Content-Type": "application/json", **headers})
        elif self.path == "/v1/datasets.DatasetApiService/GetDataset":
            told = {"currentVersionNumber": max(self.server.versions)}
            self.answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"})
        else:
            number = body["datasetVersionNumber"]
            self.answer(302, b"", {"Location": f"/storage/{number}/archive.zip?X-Goog-Signature={SECRET}"})

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        body = self.server.versions[int(self.path.split("/")[2])]
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"Accept-Ranges": "bytes", "x-goog-hash": f"crc32c=AAAAAA==,md5={md5}"}
        if self.server.cut:
            self.server.cut -= 1
            self.answer(200, body[:50], headers, announced=len(body))
            self.close_connection = True
        elif self.server.damaged:
            self.server.damaged -= 1
            self.answer(200, bytes(len(body)), headers)
        else:
            self.answer(200, body, headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str], announced: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def kaggle(monkeypatch, tmp_path) -> Iterator[Kaggle]:
    """A server, and a client without credentials and with an empty cache that takes it for Kaggle."""
    environment = pytest.importorskip("kagglesdk.kaggle_env")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_ENVIRONMENT", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kaggle_module, "PAUSE_SECONDS", 0.0)
    server = Kaggle()
    address = f"http://127.0.0.1:{server.server_port}"
    # The client's only setting for it leads to a fixed port, and prints credentials.
    monkeypatch.setitem(environment._env_to_endpoint, environment.KaggleEnv.PROD, address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def body(found: FoundFile | NotModified) -> str:
    assert isinstance(found, FoundFile)
    return found.path.read_text(encoding="utf-8")


def test_the_newest_version_is_asked_for_without_a_download(kaggle) -> None:
    kaggle.versions[7] = archive("7")
    assert kaggle_version() == 7
    assert kaggle.asked == [
        (
            "/v1/datasets.DatasetApiService/GetDataset",
            {"ownerSlug": "snap", "datasetSlug": "amazon-fine-food-reviews"},
        )
    ]


def test_only_a_newer_version_is_downloaded(kaggle) -> None:
    first = fetch_kaggle()
    assert body(first) == csv_text()
    assert (first.name, first.origin) == ("Reviews.csv", f"kaggle:{DATA_SET}/Reviews.csv")
    assert first.version == KnownVersion(number=1)
    assert kaggle.calls() == ["GetDataset", "DownloadDataset"]

    assert fetch_kaggle(1) == NotModified(first.origin, KnownVersion(number=1))
    assert body(fetch_kaggle()) == csv_text()
    assert kaggle.calls() == ["GetDataset", "DownloadDataset", "GetDataset", "GetDataset"], "the cache has version 1"

    kaggle.versions[2] = archive("newer")
    second = fetch_kaggle(1)
    assert body(second) == "newer"
    assert second.version == KnownVersion(number=2)
    assert body(first) == csv_text(), "the version before stays as it was"


def test_what_lands_is_a_copy(kaggle, store) -> None:
    rows, summary = read(store, "kaggle")
    assert len(rows) == 2
    assert (summary.files[0].name, summary.demo) == ("Reviews.csv", False)
    assert body(fetch_kaggle()) == csv_text(), "the client's cache is not ours to empty"


def test_a_busy_server_is_left_alone_as_long_as_it_asks(kaggle, monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(kaggle_module.time, "sleep", waits.append)
    kaggle.refusals = [(429, {"Retry-After": "3"}), (503, {})]
    assert body(fetch_kaggle()) == csv_text()
    assert waits == [3.0, 0.0]

    kaggle.refusals = [(429, {"Retry-After": "3"})] * 3
    with pytest.raises(SourceUnavailableError, match="in 3 attempts: it answered status 429"):
        fetch_kaggle()
    kaggle.refusals = [(429, {"Retry-After": "7200"})]
    with pytest.raises(SourceUnavailableError, match="asks to be left alone for 7,200 seconds"):
        fetch_kaggle()
    assert waits == [3.0, 0.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "The credentials are not accepted"),
        (403, "accept the data set's rules on its page, and check KAGGLE_API_TOKEN"),
        (404, "There is no such data set or version any more"),
    ],
)
def test_a_refusal_is_told_and_not_tried_again(kaggle, monkeypatch, caplog, status, advice) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    kaggle.refusals = [(status, {})]
    with pytest.raises(SourceError) as error:
        fetch_kaggle()
    assert not isinstance(error.value, SourceUnavailableError)
    assert f"Kaggle answered status {status}" in str(error.value)
    assert advice in str(error.value)
    assert "with a browser and give its path" in str(error.value)
    assert kaggle.calls() == ["GetDataset"]
    assert SECRET not in str(error.value) + caplog.text


def test_credentials_of_the_environment_are_sent_and_not_shown(kaggle, monkeypatch, caplog, capsys) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    fetch_kaggle()
    assert set(kaggle.authorizations) == {"Basic " + base64.b64encode(f"ann:{SECRET}".encode()).decode()}
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    kaggle_version()
    assert kaggle.authorizations[-1] == f"Bearer {SECRET}"
    printed = capsys.readouterr()
    assert SECRET not in caplog.text + printed.out + printed.err


def test_a_download_that_breaks_off_starts_from_its_first_byte(kaggle, caplog) -> None:
    kaggle.cut = 2
    assert body(fetch_kaggle()) == csv_text()
    assert kaggle.ranges == [None, None, None], "the client alone would have asked for the rest and appended it"
    assert "the download was cut short" in caplog.text


def test_a_download_that_stays_short_is_refused_and_leaves_nothing_to_append_to(kaggle, tmp_path) -> None:
    kaggle.cut = 3
    with pytest.raises(SourceUnavailableError, match="in 3 attempts: the download was cut short") as error:
        fetch_kaggle()
    assert SECRET not in str(error.value)
    # The server holds something else by now, under the same number.
    kaggle.versions[1] = archive("another")
    assert body(fetch_kaggle()) == "another"
    assert set(kaggle.ranges) == {None}


def test_bytes_other_than_announced_are_fetched_again(kaggle) -> None:
    kaggle.damaged = 1
    assert body(fetch_kaggle()) == csv_text()
    kaggle.versions[2] = archive("newer")
    kaggle.damaged = 3
    with pytest.raises(SourceUnavailableError, match="the bytes that came are not those that Kaggle announced"):
        fetch_kaggle(1)


def test_a_data_set_without_its_file_is_told(kaggle) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("Reviews.parquet", "x")
    kaggle.versions[1] = packed.getvalue()
    with pytest.raises(SourceError, match=r"holds no Reviews.csv; it holds 'Reviews.parquet'"):
        fetch_kaggle()


def test_nobody_there(kaggle) -> None:
    kaggle.shutdown()
    kaggle.server_close()
    with pytest.raises(SourceUnavailableError, match="in 3 attempts: the connection failed"):
        kaggle_version()


def test_a_cache_that_cannot_be_written_is_told(kaggle, monkeypatch, tmp_path) -> None:
    blocked = Path(tmp_path / "blocked")
    blocked.write_text("a file")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(blocked))
    with pytest.raises(SourceError, match="Give it another folder with KAGGLEHUB_CACHE"):
        fetch_kaggle()
