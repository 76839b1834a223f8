"""A user's mistake ends in one clear sentence, a status other than 0, and nothing half-written."""

from __future__ import annotations

import gzip
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.factories import HEADER, reviews, write_csv


def empty(folder: Path) -> Path:
    path = folder / "Reviews.csv"
    path.touch()
    return path


def header_only(folder: Path) -> Path:
    return write_csv(folder / "Reviews.csv", [])


def missing_column(folder: Path) -> Path:
    return write_csv(folder / "Reviews.csv", [[*row[:9], row[9]] for row in reviews(300)], [*HEADER[:9], "Opinion"])


def lfs_pointer(folder: Path) -> Path:
    path = folder / "Reviews.csv"
    oid = "a88348c20ed3f85d647e8fbaac0a730ab2f09f95e5d1f4bcf1f9e3650ef624d7"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 300904694\n")
    return path


def truncated_gzip(folder: Path) -> Path:
    path = folder / "Reviews.csv.gz"
    whole = gzip.compress(write_csv(folder / "whole", reviews(5000)).read_bytes())
    (folder / "whole").unlink()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def climbing_zip(folder: Path) -> Path:
    path = folder / "Reviews.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../Reviews.csv", "Score,Text\n5,good\n")
    return path


def no_reviews(folder: Path) -> Path:
    shards = folder / "shards"
    shards.mkdir()
    (shards / ".hidden.csv").write_text("Score,Text\n5,good\n")
    return shards


def binary(folder: Path) -> Path:
    path = folder / "Reviews.csv"
    path.write_bytes(b"\x7fELF" + bytes(range(256)) * 40)
    return path


def unrated(folder: Path) -> Path:
    return write_csv(folder / "Reviews.csv", reviews(400, lambda i: f"{1 + i % 5}.0 out of 5 stars" if i % 10 else "?"))


def star_words(folder: Path) -> Path:
    return write_csv(folder / "Reviews.csv", reviews(400, lambda i: ("one", "five")[i % 2]))


def four_stars(folder: Path) -> Path:
    return write_csv(folder / "Reviews.csv", reviews(400, lambda i: 1 + i % 4))


def one_class(folder: Path) -> Path:
    return write_csv(folder / "Reviews.csv", reviews(400, lambda _: 5))


def too_few(folder: Path) -> Path:
    return write_csv(folder / "Reviews.csv", reviews(40))


def nowhere(folder: Path) -> Path:
    return folder / "Reviews.csv"


@pytest.mark.parametrize(
    ("make", "status", "words"),
    [
        (empty, 3, ["Reviews.csv", "empty"]),
        (header_only, 3, ["Reviews.csv", "only column names"]),
        (missing_column, 3, ["Reviews.csv", "text", "Opinion", "columns"]),
        (lfs_pointer, 3, ["Reviews.csv", "Git LFS", "git lfs pull"]),
        (truncated_gzip, 3, ["Reviews.csv.gz", "gzip", "line"]),
        (climbing_zip, 3, ["Reviews.zip", "../../Reviews.csv"]),
        (no_reviews, 3, ["shards", "no"]),
        (binary, 3, ["Reviews.csv"]),
        (unrated, 4, ["bad_score", "40 of 400", "Reviews.csv"]),
        (star_words, 3, ["Reviews.csv", "'five' (200)", "rating_labels"]),
        (four_stars, 3, ["Reviews.csv", "'4' (100)", "rating_scale"]),
        (one_class, 4, ["negative"]),
        (too_few, 4, ["40", "200"]),
        (nowhere, 3, ["Reviews.csv"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_message_status_and_a_clean_store(
    make: Callable[[Path], Path],
    status: int,
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = tmp_path / "store"
    with pytest.raises(SystemExit) as left:
        main(["run", "--dumps", str(make(tmp_path)), "--store", str(store)])
    message = capsys.readouterr().err
    assert left.value.code == status, message
    assert "Traceback" not in message
    for word in words:
        assert word.lower() in message.lower()
    assert len(message) < 3_000
    assert not list(store.glob("in_progress/*"))
    assert all((artifact / "manifest.json").exists() for artifact in store.glob("artifacts/*/*"))
    # A refused data set has its report; an unreadable file has nothing to report.
    assert bool(list(store.glob("reports/*/report.html"))) == (status == 4)


class Answer(BaseHTTPRequestHandler):
    """A server that says no, or says it in HTML."""

    def do_GET(self) -> None:
        """Answer 404 below /missing, an HTML page elsewhere."""
        body = b"<!doctype html><title>Sign in</title>"
        self.send_response(404 if self.path.startswith("/missing") else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        """Answer as GET does."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("REVIEW_SENTIMENT_ALLOW_PRIVATE_ADDRESSES", "1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Answer)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "words"), [("/missing/Reviews.csv", "404"), ("/Reviews.csv", "web page")])
def test_a_url_that_gives_no_reviews(
    server: str, path: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", "--until", "ingest", "--dumps", f"{server}{path}", "--store", str(tmp_path / "store")])
    message = capsys.readouterr().err
    assert left.value.code == 3
    assert words in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "Epochs"),
        (["--epochs", "many"], "Epochs"),
        (["--test-size", "0.7", "--validation-size", "0.4"], "leave nothing to train on"),
        (["--units", "8", "-3"], "LSTM units"),
    ],
)
def test_a_wrong_parameter_stops_before_anything_is_read(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["run", *arguments, "--store", str(tmp_path / "store")])
    assert left.value.code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
