"""Stores on S3: refused logins, failing requests, missing buckets, and work of several machines."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

import pytest

from pipeline.errors import ArtifactError, ConfigurationError, SourceUnavailableError
from pipeline.sources.inbox import scan_inbox
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage, Workspace
from pipeline.store.login import ObjectStoreLogin, ObjectStoreRefusedError, set_login_provider
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, only_these_credentials

STRANGER = "AKIASTRANGER"
GUESS = "a-guess/at+the-secret"


class Nothing(Record):
    """A summary without figures."""


def produced(store: ArtifactStore, text: str = "hello") -> ArtifactReference:
    def build(work: Workspace) -> Outcome:
        for name in "abc":
            (work.folder / name).write_text(text)
        return Outcome(Nothing())

    return store.produce(Stage("work"), inputs={}, params=None, build=build)


@pytest.fixture
def url(s3: S3Server) -> str:
    return f"s3://{s3.make_bucket()}/reviews"


def test_temporary_failures_are_retried(s3: S3Server, url: str, tmp_path: Path) -> None:
    s3.fault_every = 2
    made = produced(ArtifactStore(url, cache=tmp_path / "one"))
    found = ArtifactStore(url, cache=tmp_path / "other").folder(made)
    assert {path.name: path.read_text() for path in found.glob("?")} == dict.fromkeys("abc", "hello")
    assert {request.fault for request in s3.requests} > {"slow down", "internal error", "reset before", "reset after"}


def test_a_refusal_names_the_bucket_and_the_source_of_the_login(s3, url, tmp_path, monkeypatch, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", STRANGER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", GUESS)
    bucket = url.split("/")[2]
    for ask in (lambda: produced(ArtifactStore(url, cache=tmp_path)), lambda: scan_inbox(f"{url}/inbox/")):
        with pytest.raises(ObjectStoreRefusedError) as error:
            ask()
        assert f"'s3://{bucket}' refuses the login of the environment" in str(error.value)
        assert "AccessDenied" in str(error.value)
        assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile" in str(error.value)
        assert error.value.__suppress_context__, "what botocore keeps of a request holds its signature"
        assert GUESS not in repr(error.value) + caplog.text


def test_missing_credentials_and_missing_buckets_are_distinguished(s3, url, tmp_path, monkeypatch) -> None:
    with pytest.raises(ObjectStoreRefusedError, match="There is no bucket 's3://no-such-bucket'"):
        produced(ArtifactStore("s3://no-such-bucket/reviews", cache=tmp_path))
    only_these_credentials(monkeypatch, {"AWS_ENDPOINT_URL": s3.url})
    type(ArtifactStore(url).root.fs).clear_instance_cache()
    with pytest.raises(ObjectStoreRefusedError, match="There are no complete credentials for"):
        produced(ArtifactStore(url, cache=tmp_path))


def test_an_unavailable_store_raises_an_error_that_tasks_retry(s3, url, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceUnavailableError, match=r"is not available .* after 1 attempts"):
        produced(ArtifactStore(url, cache=tmp_path))


def test_a_login_provider_takes_precedence_and_its_login_stays_secret(s3, url, tmp_path, monkeypatch) -> None:
    login = ObjectStoreLogin(ACCESS_KEY, SECRET_KEY, endpoint_url=s3.url, region="us-east-1", source="the test")
    asked = []
    monkeypatch.setattr("pipeline.store.login._providers", [])
    set_login_provider(lambda: (asked.append(1), login)[1])
    only_these_credentials(monkeypatch, {"AWS_ACCESS_KEY_ID": STRANGER, "AWS_SECRET_ACCESS_KEY": GUESS})
    store = ArtifactStore(url, cache=tmp_path)
    assert not asked, "a store that is only named asks nobody"
    made = produced(store)
    assert store.has(made)
    assert len(asked) == 1
    texts = [repr(login), repr(store), repr(store.root), str(dict(store.root.storage_options))]
    texts += [body.decode(errors="replace") for body in s3.objects(url.split("/")[2]).values()]
    assert SECRET_KEY not in "".join(texts)
    assert ACCESS_KEY not in "".join(texts)


def test_a_login_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="contains a login") as error:
        ArtifactStore(f"s3://{ACCESS_KEY}:{GUESS}@bucket/reviews")
    assert GUESS not in str(error.value)


def test_another_machine_resumes_from_a_checkpoint(s3: S3Server, url: str, tmp_path: Path) -> None:
    def build(work: Workspace) -> Outcome:
        work.restore_checkpoint("checkpoint")
        checkpoint = work.checkpoint_dir / "checkpoint"
        epoch = int(checkpoint.read_text()) + 1 if checkpoint.exists() else 1
        work.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        checkpoint.write_text(str(epoch))
        work.save_checkpoint("checkpoint")
        if epoch < 3:
            raise SystemExit
        (work.folder / "epochs").write_text(str(epoch))
        return Outcome(Nothing())

    for machine in "ab":
        with pytest.raises(SystemExit):
            ArtifactStore(url, cache=tmp_path / machine).produce(Stage("fit"), inputs={}, params=None, build=build)
    store = ArtifactStore(url, cache=tmp_path / "c")
    made = store.produce(Stage("fit"), inputs={}, params=None, build=build)
    assert (store.folder(made) / "epochs").read_text() == "3"
    assert not [key for key in s3.objects(url.split("/")[2]) if "/resumable/" in key]


def test_a_failed_checkpoint_upload_does_not_end_the_training(s3, url, tmp_path, caplog) -> None:
    def build(work: Workspace) -> Outcome:
        work.checkpoint_dir.mkdir(parents=True)
        (work.checkpoint_dir / "checkpoint").write_text("1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.s3_server.ACCESS_KEY", "another")
            work.save_checkpoint("checkpoint")
        return Outcome(Nothing())

    store = ArtifactStore(url, cache=tmp_path)
    assert store.has(store.produce(Stage("fit"), inputs={}, params=None, build=build))
    assert "checkpoint cannot be saved in the store for other machines" in caplog.text


def test_of_two_machines_with_the_same_key_the_first_wins(s3, url, tmp_path) -> None:
    first, second = (ArtifactStore(url, cache=tmp_path / machine) for machine in "ab")

    def build(work: Workspace) -> Outcome:
        produced(first, "the first")
        (work.folder / "a").write_text("the second")
        return Outcome(Nothing())

    made = second.produce(Stage("work"), inputs={}, params=None, build=build)
    assert (second.folder(made) / "a").read_text() == "the first"


def test_a_newer_local_checkpoint_is_not_overwritten(s3, url, tmp_path) -> None:
    def build(work: Workspace) -> Outcome:
        work.restore_checkpoint("checkpoint")
        checkpoint = work.checkpoint_dir / "checkpoint"
        if checkpoint.exists():
            (work.folder / "epochs").write_text(checkpoint.read_text())
            return Outcome(Nothing())
        work.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        checkpoint.write_text("3")
        work.save_checkpoint("checkpoint")
        # Epochs later, of which the store knows nothing.
        checkpoint.write_text("40")
        later = time.time() + 60
        os.utime(checkpoint, (later, later))
        raise SystemExit

    store = ArtifactStore(url, cache=tmp_path)
    with pytest.raises(SystemExit):
        store.produce(Stage("fit"), inputs={}, params=None, build=build)
    made = store.produce(Stage("fit"), inputs={}, params=None, build=build)
    assert (store.folder(made) / "epochs").read_text() == "40"


def test_a_file_with_another_digest_than_in_its_manifest_is_refused(s3, url, tmp_path) -> None:
    made = produced(ArtifactStore(url, cache=tmp_path / "a"), "the first")
    reader = ArtifactStore(url, cache=tmp_path / "b")
    (reader.root / "artifacts" / made.stage / made.key / "a").write_text("of another machine")
    with pytest.raises(ArtifactError, match="does not match the digest in its manifest"):
        reader.folder(made)


@pytest.mark.parametrize("name", ["../../../evil", "/evil", "a/../../evil", "a\\evil"])
def test_a_manifest_cannot_write_outside_the_local_copy(s3, url, tmp_path, name) -> None:
    made = produced(ArtifactStore(url, cache=tmp_path / "a"))
    reader = ArtifactStore(url, cache=tmp_path / "b")
    manifest = reader.root / "artifacts" / made.stage / made.key / "manifest.json"
    told = json.loads(manifest.read_text())
    told["files"][name] = told["files"]["a"]
    manifest.write_text(json.dumps(told))
    with pytest.raises(ArtifactError):
        reader.folder(made)
    assert not list(tmp_path.rglob("*evil"))


def test_an_s3a_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Write s3://"):
        ArtifactStore("s3a://bucket/reviews")
