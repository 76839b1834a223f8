"""Buttons on a task's page in Airflow: from a task to the pages that show what it did.

A link is text that the task leaves when it ends: only these tasks bear them, and the API server needs nothing of ours.
Links to our own pages have no slash in front: Airflow's page resolves them below whatever prefix it is served under.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeGuard
from urllib.parse import quote

from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.decorator import TaskDecorator, task_decorator_factory
from airflow.sdk.types import TaskInstanceKey

from pipeline.settings import load_settings

PAGES = "review-sentiment"
"""Where the plugin's pages are, below Airflow's own address."""
MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"


def report_page(run_id: str) -> str:
    """Return the place of a run's report below Airflow's address."""
    return f"{PAGES}/runs/{quote(run_id, safe='')}/"


class EvaluationReportLink(BaseOperatorLink):
    """To the report of the run."""

    name = "Evaluation report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's interface
        """Return the page."""
        return report_page(ti_key.run_id)


class DataDocsLink(BaseOperatorLink):
    """To Great Expectations' pages on the dump."""

    name = "Data Docs"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's interface
        """Return the page."""
        return f"{report_page(ti_key.run_id)}data_docs_raw/index.html"


class TrainingNowLink(BaseOperatorLink):
    """To the learning curves of what trains."""

    name = "Training now"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's interface
        """Return the page."""
        return f"{PAGES}/training"


class TensorBoardLink(BaseOperatorLink):
    """To the deployment's TensorBoard."""

    name = "TensorBoard"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's interface
        """Return its address."""
        return _address(load_settings().tensorboard_url)


class MlflowLink(BaseOperatorLink):
    """To the deployment's MLflow."""

    name = "MLflow"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's interface
        """Return its address."""
        return _address(os.environ.get(MLFLOW_VARIABLE))


def training_links() -> tuple[BaseOperatorLink, ...]:
    """Return the links of a training: those to servers that the deployment names an address of, too."""
    links: list[BaseOperatorLink] = [TrainingNowLink()]
    if _is_address(load_settings().tensorboard_url):
        links.append(TensorBoardLink())
    if _is_address(os.environ.get(MLFLOW_VARIABLE)):
        links.append(MlflowLink())
    return tuple(links)


def _is_address(value: str | None) -> TypeGuard[str]:
    return value is not None and value.lower().startswith(("http://", "https://"))


def _address(value: str | None) -> str:
    """Return a server's address without login, query and fragment; empty, which Airflow shows as no link, for none."""
    from pipeline.sources.naming import without_secrets

    return without_secrets(value) if _is_address(value) else ""


class ReportingOperator(_PythonDecoratedOperator):
    """Operator of ``@reporting_task``."""

    operator_extra_links = (EvaluationReportLink(), DataDocsLink())


class TrainingOperator(_PythonDecoratedOperator):
    """Operator of ``@training_task``."""

    operator_extra_links = training_links()


def reporting_task(function: Callable[..., Any] | None = None, **arguments: Any) -> Any:  # noqa: ANN401 - as `@task` itself
    """Make a task as ``@task`` does, with links to the run's report and Data Docs."""
    return _made(ReportingOperator, function, arguments)


def training_task(function: Callable[..., Any] | None = None, **arguments: Any) -> Any:  # noqa: ANN401 - as `@task` itself
    """Make a task as ``@task`` does, with links to where its training can be watched."""
    return _made(TrainingOperator, function, arguments)


def mapped_task(function: Callable[..., Any] | None = None, **arguments: Any) -> Any:  # noqa: ANN401 - as `@task` itself
    """Make a task as ``@task`` does that keeps its documentation when it is mapped, which ``@task`` forgets."""
    return _made(_PythonDecoratedOperator, function, arguments)


def _made(operator: type[_PythonDecoratedOperator], function: Callable[..., Any] | None, arguments: Any) -> Any:  # noqa: ANN401
    def decorate(function: Callable[..., Any]) -> TaskDecorator:
        documented = {"doc_md": function.__doc__, **arguments}
        return task_decorator_factory(function, decorated_operator_class=operator, **documented)

    return decorate if function is None else decorate(function)
