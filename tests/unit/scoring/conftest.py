"""Exports of two kinds of models, made once per session."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.store import ArtifactStore
from tests.unit.scoring.factories import World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The recommended kind: masked, both directions, an unknown word, summaries read."""
    store = ArtifactStore(str(tmp_path_factory.mktemp("world")))
    return build_world(store, "default", slice(0, 12), directions=("bi",), layers=(1,))


@pytest.fixture(scope="session")
def article_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The article's kind: unmasked, one direction, every word known, texts alone."""
    store = ArtifactStore(str(tmp_path_factory.mktemp("article")))
    return build_world(store, "article", slice(None), directions=("uni",), layers=(1,))


@pytest.fixture(scope="session")
def exported(world: World) -> Path:
    """The folder of the recommended kind's export."""
    return world.store.folder(world.export())


@pytest.fixture(scope="session")
def article_exported(article_world: World) -> Path:
    """The folder of the article's export."""
    return article_world.store.folder(article_world.export())
