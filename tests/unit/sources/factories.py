"""Small dumps, and servers that answer from a script."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipeline.config import DataConfig
from pipeline.readers import check_dump
from pipeline.sources import FetchSummary, SeenFiles, fetch
from pipeline.sources.naming import without_secrets
from pipeline.sources.records import FetchedFile, KnownVersion
from pipeline.sources.source import FoundFile
from pipeline.sources.web import fetch_web
from pipeline.store import ArtifactReference, ArtifactStore

KAGGLE_HEADER = (
    "Id",
    "ProductId",
    "UserId",
    "ProfileName",
    "HelpfulnessNumerator",
    "HelpfulnessDenominator",
    "Score",
    "Time",
    "Summary",
    "Text",
)
TEA = ("1", "B001", "U1", "Ann", "1", "2", "5", "1303862400", "Good tea", "I like this tea.")
CHIPS = (
    "2",
    "B002",
    "U2",
    'Bo "chips"',
    "0",
    "0",
    "1",
    "1346976000",
    "Not, as advertised",
    'Salty, "stale"\nand <br /> old.',
)


def csv_text(
    rows: Iterable[Sequence[str]] = (TEA, CHIPS), header: Sequence[str] = KAGGLE_HEADER, **dialect: Any
) -> str:
    """Return a CSV as the writer of Python writes it; ``lineterminator`` is a line feed by default."""
    sink = io.StringIO()
    writer = csv.writer(sink, **{"lineterminator": "\n", **dialect})
    writer.writerow(header)
    writer.writerows(rows)
    return sink.getvalue()


def written(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    """Write a dump and return its path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def fetch_dumps(store: ArtifactStore, *dumps: Path | str) -> ArtifactReference:
    """Fetch dumps with the checks of the pipeline."""
    return fetch(DataConfig(dumps=tuple(str(dump) for dump in dumps)), store, check_dump)


def fetched_files(store: ArtifactStore, *dumps: Path | str) -> tuple[FetchedFile, ...]:
    """Fetch dumps and return their records."""
    return store.summary(fetch_dumps(store, *dumps), FetchSummary).files


def download(url: str, folder: Path, known: KnownVersion | None = None) -> FoundFile | None:
    """Download a file; return ``None`` if it is the version known before."""
    seen = SeenFiles(versions={} if known is None else {without_secrets(url): known})
    return next(iter(fetch_web(url, folder, seen)), None)


class ScriptedHandler(BaseHTTPRequestHandler):
    """Answers without a log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, announced: int | None = None
    ) -> None:
        """Send an answer; a body shorter than announced also ends the connection."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.end_headers()
        self.wfile.write(body)
        if announced is not None:
            self.close_connection = True


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run a server in a thread."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()
