"""Which exported model a name stands for."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.encoding import VOCABULARY_FILE
from pipeline.errors import ArtifactError, quoted
from pipeline.scoring.records import (
    EXPORTED_MODEL_FILE,
    KERAS_FILE,
    ONNX_FILE,
    SAVED_MODEL_FOLDER,
    ExportedModel,
)
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

ADOPT_STAGE = Stage("adopt_export", version=2)
FETCH_STAGE = "fetch"
LATEST = "latest"
CHAMPION = "champion"
MIN_KEY_CHARACTERS = 6
MAX_LISTED_EXPORTS = 5


def read_exported_model(folder: Path) -> ExportedModel:
    """Return the content of an export's ``model.json``.

    Raises:
        ArtifactError: The folder is not an export, or that file is damaged.
    """
    if not folder.is_dir():
        raise ArtifactError(f"There is no folder {quoted(folder)}; an export is a folder with {EXPORTED_MODEL_FILE}.")
    files = (EXPORTED_MODEL_FILE, KERAS_FILE, ONNX_FILE, VOCABULARY_FILE)
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise ArtifactError(
            f"{quoted(folder)} is not an exported model: {', '.join(missing)} missing. Name the folder of an export, "
            "e.g. <store>/artifacts/export/<key>; if a version of this project before 0.3 made it, export it again."
        )
    try:
        return ExportedModel.model_validate_json((folder / EXPORTED_MODEL_FILE).read_bytes())
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, item["loc"])) or "the file" for item in error.errors()})[:5])
        raise ArtifactError(
            f"{EXPORTED_MODEL_FILE} in {quoted(folder)} is damaged or of another version of this project "
            f"({quoted(fields)} does not fit). Export the model again."
        ) from error


def find_export(name: str, store: ArtifactStore) -> ArtifactReference:
    """Return the export with a name.

    Args:
        name: ``champion``, ``latest``, ``export/KEY`` or the KEY alone (its first six characters suffice).
        store: Where exports are looked up.

    Raises:
        ArtifactError: There is no such export; the message names some that exist.
        NoChampionError: The name is ``champion`` and there is none.
    """
    if name == CHAMPION:
        return _champion(store)
    exports = [reference for reference in store.artifacts("export") if store.has(reference)]
    if not exports:
        raise ArtifactError(
            f"{quoted(name)} is not a folder, and the store {quoted(store.url)} holds no exported model. "
            "Run `review-sentiment run` first, or name another store with --store."
        )
    if name == LATEST:
        return max(exports, key=lambda reference: (store.manifest(reference).started_at, reference.key))
    prefix = name.removeprefix("export/")
    matching = [reference for reference in exports if reference.key.startswith(prefix)]
    if len(prefix) >= MIN_KEY_CHARACTERS and len(matching) == 1:
        return matching[0]
    known = ", ".join(str(reference) for reference in exports[:MAX_LISTED_EXPORTS])
    several = len(prefix) >= MIN_KEY_CHARACTERS and len(matching) > 1
    raise ArtifactError(
        f"{quoted(name)} {'matches several exports' if several else 'is neither a folder nor the key of an export'}. "
        f"The store {quoted(store.url)} holds {len(exports)}: {known}"
        f"{', …' if len(exports) > MAX_LISTED_EXPORTS else ''}. Name one of them, `{LATEST}` or `{CHAMPION}`."
    )


def choose_model(name: str, store: ArtifactStore) -> ArtifactReference:
    """Return the exported model with a name, as an artifact of the store.

    Args:
        name: See :func:`find_export`; or the folder of an export, or a file in it. An export from outside the store is
            copied into it first, so that its predictions can be traced to it.
        store: Where exports are looked up.

    Raises:
        ArtifactError: There is no such export, or it is damaged.
        NoChampionError: The name is ``champion`` and there is none.
    """
    folder = export_folder(name)
    if folder is None:
        return find_export(name, store)
    read_exported_model(folder)
    folder = folder.absolute()
    stage = folder.parent.name
    inside = store.is_folder and folder.parent.parent == Path(str(store.root)) / "artifacts"
    if inside and stage in {"export", ADOPT_STAGE.name}:
        reference = ArtifactReference(stage=stage, key=folder.name)
        if store.has(reference):
            return reference
    return _adopt(folder, store)


def trained_on_demo(exported: ArtifactReference, store: ArtifactStore) -> bool | None:
    """Return whether a model was trained on generated reviews only, from the raw files that it was made of.

    Args:
        exported: Artifact of ``export``.
        store: Holds the artifacts.

    Returns:
        ``None`` if the store does not hold the raw files any more, or the export comes from outside the store.
    """
    from pipeline.sources.records import FetchSummary

    waiting, known, demo = [exported], {exported}, set[bool]()
    while waiting:
        reference = waiting.pop()
        try:
            if reference.stage == FETCH_STAGE:
                demo.add(store.summary(reference, FetchSummary).demo)
            inputs = set(store.manifest(reference).inputs.values()) - known
        except ArtifactError:
            # Removed by a clean-up.
            continue
        known |= inputs
        waiting += inputs
    return demo == {True} if demo else None


def export_folder(path: str) -> Path | None:
    """Return an export's folder from its path or that of a model file in it; ``None`` if there is none."""
    place = Path(path).expanduser()
    if place.name in {KERAS_FILE, ONNX_FILE, SAVED_MODEL_FOLDER} and place.exists():
        return place.parent
    return place if place.is_dir() else None


class _AdoptParameters(BaseModel):
    sha256: str


def _adopt(folder: Path, store: ArtifactStore) -> ArtifactReference:
    """Copy an export into the store; its key is the digest of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    # The store wrote these two about the artifact; they do not belong to the model.
    files = [path for path in files if path.relative_to(folder).as_posix() not in {"manifest.json", "summary.json"}]
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode("utf-8", "surrogateescape"))

    def build(work: Workspace) -> Outcome:
        for path in files:
            target = work.folder / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        return Outcome(read_exported_model(folder))

    return store.produce(ADOPT_STAGE, inputs={}, params=_AdoptParameters(sha256=digest.hexdigest()), build=build)


def _champion(store: ArtifactStore) -> ArtifactReference:
    from pipeline.promotion.champions import NoChampionError, champion

    change = champion(store)
    if change is None:
        raise NoChampionError(
            f"The store {quoted(store.url)} has no champion yet. Train one (`review-sentiment run`), or name an "
            f"export, e.g. `{LATEST}`."
        )
    if not store.has(change.model.exported):
        raise ArtifactError(
            f"The champion, {quoted(change.model.title)} of run {quoted(change.model.run_name)}, is "
            f"{change.model.exported}, which the store {quoted(store.url)} does not hold. Restore it from a backup, or "
            "roll back to the previous champion."
        )
    return change.model.exported
