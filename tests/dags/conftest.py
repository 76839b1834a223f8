"""The project's DAGs, as Airflow parses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dags.fresh_airflow import FreshAirflow
from tests.dags.otlp import Collected, collecting

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dag_bag(airflow_home: Path) -> DagBag:
    """Every DAG file of the project, parsed anew for each module: ``dag.test()`` leaves a run's values in the form."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(CHECKOUT / "dags"))


@pytest.fixture(scope="session")
def fresh_airflow(airflow_home: Path) -> Iterator[FreshAirflow]:
    """For programs that must not find what other tests have loaded."""
    with FreshAirflow() as started:
        yield started


@pytest.fixture(scope="module")
def collected(airflow_home: Path) -> Iterator[Collected]:
    """What arrives at a collector of metrics that this module's runs are told of."""
    with collecting() as arrived:
        yield arrived
