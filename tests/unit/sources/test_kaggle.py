"""The Kaggle data set, from a server that answers as Kaggle does: requests, cache, retries, refusals."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import SourceError, SourceUnavailableError
from pipeline.sources import FetchSummary, SeenFiles, retry
from pipeline.sources.kaggle import ORIGIN
from pipeline.sources.kaggle import fetch_kaggle as fetch_from_kaggle
from pipeline.sources.records import KnownVersion
from pipeline.sources.source import FoundFile
from tests.unit.sources.factories import ScriptedHandler, csv_text, fetch_dumps, serving

SECRET = "geheim-" + "of-this-test"


def archive(body: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("Reviews.csv", body)
        files.writestr("hashes.txt", "none")
    return packed.getvalue()


class Kaggle(ThreadingHTTPServer):
    """Answers the two calls of the client, with an archive for each version."""

    def __init__(self) -> None:
        """Listen on a free port of this machine, with one version."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.versions = {1: archive(csv_text())}
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.authorizations: list[str | None] = []
        self.ranges: list[str | None] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        """Status and headers of the first answers."""
        self.cut = 0
        """How many downloads end in the middle."""
        self.damaged = 0
        """How many downloads have other bytes than announced."""

    def calls(self) -> list[str]:
        return [path.rpartition("/")[2] for path, _ in self.asked]


class Handler(ScriptedHandler):
    """The answers of Kaggle."""

    server: Kaggle

    def do_POST(self) -> None:  # noqa: N802 - the name that the server calls
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        self.server.authorizations.append(self.headers.get("Authorization"))
        if self.server.refusals:
            status, headers = self.server.refusals.pop(0)
            refusal = {"code": status, "message": f"{SECRET} is not allowed"}
            self.answer(status, json.dumps(refusal).encode(), {"Content-Type": "application/json", **headers})
        elif self.path == "/v1/datasets.DatasetApiService/GetDataset":
            newest = {"currentVersionNumber": max(self.server.versions)}
            self.answer(200, json.dumps(newest).encode(), {"Content-Type": "application/json"})
        else:
            number = body["datasetVersionNumber"]
            self.answer(302, b"", {"Location": f"/storage/{number}/archive.zip?X-Goog-Signature={SECRET}"})

    def do_GET(self) -> None:  # noqa: N802 - the name that the server calls
        self.server.ranges.append(self.headers.get("Range"))
        body = self.server.versions[int(self.path.split("/")[2])]
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"Accept-Ranges": "bytes", "x-goog-hash": f"crc32c=AAAAAA==,md5={md5}"}
        if self.server.cut:
            self.server.cut -= 1
            self.answer(200, body[:50], headers, announced=len(body))
        elif self.server.damaged:
            self.server.damaged -= 1
            self.answer(200, bytes(len(body)), headers)
        else:
            self.answer(200, body, headers)


@pytest.fixture
def kaggle(monkeypatch, tmp_path) -> Iterator[Kaggle]:
    """A server that the client takes for Kaggle; there are no credentials, and its cache is empty."""
    environment = pytest.importorskip("kagglesdk.kaggle_env")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_ENVIRONMENT", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.0)
    server = Kaggle()
    address = f"http://127.0.0.1:{server.server_port}"
    # The only setting of the client for this uses a fixed port and prints credentials.
    monkeypatch.setitem(environment._env_to_endpoint, environment.KaggleEnv.PROD, address)
    with serving(server):
        yield server


def body(found: FoundFile) -> str:
    return found.path.read_text(encoding="utf-8")


def fetch_kaggle(known: int | None = None) -> FoundFile | None:
    versions = {} if known is None else {ORIGIN: KnownVersion(number=known)}
    return next(iter(fetch_from_kaggle("kaggle", Path("not used"), SeenFiles(versions=versions))), None)


def test_the_newest_version_is_requested_without_a_download(kaggle) -> None:
    kaggle.versions[7] = archive("7")
    assert fetch_kaggle(7) is None
    assert kaggle.asked == [
        (
            "/v1/datasets.DatasetApiService/GetDataset",
            {"ownerSlug": "snap", "datasetSlug": "amazon-fine-food-reviews"},
        )
    ]


def test_only_a_newer_version_is_downloaded(kaggle) -> None:
    first = fetch_kaggle()
    assert body(first) == csv_text()
    assert (first.name, first.origin) == ("Reviews.csv", "kaggle:snap/amazon-fine-food-reviews/Reviews.csv")
    assert first.version == KnownVersion(number=1)
    assert kaggle.calls() == ["GetDataset", "DownloadDataset"]

    assert fetch_kaggle(1) is None
    assert body(fetch_kaggle()) == csv_text()
    assert kaggle.calls() == ["GetDataset", "DownloadDataset", "GetDataset", "GetDataset"], "the cache has version 1"

    kaggle.versions[2] = archive("newer")
    second = fetch_kaggle(1)
    assert body(second) == "newer"
    assert second.version == KnownVersion(number=2)
    assert body(first) == csv_text(), "the version before is unchanged"


def test_the_raw_file_is_a_copy(kaggle, store) -> None:
    summary = store.summary(fetch_dumps(store, "kaggle"), FetchSummary)
    assert (summary.files[0].name, summary.demo) == ("Reviews.csv", False)
    assert body(fetch_kaggle()) == csv_text(), "the file is still in the cache of the client"


def test_the_wait_that_a_server_asks_for_is_respected(kaggle, monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    kaggle.refusals = [(429, {"Retry-After": "3"}), (503, {})]
    assert body(fetch_kaggle()) == csv_text()
    assert waits == [3.0, 0.0]

    kaggle.refusals = [(429, {"Retry-After": "3"})] * 3
    with pytest.raises(SourceUnavailableError, match="in 3 attempts: the server answered status 429"):
        fetch_kaggle()
    kaggle.refusals = [(429, {"Retry-After": "7200"})]
    with pytest.raises(SourceUnavailableError, match="asks to wait 7,200 seconds"):
        fetch_kaggle()
    assert waits == [3.0, 0.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "The credentials are not accepted"),
        (403, "accept the rules of the data set on its page"),
        (404, "no longer exists"),
    ],
)
def test_a_refusal_is_reported_and_not_retried(kaggle, monkeypatch, caplog, status, advice) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    kaggle.refusals = [(status, {})]
    with pytest.raises(SourceError) as error:
        fetch_kaggle()
    assert not isinstance(error.value, SourceUnavailableError)
    assert f"Kaggle answered status {status}" in str(error.value)
    assert advice in str(error.value)
    assert kaggle.calls() == ["GetDataset"]
    assert SECRET not in str(error.value) + caplog.text


def test_credentials_of_the_environment_are_sent_and_not_shown(kaggle, monkeypatch, caplog, capsys) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KAGGLE_USERNAME", "ann")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    fetch_kaggle()
    assert set(kaggle.authorizations) == {"Basic " + base64.b64encode(f"ann:{SECRET}".encode()).decode()}
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    fetch_kaggle()
    assert kaggle.authorizations[-1] == f"Bearer {SECRET}"
    printed = capsys.readouterr()
    assert SECRET not in caplog.text + printed.out + printed.err


def test_an_interrupted_download_starts_from_the_first_byte(kaggle, caplog) -> None:
    kaggle.cut = 2
    assert body(fetch_kaggle()) == csv_text()
    assert kaggle.ranges == [None, None, None], "the client would request and append the rest"
    assert "the download was cut short" in caplog.text


def test_a_download_that_stays_short_is_refused_and_leaves_nothing_to_append_to(kaggle) -> None:
    kaggle.cut = 3
    with pytest.raises(SourceUnavailableError, match="in 3 attempts: the download was cut short") as error:
        fetch_kaggle()
    assert SECRET not in str(error.value)
    # Meanwhile the server has other bytes under the same number.
    kaggle.versions[1] = archive("another")
    assert body(fetch_kaggle()) == "another"
    assert set(kaggle.ranges) == {None}


def test_bytes_other_than_announced_are_fetched_again(kaggle) -> None:
    kaggle.damaged = 1
    assert body(fetch_kaggle()) == csv_text()
    kaggle.versions[2] = archive("newer")
    kaggle.damaged = 3
    with pytest.raises(SourceUnavailableError, match="not those that Kaggle announced"):
        fetch_kaggle(1)


def test_a_data_set_without_its_file(kaggle) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("Reviews.parquet", "x")
    kaggle.versions[1] = packed.getvalue()
    with pytest.raises(SourceError, match=r"does not contain Reviews.csv, but 'Reviews.parquet'"):
        fetch_kaggle()


def test_an_unreachable_server(kaggle) -> None:
    kaggle.shutdown()
    kaggle.server_close()
    with pytest.raises(SourceUnavailableError, match="in 3 attempts: the connection failed"):
        fetch_kaggle()


def test_a_cache_that_cannot_be_written(kaggle, monkeypatch, tmp_path) -> None:
    blocked = Path(tmp_path / "blocked")
    blocked.write_text("a file")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(blocked))
    with pytest.raises(SourceError, match="KAGGLEHUB_CACHE"):
        fetch_kaggle()
