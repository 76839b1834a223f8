"""Dumps behind http:// addresses: downloads, versions, retries, refusals, and secrets that are never shown."""

from __future__ import annotations

import base64
import gzip
import hashlib
import logging
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import ThreadingHTTPServer

import pytest

from pipeline.errors import SourceError, SourceUnavailableError
from pipeline.sources import addresses, retry, source, web
from pipeline.sources.addresses import checked_addresses
from pipeline.sources.records import KnownVersion
from pipeline.sources.source import FoundFile
from tests.unit.sources.factories import ScriptedHandler, csv_text, download, fetch_dumps, fetched_files, serving

CSV = csv_text().encode()
PACKED = gzip.compress(CSV)
REDIRECTS = {
    "/moved.csv": "/Reviews.csv",
    "/circle.csv": "/circle.csv",
    "/to-file.csv": "file:///etc/passwd",
    "/to-plain.csv": None,
}
"""Targets by path; ``None`` is the URL of another server without TLS."""


class Server(ThreadingHTTPServer):
    """Answers from a script and records the requests."""

    def __init__(self) -> None:
        """Listen on a free port of this machine."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.codings: list[str | None] = []
        self.failures = 0
        self.hosts: list[str | None] = []
        self.version = '"one"'
        self.retry_after = "0"
        self.plain = ""

    def url(self, path: str, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.server_port}{path}"


class Handler(ScriptedHandler):
    """The script, by path."""

    server: Server

    def do_GET(self) -> None:  # noqa: N802 - the name that the server calls
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
            else:
                self.answer(503, b"later")
        elif path in {"/Reviews.csv", "/flaky/cut.csv", "/flaky/busy.csv"}:
            self.answer(200, CSV)
        elif path == "/packed.csv.gz":
            self.answer(200, PACKED, {"Content-Encoding": "gzip"})
        elif path == "/page.csv":
            self.answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html; charset=utf-8"})
        elif path == "/hidden-page.csv":
            self.answer(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "application/octet-stream"})
        elif path in REDIRECTS:
            self.answer(302, b"", {"Location": REDIRECTS[path] or self.server.plain})
        else:
            self.answer(404, b"nothing here")

    def versioned(self, path: str) -> None:
        """Answer as a server with versions does."""
        headers = {"ETag" if path == "/versioned/etag.csv" else "Last-Modified": self.server.version}
        asked = self.headers.get("If-None-Match") or self.headers.get("If-Modified-Since")
        if path == "/versioned/none.csv":
            self.answer(200, CSV)
        elif path == "/versioned/hostile.csv":
            self.answer(200, CSV, {"ETag": "x" * 2000})
        elif path == "/versioned/always.csv":
            self.answer(304, b"")
        elif path == "/versioned/busy.csv":
            self.answer(429, b"later", {"Retry-After": self.server.retry_after})
        elif asked == self.server.version:
            self.answer(304, b"")
        elif self.server.failures:
            self.server.failures -= 1
            self.answer(200, b"old,old", headers, announced=len(CSV))
            self.server.version = '"two"'
        else:
            self.answer(200, CSV, headers)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.setenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES", "1")
    server = Server()
    with serving(server):
        yield server


def refused(store, url: str) -> str:
    with pytest.raises(SourceError) as error:
        fetch_dumps(store, url)
    assert not list(store.root.glob("artifacts/*/*"))
    assert not list(store.root.glob("in_progress/*"))
    return str(error.value)


def test_a_url_is_fetched(server, store) -> None:
    (file,) = fetched_files(store, server.url("/Reviews.csv"))
    assert (file.name, file.sha256) == ("Reviews.csv", hashlib.sha256(CSV).hexdigest())


def test_packed_bytes_are_kept_packed(server, store) -> None:
    (file,) = fetched_files(store, server.url("/packed.csv.gz"))
    assert file.sha256 == hashlib.sha256(PACKED).hexdigest()
    assert server.codings == ["identity"], "the server must not compress the file for the transfer"


def test_redirects_are_followed_within_bounds(server, store) -> None:
    (file,) = fetched_files(store, server.url("/moved.csv"))
    assert (file.name, file.origin) == ("moved.csv", server.url("/moved.csv"))


def test_endless_redirects_and_other_schemes_are_refused(server, store) -> None:
    assert "redirects more than 5 times" in refused(store, server.url("/circle.csv"))
    assert len(server.asked) == 6
    assert "neither http nor https" in refused(store, server.url("/to-file.csv"))


def test_status_404_is_not_retried(server, store) -> None:
    message = refused(store, server.url("/gone.csv"))
    assert "status 404" in message
    assert "/gone.csv" in message
    assert len(server.asked) == 1


@pytest.mark.parametrize("path", ["/page.csv", "/hidden-page.csv"])
def test_a_web_page_is_not_a_dump(server, store, path) -> None:
    assert "page" in refused(store, server.url(path))


@pytest.mark.parametrize("path", ["/flaky/busy.csv", "/flaky/cut.csv"])
def test_transient_failures_are_retried(server, store, path) -> None:
    server.failures = 2
    assert fetched_files(store, server.url(path))[0].bytes == len(CSV)
    assert len(server.asked) == 3


def test_a_body_that_stays_short_is_refused(server, store) -> None:
    server.failures = 9
    message = refused(store, server.url("/flaky/cut.csv"))
    assert "could not be fetched in 3 attempts: the body was cut short" in message
    assert "answered status 503" in refused(store, server.url("/flaky/busy.csv"))


def test_an_unreachable_server(server, store) -> None:
    url = server.url("/Reviews.csv")
    server.shutdown()
    server.server_close()
    assert "the connection failed" in refused(store, url)


def test_a_download_beyond_the_limit_is_stopped(server, store, monkeypatch) -> None:
    monkeypatch.setattr(source, "MAX_DUMP_BYTES", 50)
    assert "a dump may have 50." in refused(store, server.url("/Reviews.csv"))


def test_login_and_query_reach_the_server_and_nothing_else(server, store, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    url = server.url("/Reviews.csv?signature=geheim", login="ann:pa%40sswort@")
    reference = fetch_dumps(store, url)
    assert server.asked == [("/Reviews.csv?signature=geheim", "Basic " + base64.b64encode(b"ann:pa@sswort").decode())]
    stored = "".join(path.read_text() for path in store.folder(reference).glob("*.json"))
    with pytest.raises(SourceError) as error:
        fetch_dumps(store, server.url("/gone.csv?signature=geheim", login="ann:pa%40sswort@"))
    for shown in (stored, str(error.value), caplog.text):
        assert "geheim" not in shown
        assert "sswort" not in shown
    assert server.url("/Reviews.csv") in stored


@pytest.mark.parametrize("path", ["/versioned/etag.csv", "/versioned/date.csv"])
def test_only_a_newer_version_is_fetched(server, tmp_path, path) -> None:
    server.version = '"one"' if "etag" in path else "Wed, 25 Nov 2026 10:00:00 GMT"
    first = download(server.url(path), tmp_path)
    assert first.version is not None
    assert download(server.url(path), tmp_path, first.version) is None
    assert isinstance(download(server.url(path + "?part=2"), tmp_path, first.version), FoundFile), "another file"
    server.version = '"two"' if "etag" in path else "Thu, 26 Nov 2026 10:00:00 GMT"
    newer = download(server.url(path), tmp_path, first.version)
    assert isinstance(newer, FoundFile)
    assert newer.version != first.version
    assert newer.path.read_bytes() == CSV


def test_a_server_without_versions_sends_the_file_again(server, tmp_path) -> None:
    first = download(server.url("/versioned/none.csv"), tmp_path)
    assert first.version is None
    assert isinstance(download(server.url("/versioned/none.csv"), tmp_path, KnownVersion(etag='"one"')), FoundFile)
    assert download(server.url("/versioned/hostile.csv"), tmp_path).version is None


def test_status_304_is_refused_if_no_version_was_sent(server, tmp_path) -> None:
    for known in (None, KnownVersion()):
        with pytest.raises(SourceError, match="answered status 304, expected 200"):
            download(server.url("/versioned/always.csv"), tmp_path, known)


def test_a_file_that_changes_between_attempts_is_not_mixed(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(web, "BLOCK_BYTES", 4)  # so that something of the first attempt is on the disk
    server.failures = 1
    found = download(server.url("/versioned/etag.csv"), tmp_path, KnownVersion(etag='"zero"'))
    assert isinstance(found, FoundFile)
    assert found.path.read_bytes() == CSV, "no bytes of the first attempt"
    assert found.version == KnownVersion(etag='"two"')


def test_the_wait_that_a_server_asks_for_is_respected(server, tmp_path, monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    server.retry_after = "7"
    with pytest.raises(SourceUnavailableError, match="answered status 429"):
        download(server.url("/versioned/busy.csv"), tmp_path)
    assert waits == [7.0, 7.0]
    server.retry_after = "86400"
    with pytest.raises(SourceUnavailableError, match="asks to wait 86,400 seconds"):
        download(server.url("/versioned/busy.csv"), tmp_path)
    server.retry_after = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    with pytest.raises(SourceUnavailableError, match="asks to wait 7,"):
        download(server.url("/versioned/busy.csv"), tmp_path)
    assert len(waits) == 2


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"]
)
def test_private_hosts_are_refused_in_every_notation(server, store, monkeypatch, host) -> None:
    monkeypatch.delenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES")
    message = refused(store, f"http://ann:pa%40sswort@{host}:{server.server_port}/Reviews.csv?signature=geheim")
    assert f"The host '{host.strip('[]')}' has a private address" in message
    assert "geheim" not in message
    assert "sswort" not in message
    assert server.asked == []


def resolve(monkeypatch, answers: dict[str, list[str]]) -> list[str]:
    """Resolve names to these addresses in turn, with loopback as a public address; return the names asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        known = answers.get(host, [host])
        found = known.pop(0) if len(known) > 1 else known[0]
        return [(2, 1, 6, "", (address, port)) for address in found.split()]

    is_public = addresses.is_public
    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    monkeypatch.delenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES")
    return asked


def test_a_name_is_resolved_once_and_that_address_is_used(server, tmp_path, monkeypatch) -> None:
    asked = resolve(monkeypatch, {"dumps.example": ["127.0.0.1", "10.0.0.1"]})
    found = download(f"http://dumps.example:{server.server_port}/Reviews.csv", tmp_path)
    assert found.path.read_bytes() == CSV
    assert asked.count("dumps.example") == 1, "a second answer could differ"
    assert server.hosts == [f"dumps.example:{server.server_port}"], "the request keeps the name"


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


def test_certificates_are_checked_for_the_name(certified, tmp_path, monkeypatch) -> None:
    resolve(monkeypatch, {"dumps.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    port = certified.server_port
    assert download(f"https://dumps.example:{port}/Reviews.csv", tmp_path).path.read_bytes() == CSV
    assert certified.hosts == ["SNI dumps.example", f"dumps.example:{port}"]
    with pytest.raises(SourceError, match="certificate"):
        download(f"https://other.example:{port}/Reviews.csv", tmp_path)
    assert len(certified.asked) == 1


def test_a_redirect_from_https_to_http_is_refused(certified, tmp_path, monkeypatch) -> None:
    resolve(monkeypatch, {"dumps.example": ["127.0.0.1"]})
    plain = Server()
    certified.plain = plain.url("/Reviews.csv")
    with serving(plain), pytest.raises(SourceError, match="redirects from https to plain http"):
        download(f"https://dumps.example:{certified.server_port}/to-plain.csv", tmp_path)
    assert len(plain.asked) == 1


def test_one_private_address_among_several_is_refused(server, monkeypatch) -> None:
    resolve(monkeypatch, {"dumps.example": ["127.0.0.1 192.168.0.7"]})
    with pytest.raises(addresses.PrivateAddressError):
        checked_addresses("dumps.example", 80)


def test_each_redirect_is_checked(server, tmp_path, monkeypatch) -> None:
    resolve(monkeypatch, {"dumps.example": ["127.0.0.1", "10.0.0.1"]})
    with pytest.raises(SourceError, match=r"The host 'dumps.example' has a private address"):
        download(f"http://dumps.example:{server.server_port}/moved.csv", tmp_path)
    assert [path for path, _ in server.asked] == ["/moved.csv"]


@pytest.mark.parametrize("found", ["127.0.0.2 127.0.0.1", "127.0.0.1 127.0.0.2"])
def test_the_next_address_is_tried_if_one_does_not_answer(server, tmp_path, monkeypatch, found) -> None:
    # The second loopback address refuses connections.
    resolve(monkeypatch, {"dumps.example": [found]})
    monkeypatch.setattr(addresses, "is_public", lambda _: True)
    assert download(f"http://dumps.example:{server.server_port}/Reviews.csv", tmp_path).path.read_bytes() == CSV


def test_a_proxy_of_the_environment_resolves_names(server, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES")
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(SourceError, match="answered status 404"):
        download("http://no-such-name.invalid/nothing.csv", tmp_path)
    assert server.asked[0][0] == "http://no-such-name.invalid/nothing.csv"
    with pytest.raises(addresses.PrivateAddressError):
        download("http://localhost/Reviews.csv", tmp_path)
    assert len(server.asked) == 1


def test_invalid_addresses(store) -> None:
    for url in ("http://", "http://[::1", "http://host:port/x", "https:///x"):
        assert "Check the address" in refused(store, url)
