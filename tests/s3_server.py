"""An S3 server of the tests: moto's, on the loopback, which knows one login and fails on request."""

from __future__ import annotations

import itertools
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

ACCESS_KEY = "AKIATESTING"
SECRET_KEY = "a-secret/of+the-tests"  # noqa: S105 - opens nothing but a server of a test
FAULTS = ("slow down", "internal error", "late", "reset before", "unavailable", "reset after")
"""What goes wrong, one after the other: three answers, a pause, a cut connection, an answer that never arrives."""
ERRORS = {
    "slow down": ("503 Slow Down", "SlowDown"),
    "internal error": ("500 Internal Server Error", "InternalError"),
    "unavailable": ("503 Service Unavailable", "ServiceUnavailable"),
    "stranger": ("403 Forbidden", "AccessDenied"),
}
LATE_SECONDS = 0.2

_buckets = itertools.count(1)


@dataclass(frozen=True)
class Request:
    """A request that the server carried out.

    Attributes:
        method: ``GET``, ``PUT``, …
        path: ``/bucket/key``, as it was sent.
        conditional: It had the header ``If-None-Match``.
        status: What the server answered.
        fault: What went wrong with it, besides.
    """

    method: str
    path: str
    conditional: bool
    status: int
    fault: str | None


@dataclass
class S3Server:
    """The server; a context manager.

    Attributes:
        fault_every: Every how manieth request something goes wrong with; ``None`` is none.
        faulty: Requests of which the first one loses its answer, by a pattern on ``METHOD /path``.
        requests: What was asked, in order.
    """

    fault_every: int | None = None
    faulty: re.Pattern[str] | None = None
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take a port; nothing answers yet."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        class Handler(MotoRequestHandler):
            def connection_dropped(self, *_: object) -> None:
                self.close_connection = True

            def log_request(self, *_: object) -> None:
                """Say nothing: ``requests`` has it."""

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self._asked = 0
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        """Answer from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def make_bucket(self) -> str:
        """Return the name of a new, empty bucket; no other test of this process has it."""
        import boto3

        name = f"bucket-{next(_buckets)}"
        login = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **login).create_bucket(Bucket=name)
        return name

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return every object of a bucket by its key, read past the server."""
        from moto.s3.models import s3_backends

        found = s3_backends["123456789012"]["aws"].buckets[bucket].keys
        return {name: key.value for name, key in found.items()}

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if f"Credential={ACCESS_KEY}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self._fail(environ, start_response, "stranger")
        with self._lock:
            fault = self._fault(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if fault == "late":
            time.sleep(LATE_SECONDS)
        if fault == "reset before":
            self._told(environ, 0, fault)
            return _cut(environ)
        if fault in ERRORS:
            return self._fail(environ, start_response, fault)
        statuses: list[int] = []

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            statuses.append(int(status.split(maxsplit=1)[0]))
            return (lambda _: None) if fault == "reset after" else start_response(status, headers, *rest)

        answer = self._moto(environ, started)
        # The WSGI application starts its answer when it is read.
        body = list(answer)
        self._told(environ, statuses[0], fault)
        return _cut(environ) if fault == "reset after" else body

    def _fault(self, request: str) -> str | None:
        self._asked += 1
        if self.faulty is not None and self.faulty.search(request):
            self.faulty = None
            return "reset after"
        if self.fault_every is None or self._asked % self.fault_every:
            return None
        return FAULTS[self._asked // self.fault_every % len(FAULTS)]

    def _told(self, environ: dict[str, Any], status: int, fault: str | None = None) -> None:
        conditional = "HTTP_IF_NONE_MATCH" in environ
        with self._lock:
            self.requests.append(Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], conditional, status, fault))

    def _fail(self, environ: dict[str, Any], start_response: Callable[..., Any], fault: str) -> Iterable[bytes]:
        """Answer with an error as S3 does: in XML, and to ``HEAD`` without a word."""
        status, code = ERRORS[fault]
        # What was sent along is read first: an answer before that would be a cut connection.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self._told(environ, int(status.split(maxsplit=1)[0]), fault)
        start_response(status, [("Content-Type", "application/xml")])
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>Not now, or not you.</Message></Error>'
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body.encode()]


def only_these_credentials(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Let the process's own AWS settings be these and no others."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "FSSPEC_")):
            monkeypatch.delenv(name)
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, value in {**nowhere, "AWS_EC2_METADATA_DISABLED": "true", **environment}.items():
        monkeypatch.setenv(name, value)


def _cut(environ: dict[str, Any]) -> Iterable[bytes]:
    """Reset the connection, as a proxy that is started anew does."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
    raise ConnectionResetError("cut on purpose")
