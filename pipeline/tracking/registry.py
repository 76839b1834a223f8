"""The champion in MLflow: a version of the registered model for each, and the aliases as the store says."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.errors import ArtifactError, quoted
from pipeline.promotion.champions import ChampionChange, ChampionModel, NoChampionError, champion_changes, rolled_back
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
"""Of the registered model: the number of the change that it was last brought up to date with."""
DESCRIPTION = (
    "Models that serve or served. The alias `champion` mirrors the project's store, which decides what serves: moving "
    "it here changes nothing, and the next run puts it back."
)


def mirror_champion(store: ArtifactStore) -> MirroredChampion:
    """Bring the registered model up to date with the store's champions.

    Each model that served gets a version, tagged with the change that put it into service last; the alias
    ``champion`` names the one in service, ``previous`` the one that a roll-back would take. May be repeated at any
    time, and catches up with every change that it missed.

    Raises:
        TrackingUnavailableError: MLflow is away.
        TrackingError: MLflow refuses.
        ArtifactError: A record or the champion's export is damaged or missing.
    """
    with connected(store) as connection:
        if connection is None:
            return MirroredChampion(address=None)
        changes = champion_changes(store)
        if not changes:
            log.info("There is no champion to mirror yet.")
            return MirroredChampion(address=connection.address)
        return _mirrored(connection, changes, store)


def _mirrored(connection: Connection, changes: tuple[ChampionChange, ...], store: ArtifactStore) -> MirroredChampion:
    newest = changes[0]
    aliases, mirrored = _registered_model(connection)
    versions, registered = _versions(connection, changes, store)
    wanted = {CHAMPION: versions[newest.model.exported]}
    before = _before(store)
    if before is not None and before.exported in versions:
        wanted[PREVIOUS] = versions[before.exported]
    repaired = []
    for alias in (CHAMPION, PREVIOUS):
        found, right = aliases.get(alias), wanted.get(alias)
        if found == right:
            continue
        if mirrored == newest.number:
            repaired.append(alias)
            log.warning(
                "Somebody set MLflow's alias %s to %s; the store says %s, and so it is again.",
                alias,
                _version_text(found),
                _version_text(right),
            )
        if right is None:
            connection.client.delete_registered_model_alias(MODEL_NAME, alias)
        else:
            connection.client.set_registered_model_alias(MODEL_NAME, alias, str(right))
    if mirrored != newest.number:
        # Last: until then a repetition takes a differing alias for a change, not for somebody's doing.
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
    """Return the registered model's aliases and the change that it was last mirrored at; made if it is new."""
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
    """Return each model's version, the oldest model first, and which versions are new."""
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
        _retell(connection, version, history)
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


def _retell(connection: Connection, version: ModelVersion, history: list[ChampionChange]) -> None:
    """Bring a version's tags and description up to date."""
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
    """Return a version's tags; the change is the one that put the model into service last."""
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


def _before(store: ArtifactStore) -> ChampionModel | None:
    try:
        return rolled_back(store)
    except NoChampionError:
        return None


def _version_text(version: int | None) -> str:
    return "no version" if version is None else quoted(f"version {version}")
