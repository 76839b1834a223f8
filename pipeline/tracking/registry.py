"""Champions in MLflow: a version of the registered model for each, and the aliases."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.errors import ArtifactError, quoted
from pipeline.promotion.champions import ChampionChange, ChampionModel, champion_changes, previous_champion
from pipeline.reporting.formatting import markdown, visible
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.tracking.connection import TAG, Connection, connected
from pipeline.tracking.models import EXPORTED_TAG, MODEL_NAME, log_model
from pipeline.tracking.records import MirroredChampion
from pipeline.tracking.runs import find_runs, run_key

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

CHAMPION, PREVIOUS = "champion", "previous"
MIRRORED_TAG = f"{TAG}.mirrored"
"""Tag of the registered model: number of the change that was mirrored last."""
DESCRIPTION = (
    "Models that are or were in production. The alias `champion` mirrors the project's store: moving it here does not "
    "change the model in production, and the next run restores it."
)


def mirror_champion(store: ArtifactStore) -> MirroredChampion:
    """Update the registered model from the store's champions.

    Each model that was ever promoted gets a version, tagged with its latest promotion; the alias ``champion`` names the
    one in production, ``previous`` the one that a rollback would restore. Can be repeated at any time, and adds every
    change that earlier calls missed.

    Raises:
        TrackingUnavailableError: MLflow is unreachable.
        TrackingError: MLflow refuses a request.
        ArtifactError: A record or the champion's export is damaged or missing.
    """
    with connected(store) as connection:
        if connection is None:
            return MirroredChampion(address=None)
        changes = champion_changes(store)
        if not changes:
            log.info("There is no champion to mirror yet.")
            return MirroredChampion(address=connection.address)
        return _mirror(connection, changes, store)


def _mirror(connection: Connection, changes: tuple[ChampionChange, ...], store: ArtifactStore) -> MirroredChampion:
    newest = changes[0]
    aliases, mirrored = _registered_model(connection)
    versions, registered = _versions(connection, changes, store)
    wanted = {CHAMPION: versions[newest.model.exported]}
    previous = previous_champion(changes)
    if previous is not None and previous.exported in versions:
        wanted[PREVIOUS] = versions[previous.exported]
    repaired = []
    for alias in (CHAMPION, PREVIOUS):
        found, expected = aliases.get(alias), wanted.get(alias)
        if found == expected:
            continue
        if mirrored == newest.number:
            repaired.append(alias)
            log.warning(
                "MLflow's alias %s was set to %s outside this project; it is restored to the store's %s.",
                alias,
                _version_text(found),
                _version_text(expected),
            )
        if expected is None:
            connection.client.delete_registered_model_alias(MODEL_NAME, alias)
        else:
            connection.client.set_registered_model_alias(MODEL_NAME, alias, str(expected))
    if mirrored != newest.number:
        # Last: until then a repetition takes a different alias for a new champion, not for a manual change.
        connection.client.set_registered_model_tag(MODEL_NAME, MIRRORED_TAG, str(newest.number))
    log.info(
        "MLflow at %s: champion is version %d of %s (change %d).",
        connection.address,
        wanted[CHAMPION],
        MODEL_NAME,
        newest.number,
    )
    return MirroredChampion(
        address=connection.address,
        number=newest.number,
        version=wanted[CHAMPION],
        previous_version=wanted.get(PREVIOUS),
        registered=registered,
        repaired=tuple(repaired),
    )


def _registered_model(connection: Connection) -> tuple[dict[str, int], int]:
    """Return the aliases of the registered model, created if needed, and the number of the change mirrored last."""
    from mlflow.exceptions import MlflowException

    client = connection.client
    try:
        client.create_registered_model(MODEL_NAME, description=DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model = client.get_registered_model(MODEL_NAME)
    mirrored = str(model.tags.get(MIRRORED_TAG, ""))
    aliases = {name: int(version) for name, version in model.aliases.items()}
    return aliases, int(mirrored) if mirrored.isdecimal() else 0


def _versions(
    connection: Connection, changes: tuple[ChampionChange, ...], store: ArtifactStore
) -> tuple[dict[ArtifactReference, int], tuple[int, ...]]:
    """Return each model's version, the oldest model first, and the new versions."""
    known = _known_versions(connection)
    versions: dict[ArtifactReference, int] = {}
    registered = []
    for model in dict.fromkeys(change.model for change in reversed(changes)):
        if model.exported in versions:
            continue
        history = [change for change in changes if change.model.exported == model.exported]
        version = known.get(model.exported.key)
        if version is None:
            try:
                version = _register(connection, model, store, tags=_tags(history))
            except ArtifactError as error:
                if model.exported == changes[0].model.exported:
                    raise
                log.warning("An earlier champion cannot be registered in MLflow. %s", error)
                continue
            registered.append(int(version.version))
        _update_version(connection, version, history)
        versions[model.exported] = int(version.version)
    return versions, tuple(registered)


def _known_versions(connection: Connection) -> dict[str, ModelVersion]:
    """Return the first version of each export, by the export's key."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = connection.client.search_model_versions(f"name = '{MODEL_NAME}'", page_token=token)
        found += page
        token = page.token
        if not token:
            break
    newest_first = sorted(found, key=lambda version: int(version.version), reverse=True)
    return {version.tags[EXPORTED_TAG]: version for version in newest_first if EXPORTED_TAG in version.tags}


def _register(
    connection: Connection, model: ChampionModel, store: ArtifactStore, *, tags: dict[str, str]
) -> ModelVersion:
    trained = store.manifest(model.exported).inputs.get("trained")
    runs = [] if trained is None else find_runs(connection, run_key(trained, model.run_name))
    run_id = runs[0].info.run_id if runs else None
    logged = log_model(connection, model.exported, store, run_id)
    return connection.client.create_model_version(
        MODEL_NAME,
        source=f"models:/{logged.model_id}",
        run_id=run_id,
        tags=tags,
        model_id=logged.model_id,
    )


def _update_version(connection: Connection, version: ModelVersion, history: list[ChampionChange]) -> None:
    """Update a version's tags and description."""
    client, number = connection.client, str(version.version)
    for name, value in _tags(history).items():
        if version.tags.get(name) != value:
            client.set_model_version_tag(MODEL_NAME, number, name, value)
    description = "\n".join(
        f"- Change {change.number}, {change.changed_at:%Y-%m-%d %H:%M} UTC, {change.kind} by {markdown(change.who)}: "
        f"{markdown(change.why)}"
        for change in history
    )
    if version.description != description:
        client.update_model_version(MODEL_NAME, number, description=description)


def _tags(history: list[ChampionChange]) -> dict[str, str]:
    """Return a version's tags: the latest change that promoted the model."""
    change = history[0]
    return {
        EXPORTED_TAG: change.model.exported.key,
        f"{TAG}.number": str(change.number),
        f"{TAG}.kind": change.kind,
        f"{TAG}.who": visible(change.who),
        f"{TAG}.why": visible(change.why),
        f"{TAG}.when": change.changed_at.isoformat(timespec="seconds"),
        f"{TAG}.variant": change.model.name,
        f"{TAG}.run_name": visible(change.model.run_name),
        f"{TAG}.demo": str(change.model.demo).lower(),
    }


def _version_text(version: int | None) -> str:
    return "no version" if version is None else quoted(f"version {version}")
