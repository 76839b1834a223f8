"""Each new dump is claimed once, and a run without a reason to train says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.dataset import accepted_batches, batches, find_claim, record_evaluated, seen_digests
from pipeline.errors import ArtifactError, ContractViolationError, EmptyWindowError, NothingNewError, SourceError
from pipeline.sources import FetchSummary
from pipeline.steps import Run
from pipeline.store import ArtifactStore
from pipeline.workflow import RunStoppedError, publish_report, run_stages
from tests.factories import reviews, write_csv
from tests.unit.dataset.factories import collected, fetched, run, settle

ROWS = 400


def dump(inbox: Path, name: str, first: int = 0) -> Path:
    return settle(write_csv(inbox / name, reviews(2 * ROWS)[first : first + ROWS]))


def no_dump(path: Path, number: int) -> None:
    path.write_bytes(b"\x7fELF\x00\x00" + bytes([number]))
    settle(path)


def names(run: Run, store: ArtifactStore) -> list[str]:
    return [file.name for file in store.summary(fetched(run), FetchSummary).files]


@pytest.mark.usefixtures("_contracts_hold")
def test_one_run_claims_all_new_files_and_the_next_none(inbox: Path, store: ArtifactStore) -> None:
    for number in range(10):
        settle(write_csv(inbox / f"part-{number}.csv", reviews(ROWS)[number * 40 : number * 40 + 40]))
    first = run(store, "first")
    data = collected(first)
    assert len(store.summary(data["fetch"], FetchSummary).files) == 10
    [batch] = accepted_batches(store)
    assert [file.name for file in batch.files] == [f"part-{number}.csv" for number in range(10)]
    assert batch.run_name == "first"
    record_evaluated(store, [data["fetch"]], "first")
    with pytest.raises(NothingNewError, match="evaluated already"):
        fetched(run(store, "second"))
    dump(inbox, "late.csv", ROWS)
    assert names(run(store, "third"), store) == ["late.csv"]


@pytest.mark.usefixtures("_contracts_hold")
def test_the_same_content_under_another_name_is_not_new(inbox: Path, store: ArtifactStore) -> None:
    dump(inbox, "a.csv")
    data = collected(run(store, "first"))
    record_evaluated(store, [data["fetch"]], "first")
    dump(inbox, "copy-of-a.csv")
    with pytest.raises(NothingNewError):
        fetched(run(store, "second"))
    # Neither by name.
    with pytest.raises(NothingNewError):
        fetched(run(store, "third", dumps=[str(inbox / "copy-of-a.csv")]))
    assert len(batches(store)) == 1


@pytest.mark.usefixtures("_contracts_hold")
def test_a_repeated_run_uses_its_claim_again(inbox: Path, store: ArtifactStore) -> None:
    dump(inbox, "a.csv")
    reference = collected(run(store, "first"))["fetch"]
    dump(inbox, "b.csv", ROWS)
    assert fetched(run(store, "first")) == reference
    assert find_claim(store, "first").fetched == reference
    assert names(run(store, "second"), store) == ["b.csv"]


def test_files_that_a_killed_run_fetched_are_still_new(inbox: Path, store: ArtifactStore) -> None:
    dump(inbox, "a.csv")
    reference = fetched(run(store, "killed"))
    assert seen_digests(store) == frozenset()
    assert fetched(run(store, "next")) == reference


@pytest.mark.usefixtures("_contracts_hold")
def test_an_accepted_dump_without_a_decision_is_a_reason_to_train(inbox: Path, store: ArtifactStore) -> None:
    dump(inbox, "a.csv")
    reference = collected(run(store, "gpu was lost"))["fetch"]
    again = run(store, "a week later")
    assert fetched(again) == reference
    assert find_claim(store, "a week later").new is False


def test_a_file_that_is_not_a_dump_does_not_block_the_others(inbox: Path, store: ArtifactStore) -> None:
    dump(inbox, "good.csv")
    no_dump(inbox / "bad.csv", 1)
    collected(run(store, "first"))
    refused, accepted = sorted(batches(store), key=lambda batch: batch.outcome, reverse=True)
    assert accepted.outcome == "accepted"
    assert [file.name for file in accepted.files] == ["good.csv"]
    assert refused.outcome == "refused"
    assert [file.name for file in refused.files] == ["bad.csv"]
    assert refused.reason
    # Alone it fails the run that finds it, once.
    no_dump(inbox / "worse.csv", 2)
    with pytest.raises(SourceError, match="no new file that can be read"):
        fetched(run(store, "second"))
    assert len(seen_digests(store)) == 3


@pytest.mark.parametrize(
    ("foreign", "problem"),
    [
        ("not,a,review\n1,2,3\n", "No column for 'score'"),
        ("Id,ProductId,UserId,Score,Time,Text\n", "only column names and no reviews"),
    ],
)
def test_a_table_without_reviews_does_not_block_the_others(
    inbox: Path, store: ArtifactStore, foreign: str, problem: str
) -> None:
    (inbox / "foreign.csv").write_text(foreign)
    settle(inbox / "foreign.csv")
    dump(inbox, "a.csv")
    first = run(store, "first")
    assert names(first, store) == ["a.csv"]
    list(run_stages(first, until="ingest"))
    [refused] = [batch for batch in batches(store) if batch.outcome == "refused"]
    assert [file.name for file in refused.files] == ["foreign.csv"]
    assert problem in str(refused.reason)


def test_a_refused_dump_is_claimed_again_only_by_name(inbox: Path, store: ArtifactStore) -> None:
    rows = reviews(ROWS, lambda i: "no stars" if i % 10 == 0 else 5 if i % 4 else 1)
    path = settle(write_csv(inbox / "sloppy.csv", rows))
    first = run(store, "first")
    with pytest.raises(RunStoppedError) as stopped:
        collected(first)
    assert isinstance(stopped.value.cause, ContractViolationError)
    publish_report(first, stopped.value.state)
    [batch] = batches(store)
    assert batch.outcome == "refused"
    assert "bad" in batch.reason.lower() or "quarantine" in batch.reason.lower()
    with pytest.raises(NothingNewError):
        fetched(run(store, "second"))
    collected(run(store, "third", dumps=[str(path)], max_bad_row_share=0.2))
    assert [batch.outcome for batch in batches(store)] == ["accepted"]


def test_an_experiment_does_not_change_the_registry(inbox: Path, store: ArtifactStore) -> None:
    path = dump(inbox, "a.csv")
    data = collected(run(store, "experiment", dumps=[str(path)], window="these"))
    assert data["build_dataset"] == data["clean"]
    assert batches(store) == ()
    assert find_claim(store, "experiment") is None


@pytest.mark.usefixtures("_contracts_hold")
def test_as_of_trains_on_what_was_known_then(inbox: Path, store: ArtifactStore) -> None:
    dump(inbox, "a.csv")
    first = collected(run(store, "first"))
    between = datetime.now(UTC)
    dump(inbox, "b.csv", ROWS)
    second = collected(run(store, "second"))
    assert second["build_dataset"] != second["clean"]
    then = collected(run(store, "back", as_of=between.isoformat()))
    assert (then["fetch"], then["build_dataset"]) == (first["fetch"], first["clean"])
    with pytest.raises(EmptyWindowError, match="until 2001"):
        fetched(run(store, "too far back", as_of="2001-01-01T00:00:00Z"))


def test_a_damaged_record_stops_the_run_instead_of_shrinking_its_window(inbox: Path, store: ArtifactStore) -> None:
    dump(inbox, "a.csv")
    collected(run(store, "first"))
    [record] = (Path(store.url) / "collection" / "batches").iterdir()
    record.write_text(record.read_text()[:40])
    with pytest.raises(ArtifactError, match="Restore it from a backup"):
        fetched(run(store, "second"))


def test_an_inbox_that_nobody_configured_is_told(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REVIEW_SENTIMENT_INBOX", raising=False)
    with pytest.raises(SourceError, match="REVIEW_SENTIMENT_INBOX"):
        names(run(store, "first"), store)


def test_an_empty_inbox_is_no_failure(inbox: Path, store: ArtifactStore) -> None:
    with pytest.raises(NothingNewError, match="registry is empty"):
        names(run(store, "first"), store)
