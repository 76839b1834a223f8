"""The project's DAGs, as Airflow parses them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def dag_bag(airflow_home: Path) -> DagBag:
    """Every DAG file of the project, parsed."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(CHECKOUT / "dags"))
