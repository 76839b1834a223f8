"""An exported model is found by each of its names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.errors import ArtifactError
from pipeline.promotion.champions import ChampionModel, NoChampionError, change_champion
from pipeline.scoring import Scorer, choose_model, find_export, load_scorer
from pipeline.store import ArtifactReference, ArtifactStore
from tests.unit.scoring.factories import World


def test_every_name_of_an_export(world: World, exported: Path) -> None:
    key = exported.name
    paths = [str(exported), *(str(exported / name) for name in ("model.keras", "model.onnx", "saved_model"))]
    for name in [*paths, f"export/{key}", f"export/{key[:12]}", key[:6], "latest"]:
        assert load_scorer(name, world.store).model.variant == world.variant.name


def test_unknown_names_are_answered_with_known_ones(world: World, exported: Path, store: ArtifactStore) -> None:
    for name in ("export/ffffffffff", "export/", "nowhere"):
        with pytest.raises(ArtifactError, match=exported.name[:12]):
            load_scorer(name, world.store)
    with pytest.raises(ArtifactError, match="holds no exported model"):
        load_scorer("latest", store)


def test_a_trained_model_is_not_an_export(world: World) -> None:
    file = world.store.folder(world.trained) / "model.keras"
    with pytest.raises(ArtifactError, match=r"model\.json"):
        load_scorer(str(file), world.store)


def test_an_interrupted_export_is_not_the_latest(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "export" / ("0" * 32)
    shutil.copytree(exported, folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="holds no exported model"):
        load_scorer("latest", ArtifactStore(str(tmp_path)))


def test_the_champion(exported: Path, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    with pytest.raises(NoChampionError, match="has no champion yet"):
        load_scorer("champion", store)
    shutil.copytree(exported, tmp_path / "store" / "artifacts" / "export" / exported.name)
    found = ArtifactReference(stage="export", key=exported.name)
    fields = {
        name: found for name, field in ChampionModel.model_fields.items() if field.annotation is ArtifactReference
    }
    model = ChampionModel(**{**fields, "name": "bi-seed1", "title": "Both ways", "run_name": "first", "demo": False})
    change_champion(store, model, kind="force", replacing=0, who="a person", why="a test", run_name="first")
    assert find_export("champion", store) == choose_model("champion", store) == found
    assert load_scorer("champion", store).threshold == 0.5
    shutil.rmtree(tmp_path / "store" / "artifacts" / "export" / exported.name)
    with pytest.raises(ArtifactError, match="does not hold"):
        choose_model("champion", store)


def test_an_export_from_outside_is_copied_into_the_store(world: World, exported: Path, tmp_path: Path) -> None:
    inside = ArtifactReference(stage="export", key=exported.name)
    for name in (str(exported), str(exported / "model.keras"), exported.name[:8]):
        assert choose_model(name, world.store) == inside
    copied = shutil.copytree(exported, tmp_path / "copied")
    adopted = choose_model(str(copied), world.store)
    assert adopted.stage == "adopt_export"
    assert choose_model(str(copied / "saved_model"), world.store) == adopted
    assert Scorer.load(world.store.folder(adopted)).threshold == 0.5
