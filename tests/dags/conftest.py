"""The project's DAGs, as Airflow parses them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.fresh_airflow import FreshAirflow
from tests.dags.otlp import Collected, collecting

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def _dag_test_does_not_wait(airflow_home: Path) -> Iterator[None]:
    """Let ``dag.test()`` go on at once: it sleeps a second for every level of tasks that it skips.

    It also checks the schema of every parameter again for every task; once is enough for each schema.
    """
    import jsonschema.validators

    validator = jsonschema.validators.Draft202012Validator
    sleep, check, known = time.sleep, validator.check_schema, set[str]()

    def sleep_elsewhere(seconds: float) -> None:
        if sys._getframe(1).f_globals["__name__"] != "airflow.sdk.definitions.dag":
            sleep(seconds)

    def check_once(schema: Any, *args: Any) -> None:
        text = json.dumps(schema, sort_keys=True, default=repr)
        if text not in known:
            check(schema, *args)
            known.add(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", sleep_elsewhere)
        patch.setattr(validator, "check_schema", check_once)
        yield


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
