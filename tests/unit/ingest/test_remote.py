"""Dumps behind http:// and s3://: what comes, what is tried again, what is refused, what is never shown."""

from __future__ import annotations

import base64
import gzip
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.config import DataConfig
from pipeline.errors import SourceError
from pipeline.ingest import LandSummary, http_source, land, staging
from tests.unit.ingest.dumps import csv_text, read

CSV = csv_text().encode()


class Server(ThreadingHTTPServer):
    """Answers from a script and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port of this machine."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.codings: list[str | None] = []
        self.failures = 0

    def url(self, path: str, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    """The script, by path."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.server.codings.append(self.headers.get("Accept-Encoding"))
        path = self.path.partition("?")[0]
        if self.server.failures and path.startswith("/flaky"):
            self.server.failures -= 1
            if path == "/flaky/cut.csv":
                self.answer(200, CSV[:40], announced=len(CSV))
                self.close_connection = True
                return
            self.answer(503, b"later")
        elif path in {"/Reviews.csv", "/flaky/cut.csv", "/flaky/busy.csv"}:
            self.answer(200, CSV)
        elif path == "/packed.csv.gz":
            self.answer(200, gzip.compress(CSV), ("Content-Encoding", "gzip"))
        elif path == "/page.csv":
            self.answer(200, b"<html>Sign in</html>", ("Content-Type", "text/html; charset=utf-8"))
        elif path == "/hidden-page.csv":
            self.answer(200, b"<!doctype html><title>Sign in</title>", ("Content-Type", "application/octet-stream"))
        elif path == "/moved.csv":
            self.answer(302, b"", ("Location", "/Reviews.csv"))
        elif path == "/circle.csv":
            self.answer(302, b"", ("Location", "/circle.csv"))
        elif path == "/to-file.csv":
            self.answer(302, b"", ("Location", "file:///etc/passwd"))
        else:
            self.answer(404, b"nothing here")

    def answer(self, status: int, body: bytes, *headers: tuple[str, str], announced: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(http_source, "PAUSE_SECONDS", 0.0)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def refused(store, url: str) -> str:
    with pytest.raises(SourceError) as error:
        land(DataConfig(dumps=(url,)), store)
    assert not list(store.root.glob("artifacts/*/*"))
    assert not list(store.root.glob("in_progress/*"))
    return str(error.value)


def test_a_url_is_read_like_a_file(server, store) -> None:
    rows, summary = read(store, server.url("/Reviews.csv"))
    assert len(rows) == 2
    assert summary.files[0].name == "Reviews.csv"


def test_packed_bytes_are_kept_packed(server, store) -> None:
    reference = land(DataConfig(dumps=(server.url("/packed.csv.gz"),)), store)
    raw = store.folder(reference) / store.summary(reference, LandSummary).files[0].path
    assert gzip.decompress(raw.read_bytes()) == CSV
    assert server.codings == ["identity"], "the server shall not pack for the way what is kept as it came"


def test_redirects_are_followed_within_bounds(server, store) -> None:
    reference = land(DataConfig(dumps=(server.url("/moved.csv"),)), store)
    (file,) = store.summary(reference, LandSummary).files
    assert (file.name, file.origin) == ("moved.csv", server.url("/moved.csv"))


def test_endless_and_foreign_redirects_are_refused(server, store) -> None:
    assert "redirects more than 5 times" in refused(store, server.url("/circle.csv"))
    assert len(server.asked) == 6
    assert "neither http nor https" in refused(store, server.url("/to-file.csv"))


def test_status_404_is_told_and_not_tried_again(server, store) -> None:
    message = refused(store, server.url("/gone.csv"))
    assert "the server answered status 404, expected 200. There is no such file" in message
    assert "/gone.csv" in message
    assert len(server.asked) == 1


@pytest.mark.parametrize("path", ["/page.csv", "/hidden-page.csv"])
def test_a_web_page_is_no_dump(server, store, path) -> None:
    message = refused(store, server.url(path))
    assert "page" in message
    assert "not a dump of reviews" in message


@pytest.mark.parametrize("path", ["/flaky/busy.csv", "/flaky/cut.csv"])
def test_passing_failures_are_tried_again(server, store, path) -> None:
    server.failures = 2
    assert len(read(store, server.url(path))[0]) == 2
    assert len(server.asked) == 3


def test_a_body_that_stays_short_is_refused(server, store) -> None:
    server.failures = 9
    message = refused(store, server.url("/flaky/cut.csv"))
    assert "could not be fetched in 3 attempts: the body was cut short" in message
    assert "answered status 503" in refused(store, server.url("/flaky/busy.csv"))


def test_nobody_there(server, store) -> None:
    url = server.url("/Reviews.csv")
    server.shutdown()
    server.server_close()
    assert "the connection failed" in refused(store, url)


def test_a_download_beyond_the_limit_is_stopped(server, store, monkeypatch) -> None:
    monkeypatch.setattr(staging, "MAX_DUMP_BYTES", 50)
    assert "a dump may have 50." in refused(store, server.url("/Reviews.csv"))


def test_login_and_query_reach_the_server_and_nothing_else(server, store, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.url("/Reviews.csv?signature=geheim", login="ann:pa%40sswort@")
    reference = land(DataConfig(dumps=(url,)), store)
    assert server.asked == [("/Reviews.csv?signature=geheim", "Basic " + base64.b64encode(b"ann:pa@sswort").decode())]
    stored = "".join(path.read_text() for path in store.folder(reference).glob("*.json"))
    missing = refused_after_success(store, server.url("/gone.csv?signature=geheim", login="ann:pa%40sswort@"))
    for shown in (stored, missing, caplog.text):
        assert "geheim" not in shown
        assert "sswort" not in shown
    assert server.url("/Reviews.csv") in stored


def refused_after_success(store, url: str) -> str:
    with pytest.raises(SourceError) as error:
        land(DataConfig(dumps=(url,)), store)
    return str(error.value)


def test_an_address_that_is_none(store) -> None:
    for url in ("http://", "http://[::1", "http://host:port/x", "https:///x"):
        assert "Check the address" in refused(store, url)


@pytest.fixture
def bucket(monkeypatch) -> Iterator[object]:
    """An S3 server of this test alone, with a bucket ``dumps``."""
    moto = pytest.importorskip("moto.server")
    fsspec = pytest.importorskip("fsspec")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    files = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    name = f"dumps-{port}"
    files.mkdir(name)
    files.pipe(f"{name}/Reviews.csv", CSV)
    files.pipe(f"{name}/shards/b.csv.gz", gzip.compress(CSV))
    files.pipe(f"{name}/shards/a.csv", CSV)
    files.pipe(f"{name}/shards/README.md", b"hello")
    files.pipe(f"{name}/notes/README.md", b"hello")
    yield name
    server.stop()


def test_s3_object_and_prefix(bucket, store) -> None:
    rows, summary = read(store, f"s3://{bucket}/Reviews.csv")
    assert len(rows) == 2
    rows, summary = read(store, f"s3://{bucket}/shards")
    assert [file.name for file in summary.files] == ["a.csv", "b.csv.gz"]
    reference = land(DataConfig(dumps=(f"s3://{bucket}/shards/",)), store)
    origins = [file.origin for file in store.summary(reference, LandSummary).files]
    assert origins == [f"s3://{bucket}/shards/a.csv", f"s3://{bucket}/shards/b.csv.gz"]
    assert "no such object or prefix" in refused_after_success(store, f"s3://{bucket}/nothing.csv")
    assert "no dump of reviews lies directly below" in refused_after_success(store, f"s3://{bucket}/notes/")
    assert "no such object or prefix" in refused_after_success(store, "s3://no-such-bucket/x.csv")


def test_s3_takes_no_login_in_the_address(store) -> None:
    message = refused(store, "s3://AKIA:secret@bucket/x.csv")
    assert "credentials belong in the environment" in message
    assert "secret@" not in message
