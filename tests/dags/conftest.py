"""An Airflow of the tests' own: fresh home, migrated SQLite, no server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import airflow_environment  # noqa: E402 - found through the line above


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Home of a migrated Airflow; must be asked for before anything imports Airflow."""
    before = dict(os.environ)
    home = tmp_path_factory.mktemp("airflow")
    airflow_environment.prepare(home)
    os.environ["REVIEW_SENTIMENT_STORE"] = str(home / "store")
    yield home
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def dag_bag(airflow_home: Path) -> DagBag:
    """Every DAG file of the project, parsed."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(airflow_environment.CHECKOUT / "dags"))
