"""The champion: which model is in service, who put it there and why, and what was there before.

The truth is a row of numbered files, ``<store>/champions/000001.json`` and on, each one change: the
last one says which model serves. A file appears whole and never changes, and a number can be taken only once. So a
reader sees one whole model at each instant, and of two runs that would replace the same champion the second is told
that it has changed (compare and swap).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field, ValidationError

from pipeline.errors import ArtifactError, PipelineError, quoted
from pipeline.store import ArtifactReference, ArtifactStore, Record
from pipeline.store.files import entries, sync, temp_file

CHAMPIONS = "champions"
"""Folder below the store's root."""
_NUMBERED = re.compile(r"([0-9]{6})\.json")
_WRITES = 3
"""Attempts at a conditional write: S3 answers 409 to one of two that come at the same instant, and asks for another."""

ChangeKind = Literal["promote", "force", "roll_back"]


class ChampionChangedError(PipelineError):
    """Another run changed the champion after this one had compared itself with it."""


class NoChampionError(PipelineError):
    """There is no champion, or none to go back to."""

    exit_status = 6


class ChampionModel(Record):
    """A model that serves or served, with what a later challenger is compared with."""

    name: str
    """Variant, e.g. ``bi-seed1``."""
    title: str
    run_name: str
    """The run that trained it."""
    demo: bool
    exported: ArtifactReference
    evaluated: ArtifactReference
    behavioral_tests: ArtifactReference
    cleaned: ArtifactReference
    """The reviews of its training, validation and test parts."""
    parts: ArtifactReference
    """Which review was dealt to which part."""
    fetched: ArtifactReference
    """The newest raw files among them."""
    validated_raw: ArtifactReference


class ChampionChange(Record):
    """One numbered change."""

    schema_version: Literal[1] = 1
    number: int = Field(ge=1)
    kind: ChangeKind
    model: ChampionModel
    """The champion from now on."""
    who: str
    """The user, or ``the gate``."""
    why: str
    """The gate's sentence, or the reason that a person gave."""
    run_name: str
    """The run in which the change was made."""
    decided: ArtifactReference | None = None
    """The gate's decision; ``None`` for a roll-back."""
    changed_at: AwareDatetime


def champion(store: ArtifactStore) -> ChampionChange | None:
    """Return the change that put the present champion into service, or ``None`` while there is none.

    Raises:
        ArtifactError: The newest record is damaged.
    """
    return next(_newest_first(store), None)


def champion_changes(store: ArtifactStore) -> tuple[ChampionChange, ...]:
    """Return every change, the newest first.

    Raises:
        ArtifactError: A record is damaged.
    """
    return tuple(_newest_first(store))


def change_champion(
    store: ArtifactStore,
    model: ChampionModel,
    *,
    kind: ChangeKind,
    replacing: int,
    who: str,
    why: str,
    run_name: str,
    decided: ArtifactReference | None = None,
) -> ChampionChange:
    """Put a model into service if the champion is still the one that it was compared with.

    Asking again for the very change that the same run made already returns that change, so that a task killed
    between the change and its end may be repeated.

    Args:
        store: Where the record is kept.
        model: The new champion.
        kind: Whether the gate, a person against the gate, or a roll-back says so.
        replacing: Number of the change that made the present champion; 0 if there was none.
        who: Who says so.
        why: The reason.
        run_name: The run in which it happens.
        decided: The gate's decision.

    Raises:
        ChampionChangedError: The champion is another one by now.
    """
    change = ChampionChange(
        number=replacing + 1,
        kind=kind,
        model=model,
        who=who,
        why=why,
        run_name=run_name,
        decided=decided,
        changed_at=datetime.now(UTC),
    )
    newest = champion(store)
    at = newest.number if newest is not None else 0
    if at == replacing and _created(store, change):
        return change
    found = _read(store, change.number) if change.number in _numbers(store) else newest
    if found is not None and _same(found, change):
        return found
    newest = champion(store)
    now = f"{newest.model.title} of run {newest.model.run_name}" if newest is not None else "none"
    raise ChampionChangedError(
        f"The champion has changed since {quoted(model.title)} was compared with change {replacing}: by now it is "
        f"{quoted(now, 160)}. Nothing was replaced; run again, so that the comparison is with the present champion."
    )


def previous_champion(changes: Iterable[ChampionChange]) -> ChampionModel | None:
    """Return the model before the present one, from changes, newest first; ``None`` if there is none."""
    models = (change.model for change in changes)
    present = next(models, None)
    return next((model for model in models if present is not None and model.exported != present.exported), None)


def rolled_back(store: ArtifactStore) -> ChampionModel:
    """Return the model that served before the present champion: what a rollback restores.

    Rolling back twice returns to where one was, so a roll-back can be undone like any change.

    Raises:
        NoChampionError: There is no champion, or it is the first one.
    """
    present = champion(store)
    if present is None:
        raise NoChampionError("There is no champion yet, so there is nothing to go back from.")
    before = previous_champion(_newest_first(store))
    if before is None:
        raise NoChampionError(f"{quoted(present.model.title)} is the first champion; there is none to go back to.")
    return before


def roll_back(store: ArtifactStore, *, who: str, why: str, run_name: str) -> ChampionChange:
    """Put the model that served before back into service.

    Asking again in the same run returns the change that it made already: going back once more would undo it.

    Args:
        store: Where the record is kept.
        who: Who says so.
        why: The reason.
        run_name: The run in which it happens; no other roll-back may bear this name.

    Raises:
        NoChampionError: There is no champion, or it is the first one.
        ChampionChangedError: Another run changed the champion at the same instant.
    """
    changes = champion_changes(store)
    for change in changes:
        if (change.kind, change.run_name) == ("roll_back", run_name):
            return change
    model, at = rolled_back(store), changes[0].number
    return change_champion(store, model, kind="roll_back", replacing=at, who=who, why=why, run_name=run_name)


def _newest_first(store: ArtifactStore) -> Iterator[ChampionChange]:
    """Yield the changes; each is read when it is asked for, so that older damaged ones do no harm."""
    return (_read(store, number) for number in reversed(_numbers(store)))


def _same(found: ChampionChange, asked: ChampionChange) -> bool:
    return (found.kind, found.model, found.run_name) == (asked.kind, asked.model, asked.run_name)


def _numbers(store: ArtifactStore) -> list[int]:
    names = [entry.name for entry in entries(store.root / CHAMPIONS)]
    return sorted(int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name)))


def _read(store: ArtifactStore, number: int) -> ChampionChange:
    path = store.root / CHAMPIONS / _name(number)
    try:
        change = ChampionChange.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(f"{path} is gone; restore it from a backup of the store.") from None
    except ValidationError as error:
        raise ArtifactError(
            f"{path} is damaged or of another version of this project ({error.error_count()} fields do not fit). "
            "Restore it from a backup of the store; the models themselves are untouched."
        ) from error
    if change.number != number:
        raise ArtifactError(
            f"{path} holds change {change.number}, so it is a copy under a wrong name. Restore it from a backup of the "
            "store; the models themselves are untouched."
        )
    return change


def _name(number: int) -> str:
    return f"{number:06}.json"


def _created(store: ArtifactStore, change: ChampionChange) -> bool:
    """Create the change's file whole; return whether its number was still free."""
    target = store.root / CHAMPIONS / _name(change.number)
    text = (change.model_dump_json(indent=2) + "\n").encode()
    if not store.is_folder:
        return _created_object(target, text)
    path = Path(str(target))
    path.parent.mkdir(parents=True, exist_ok=True)
    with temp_file(path.parent, text) as written:
        try:
            # A link, unlike a rename, fails where the name is taken.
            os.link(written, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}:
                raise
            raise ArtifactError(
                f"{path.parent} lies on a file system without hard links, by which two runs are kept from changing "
                "the champion at once. Put the store on one that has them (ext4, XFS, NFS), or on s3://."
            ) from error
    # The folder's own name must last as well, the first time.
    for folder in (path.parent, path.parent.parent):
        sync(folder)
    return True


def _created_object(target: Any, text: bytes) -> bool:  # noqa: ANN401 - fsspec has no types
    """Create an object whole by a conditional write (``If-None-Match: *``); return whether its name was still free.

    S3 and most of its kin honor the condition (`Amazon's account of it`_). A server that ignores it would let the
    second of two runs win.

    .. _Amazon's account of it: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    for attempt in range(1, _WRITES + 1):
        try:
            target.fs.pipe_file(target.path, text, mode="create")
        except FileExistsError:
            return False
        except OSError:
            # s3fs knows the refusal by a word that not every server sends, and has no word for status 409.
            target.fs.invalidate_cache(target.path)
            if target.exists():
                return False
            if attempt == _WRITES:
                raise
        else:
            return True
    return False
