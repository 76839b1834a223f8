"""The roots that a deployment allows, and attempts to leave them."""

from __future__ import annotations

import os

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings import load_settings
from pipeline.sources.allowed_roots import (
    is_allowed,
    require_allowed_dumps,
    require_allowed_vectors,
)
from pipeline.sources.fetching import SCHEMES
from tests.unit.sources.factories import csv_text, fetch_dumps, written

ROOTS = "REVIEW_SENTIMENT_ALLOWED_ROOTS"
WEB = "https://good.example/reviews"
BUCKET = "s3://bucket/prefix"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with the root ``in``, and ``inside out``, which is not a root."""
    (tmp_path / "in").mkdir()
    (tmp_path / "inside out").mkdir()
    monkeypatch.setenv(ROOTS, os.pathsep.join([str(tmp_path / "in"), BUCKET, WEB]))
    return tmp_path


def test_without_roots_everything_is_allowed(monkeypatch) -> None:
    for empty in ("", "  "):
        monkeypatch.setenv(ROOTS, empty)
        require_allowed_dumps(["/etc/passwd", "http://anywhere.example/x.csv", "s3://any/key"])
        require_allowed_vectors("/anywhere/glove.txt")


def test_keywords_are_always_allowed(home) -> None:
    require_allowed_dumps(["demo", "kaggle", "inbox", "inbox:Reviews.csv"])


def test_a_dump_in_a_root_is_fetched(home, store) -> None:
    path = written(home / "in" / "Reviews.csv", csv_text())
    for given in (str(path), f"file://{path}", str(home / "in"), f"{home}/inside out/../in/Reviews.csv"):
        assert fetch_dumps(store, given)


def test_a_dump_elsewhere_is_refused_before_anything_is_read(home, store, monkeypatch) -> None:
    path = written(home / "inside out" / "Reviews.csv", csv_text())
    monkeypatch.setitem(SCHEMES, "", lambda *_: pytest.fail("the path was looked up"))
    with pytest.raises(ConfigurationError) as error:
        fetch_dumps(store, "demo", path)
    message = str(error.value)
    assert message.startswith("Dumps (dumps): ")
    for part in ("inside out/Reviews.csv", f"'{home}/in'", f"'{BUCKET}'", f"'{WEB}'", "'inbox'", ROOTS):
        assert part in message
    assert not (home / "store").exists()


def test_links_and_dots_do_not_lead_out(home) -> None:
    outside = written(home / "inside out" / "secret.csv", csv_text())
    (home / "in" / "link.csv").symlink_to(outside)
    (home / "in" / "folder").symlink_to(home / "inside out")
    (home / "in" / "loop").symlink_to(home / "in" / "loop")
    for given in (
        "in/link.csv",
        "in/folder/secret.csv",
        "in/folder",
        "in/../inside out/secret.csv",
        "in/folder/../secret.csv",
        "in2",
        "in/\0",
        "",
    ):
        assert not is_allowed(f"{home}/{given}"), given
        assert not is_allowed(f"FILE://{home}/{given}"), given
    assert not is_allowed("~no-such-user/x")
    assert not is_allowed("~")


@pytest.mark.parametrize("linked_root", [True, False])
def test_a_root_that_is_a_link_is_resolved(tmp_path, monkeypatch, linked_root: bool) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    monkeypatch.setenv(ROOTS, str(link if linked_root else real))
    assert is_allowed(str(real / "a.csv"))
    assert is_allowed(str(link / "a.csv"))


@pytest.mark.parametrize(
    "given",
    [
        WEB,
        f"{WEB}/",
        f"{WEB}/2026/r.csv.gz?token=1#part",
        "HTTPS://GOOD.example:443/reviews/r.csv",
        f"{WEB}/a/../r.csv",
        "https://someone@good.example/reviews/r.csv",
        BUCKET,
        f"{BUCKET}/deep/r.csv",
        "S3://bucket/prefix/100%25?.csv",
    ],
)
def test_addresses_below_a_root(home, given: str) -> None:
    assert is_allowed(given)


@pytest.mark.parametrize(
    "given",
    [
        "https://good.example.evil.example/reviews/r.csv",
        "https://evil.example/good.example/reviews/r.csv",
        "https://good.example@evil.example/reviews/r.csv",
        "https://good.example\\@evil.example/reviews/r.csv",
        "https://evil.example\\good.example/reviews/r.csv",
        "https://good.example:8443/reviews/r.csv",
        "https://good.example:port/reviews/r.csv",
        "http://good.example/reviews/r.csv",
        "https://good.example/reviews-private/r.csv",
        "https://good.example/Reviews/r.csv",
        f"{WEB}/../private.csv",
        f"{WEB}/%2e%2e/private.csv",
        f"{WEB}/%2E%2E%2Fprivate.csv",
        f"{WEB}/..%5cprivate.csv",
        f"{WEB}/%252e%252e/private.csv",
        f"{WEB}/\nprivate.csv",
        f"\t{WEB}/r.csv",
        "https:///reviews/r.csv",
        "https://[bad/reviews",
        "s3://bucket/prefixed/r.csv",
        "s3://bucket-of-another/prefix/r.csv",
        "s3://bucket?/prefix/r.csv",
        "s3://key:secret@bucket/prefix/r.csv",
        f"{BUCKET}/../r.csv",
        "gs://bucket/prefix/r.csv",
        "bucket/prefix/r.csv",
        "//good.example/reviews/r.csv",
    ],
)
def test_addresses_outside_the_roots(home, given: str) -> None:
    assert not is_allowed(given)


def test_the_inbox_is_a_root(home, monkeypatch) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(home / "inside out"))
    written(home / "inside out" / "new.csv", csv_text())
    (home / "inside out" / "link.csv").symlink_to("/etc/passwd")
    assert is_allowed(f"{home}/inside out/new.csv")
    assert not is_allowed(f"{home}/inside out/link.csv")
    assert not is_allowed(f"{home}/inside out/../new.csv")
    assert not is_allowed("s3://inbox/dumps/new.csv")
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", "s3://inbox/dumps")
    assert is_allowed("s3://inbox/dumps/new.csv")
    assert not is_allowed("s3://inbox/new.csv")


def test_links_out_of_an_inbox_with_a_scheme_are_resolved(home, monkeypatch) -> None:
    (home / "inbox").mkdir()
    (home / "inbox" / "link.csv").symlink_to("/etc/passwd")
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", f"file://{home}/inbox")
    assert is_allowed(f"file://{home}/inbox/new.csv")
    assert not is_allowed(f"file://{home}/inbox/link.csv")


def test_refused_addresses_are_shown_without_secrets(home) -> None:
    with pytest.raises(ConfigurationError) as error:
        require_allowed_dumps(["https://user:hunter2@evil.example/r.csv?signature=hunter3"])
    assert "https://evil.example/r.csv" in str(error.value)
    assert "hunter" not in str(error.value)


def test_vectors_must_be_in_the_roots_too(home) -> None:
    require_allowed_vectors(None)
    require_allowed_vectors(str(home / "in" / "glove.txt"))
    for given in ("/etc/passwd", "demo", "inbox"):
        with pytest.raises(ConfigurationError, match=r"^Pre-trained vectors \(vectors\): .*is outside"):
            require_allowed_vectors(given)


def test_roots_with_colons_are_separated(monkeypatch) -> None:
    roots = [
        "/data",
        "https://host.example:8443/x",
        "s3://bucket",
        "http://[::1]:8000/y",
        "http://host.example:8000",
        "~",
    ]
    monkeypatch.setenv(ROOTS, os.pathsep.join([*roots, ""]))
    assert load_settings().allowed_roots == tuple(roots)
    assert is_allowed("https://host.example:8443/x/r.csv")
    assert is_allowed("http://[::1]:8000/y/r.csv")
    assert is_allowed("s3://bucket/any/key")
    assert is_allowed("~/r.csv")
    assert not is_allowed("https://host.example/x/r.csv")


@pytest.mark.parametrize("root", ["relative/folder", "https://", "https://someone:hunter2@host.example/", "s3:///key"])
def test_an_invalid_root_stops_every_run(monkeypatch, root: str) -> None:
    monkeypatch.setenv(ROOTS, root)
    with pytest.raises(ConfigurationError, match=f"{ROOTS} contains .*which is not a root") as error:
        require_allowed_dumps(["/data/r.csv"])
    assert "hunter2" not in str(error.value)
