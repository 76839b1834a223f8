"""Dumps behind http:// and s3://: what comes, what is known, what is tried again, refused, and never shown."""

from __future__ import annotations

import base64
import gzip
import logging
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.errors import SourceError, SourceUnavailableError
from pipeline.sources import FetchSummary, addresses, staging, web
from pipeline.sources.addresses import checked_addresses, is_public
from pipeline.sources.records import KnownVersion
from pipeline.sources.s3 import file_system
from pipeline.sources.staging import FoundFile, NotModified
from pipeline.sources.web import download
from tests.unit.readers.factories import read
from tests.unit.sources.factories import csv_text, fetch_dumps

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
        self.hosts: list[str | None] = []
        self.version = '"one"'
        self.retry_after = "0"

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
        self.server.hosts.append(self.headers.get("Host"))
        path = self.path.partition("?")[0]
        if path.startswith("/versioned/"):
            self.versioned(path)
        elif self.server.failures and path.startswith("/flaky"):
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

    def versioned(self, path: str) -> None:
        """Answer as a server does that knows versions."""
        told = (
            ("ETag", self.server.version) if path == "/versioned/etag.csv" else ("Last-Modified", self.server.version)
        )
        asked = self.headers.get("If-None-Match") or self.headers.get("If-Modified-Since")
        if path == "/versioned/none.csv":
            self.answer(200, CSV)
        elif path == "/versioned/hostile.csv":
            self.answer(200, CSV, ("ETag", "x" * 2000))
        elif path == "/versioned/always.csv":
            self.answer(304, b"")
        elif path == "/versioned/busy.csv":
            self.answer(429, b"later", ("Retry-After", self.server.retry_after))
        elif asked == self.server.version:
            self.answer(304, b"")
        elif self.server.failures:
            self.server.failures -= 1
            self.answer(200, b"old,old", told, announced=len(CSV))
            self.server.version = '"two"'
            self.close_connection = True
        else:
            self.answer(200, CSV, told)

    def answer(self, status: int, body: bytes, *headers: tuple[str, str], announced: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(web, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES", "1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def refused(store, url: str) -> str:
    with pytest.raises(SourceError) as error:
        fetch_dumps(store, url)
    assert not list(store.root.glob("artifacts/*/*"))
    assert not list(store.root.glob("in_progress/*"))
    return str(error.value)


def test_a_url_is_read_like_a_file(server, store) -> None:
    rows, summary = read(store, server.url("/Reviews.csv"))
    assert len(rows) == 2
    assert summary.files[0].name == "Reviews.csv"


def test_packed_bytes_are_kept_packed(server, store) -> None:
    reference = fetch_dumps(store, server.url("/packed.csv.gz"))
    raw = store.folder(reference) / store.summary(reference, FetchSummary).files[0].path
    assert gzip.decompress(raw.read_bytes()) == CSV
    assert server.codings == ["identity"], "the server shall not pack for the way what is kept as it came"


def test_redirects_are_followed_within_bounds(server, store) -> None:
    reference = fetch_dumps(store, server.url("/moved.csv"))
    (file,) = store.summary(reference, FetchSummary).files
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
    reference = fetch_dumps(store, url)
    assert server.asked == [("/Reviews.csv?signature=geheim", "Basic " + base64.b64encode(b"ann:pa@sswort").decode())]
    stored = "".join(path.read_text() for path in store.folder(reference).glob("*.json"))
    missing = refused_after_success(store, server.url("/gone.csv?signature=geheim", login="ann:pa%40sswort@"))
    for shown in (stored, missing, caplog.text):
        assert "geheim" not in shown
        assert "sswort" not in shown
    assert server.url("/Reviews.csv") in stored


def refused_after_success(store, url: str) -> str:
    with pytest.raises(SourceError) as error:
        fetch_dumps(store, url)
    return str(error.value)


@pytest.mark.parametrize("path", ["/versioned/etag.csv", "/versioned/date.csv"])
def test_only_a_newer_version_is_fetched(server, tmp_path, path) -> None:
    server.version = '"one"' if "etag" in path else "Wed, 25 Nov 2026 10:00:00 GMT"
    first = download(server.url(path), tmp_path)
    assert first.version is not None
    again = download(server.url(path + "?signature=geheim"), tmp_path, first.version)
    assert again == NotModified(server.url(path), first.version)
    server.version = '"two"' if "etag" in path else "Thu, 26 Nov 2026 10:00:00 GMT"
    newer = download(server.url(path), tmp_path, first.version)
    assert isinstance(newer, FoundFile)
    assert newer.version != first.version
    assert newer.path.read_bytes() == CSV


def test_a_server_that_knows_no_versions_sends_the_file_again(server, tmp_path) -> None:
    first = download(server.url("/versioned/none.csv"), tmp_path)
    assert first.version is None
    assert isinstance(download(server.url("/versioned/none.csv"), tmp_path, KnownVersion(etag='"one"')), FoundFile)
    assert download(server.url("/versioned/hostile.csv"), tmp_path).version is None


def test_not_modified_is_no_answer_to_who_knows_nothing(server, tmp_path) -> None:
    for known in (None, KnownVersion()):
        with pytest.raises(SourceError, match="answered status 304, expected 200"):
            download(server.url("/versioned/always.csv"), tmp_path, known)


def test_a_file_that_changes_in_between_is_not_pieced_together(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(staging, "BLOCK_BYTES", 4)  # so that something of the first attempt is on the disk
    server.failures = 1
    found = download(server.url("/versioned/etag.csv"), tmp_path, KnownVersion(etag='"zero"'))
    assert isinstance(found, FoundFile)
    assert found.path.read_bytes() == CSV, "nothing of the version that broke off"
    assert found.version == KnownVersion(etag='"two"')


def test_a_server_is_left_alone_as_long_as_it_asks(server, tmp_path, monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(web.time, "sleep", waits.append)
    server.retry_after = "7"
    with pytest.raises(SourceUnavailableError, match="answered status 429"):
        download(server.url("/versioned/busy.csv"), tmp_path)
    assert waits == [7.0, 7.0]
    server.retry_after = "86400"
    with pytest.raises(SourceUnavailableError, match="asks to be left alone for 86,400 seconds"):
        download(server.url("/versioned/busy.csv"), tmp_path)
    server.retry_after = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    with pytest.raises(SourceUnavailableError, match="asks to be left alone for 7,"):
        download(server.url("/versioned/busy.csv"), tmp_path)
    assert len(waits) == 2


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.1.2.3",
     "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1",
     "ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"],
)  # fmt: skip
def test_addresses_inside(address) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700:4700::1111"])
def test_addresses_outside(address) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"]
)
def test_no_request_goes_inside_however_it_is_written(server, store, monkeypatch, host) -> None:
    monkeypatch.delenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES")
    message = refused(store, f"http://ann:pa%40sswort@{host}:{server.server_port}/Reviews.csv?signature=geheim")
    assert f"The host '{host.strip('[]')}' has a private address" in message
    assert "REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES=1" in message
    assert "geheim" not in message
    assert "sswort" not in message
    assert server.asked == []


def test_octal_addresses_are_judged_as_the_resolver_reads_them() -> None:
    with pytest.raises(addresses.PrivateAddressError):
        checked_addresses("0177.0.0.1", 80)


def looked_up(monkeypatch, answers: dict[str, list[str]]) -> list[str]:
    """Let names mean these addresses, one after the other, and loopback count as public; return who was asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        known = answers.get(host, [host])
        found = known.pop(0) if len(known) > 1 else known[0]
        return [(2, 1, 6, "", (address, port)) for address in found.split()]

    judged = addresses.is_public
    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1" or judged(address))
    monkeypatch.delenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES")
    return asked


def test_a_name_is_looked_up_once_and_that_address_is_used(server, tmp_path, monkeypatch) -> None:
    asked = looked_up(monkeypatch, {"dumps.example": ["127.0.0.1", "10.0.0.1"]})
    found = download(f"http://dumps.example:{server.server_port}/Reviews.csv", tmp_path)
    assert found.path.read_bytes() == CSV
    assert asked.count("dumps.example") == 1, "a second answer could be another one"
    assert server.hosts == [f"dumps.example:{server.server_port}"], "the server is asked under the name"


@pytest.fixture
def certified(server, tmp_path, monkeypatch) -> Server:
    """The server behind TLS, with a certificate for ``dumps.example`` alone, which the client trusts."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dumps.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("dumps.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.sni_callback = lambda _, asked, __: server.hosts.append(f"SNI {asked}")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    return server


def test_certificates_are_checked_for_the_name_and_not_for_the_address(certified, tmp_path, monkeypatch) -> None:
    looked_up(monkeypatch, {"dumps.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    port = certified.server_port
    assert download(f"https://dumps.example:{port}/Reviews.csv", tmp_path).path.read_bytes() == CSV
    assert certified.hosts == ["SNI dumps.example", f"dumps.example:{port}"]
    with pytest.raises(SourceError, match="certificate"):
        download(f"https://other.example:{port}/Reviews.csv", tmp_path)
    assert len(certified.asked) == 1


def test_one_private_address_among_several_is_enough_to_refuse(server, monkeypatch) -> None:
    looked_up(monkeypatch, {"dumps.example": ["127.0.0.1 192.168.0.7"]})
    with pytest.raises(addresses.PrivateAddressError):
        checked_addresses("dumps.example", 80)


def test_each_redirect_is_checked_anew(server, tmp_path, monkeypatch) -> None:
    looked_up(monkeypatch, {"dumps.example": ["127.0.0.1", "10.0.0.1"]})
    with pytest.raises(SourceError, match=r"The host 'dumps.example' has a private address"):
        download(f"http://dumps.example:{server.server_port}/moved.csv", tmp_path)
    assert [path for path, _ in server.asked] == ["/moved.csv"]


@pytest.mark.parametrize("found", ["127.0.0.2 127.0.0.1", "127.0.0.1 127.0.0.2"])
def test_the_next_address_is_tried_where_nobody_answers(server, tmp_path, monkeypatch, found) -> None:
    # Nothing listens on the second loopback address, which refuses at once.
    looked_up(monkeypatch, {"dumps.example": [found]})
    monkeypatch.setattr(addresses, "is_public", lambda _: True)
    assert download(f"http://dumps.example:{server.server_port}/Reviews.csv", tmp_path).path.read_bytes() == CSV


def test_a_proxy_of_the_environment_looks_names_up_itself(server, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES")
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(SourceError, match="answered status 404"):
        download("http://no-such-name.invalid/nothing.csv", tmp_path)
    assert server.asked[0][0] == "http://no-such-name.invalid/nothing.csv"
    with pytest.raises(addresses.PrivateAddressError):
        download("http://localhost/Reviews.csv", tmp_path)
    assert len(server.asked) == 1


def test_an_address_that_is_none(store) -> None:
    for url in ("http://", "http://[::1", "http://host:port/x", "https:///x"):
        assert "Check the address" in refused(store, url)


@pytest.fixture
def bucket(s3) -> str:
    """A bucket with dumps on an S3 server of this test alone."""
    files, name = file_system(), s3.make_bucket()
    files.pipe(f"{name}/Reviews.csv", CSV)
    files.pipe(f"{name}/shards/b.csv.gz", gzip.compress(CSV))
    files.pipe(f"{name}/shards/a.csv", CSV)
    files.pipe(f"{name}/shards/README.md", b"hello")
    files.pipe(f"{name}/notes/README.md", b"hello")
    return name


def test_s3_object_and_prefix(bucket, store) -> None:
    rows, summary = read(store, f"s3://{bucket}/Reviews.csv")
    assert len(rows) == 2
    rows, summary = read(store, f"s3://{bucket}/shards")
    assert [file.name for file in summary.files] == ["a.csv", "b.csv.gz"]
    reference = fetch_dumps(store, f"s3://{bucket}/shards/")
    origins = [file.origin for file in store.summary(reference, FetchSummary).files]
    assert origins == [f"s3://{bucket}/shards/a.csv", f"s3://{bucket}/shards/b.csv.gz"]
    assert "no such object or prefix" in refused_after_success(store, f"s3://{bucket}/nothing.csv")
    assert "no dump of reviews lies directly below" in refused_after_success(store, f"s3://{bucket}/notes/")
    assert "no such object or prefix" in refused_after_success(store, "s3://no-such-bucket/x.csv")


def test_s3_takes_no_login_in_the_address(store) -> None:
    message = refused(store, "s3://AKIA:secret@bucket/x.csv")
    assert "credentials belong in the environment" in message
    assert "secret@" not in message
