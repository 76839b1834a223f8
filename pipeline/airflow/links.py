"""Links on a task's page in Airflow to the pages that show its result.

A link is text that a task stores when it ends, so the API server needs nothing of this project. Links to the plugin's
pages are relative: Airflow may be served under a prefix.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeGuard
from urllib.parse import quote, urlsplit

from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.decorator import TaskDecorator, task_decorator_factory
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey

from pipeline.settings import load_settings

PAGES = "review-sentiment"
"""Path of the plugin's pages below Airflow's address."""
MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"


def report_page(run_id: str) -> str:
    """Return the path of a run's report below Airflow's address."""
    return f"{PAGES}/runs/{quote(run_id, safe='')}/"


def page_address(path: str) -> str | None:
    """Return the full address of a page in Airflow; ``None`` if ``[api] base_url`` is not set.

    Args:
        path: Path of the page below Airflow's address.
    """
    from pipeline.sources.naming import without_secrets

    base = without_secrets(str(conf.get("api", "base_url", fallback="") or ""))
    usable = base.startswith(("http://", "https://")) and urlsplit(base).hostname not in {None, "…"}
    return f"{base.rstrip('/')}/{path}" if usable else None


class PageLink(BaseOperatorLink):
    """Link from a task to a page."""

    name = ""

    def __init__(self, name: str, address: Callable[[TaskInstanceKey], str]) -> None:
        """Keep the link's name, and what gives the address when a task ends."""
        super().__init__()
        self.name = name
        self._address = address

    @property
    def xcom_key(self) -> str:
        """Key under which a task stores the address."""
        return f"_link_{self.name.title().replace(' ', '')}Link"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's interface
        """Return the address; empty (no link in Airflow) if there is none."""
        return self._address(ti_key)


REPORT_LINKS = (
    PageLink("Evaluation report", lambda task: report_page(task.run_id)),
    PageLink("Data Docs", lambda task: f"{report_page(task.run_id)}data_docs_raw/index.html"),
)


def training_links() -> tuple[BaseOperatorLink, ...]:
    """Return the links of a training task, including the servers whose address is configured."""
    links = [PageLink("Training now", lambda _: f"{PAGES}/training")]
    if _is_address(load_settings().tensorboard_url):
        links.append(PageLink("TensorBoard", lambda _: _address(load_settings().tensorboard_url)))
    if _is_address(os.environ.get(MLFLOW_VARIABLE)):
        links.append(PageLink("MLflow", lambda _: _address(os.environ.get(MLFLOW_VARIABLE))))
    return tuple(links)


def _is_address(value: str | None) -> TypeGuard[str]:
    return value is not None and value.lower().startswith(("http://", "https://"))


def _address(value: str | None) -> str:
    """Return a server's address without login, query and fragment; empty if it is not set."""
    from pipeline.sources.naming import without_secrets

    return without_secrets(value) if _is_address(value) else ""


class ReportingOperator(_PythonDecoratedOperator):
    """Operator of ``@reporting_task``."""

    operator_extra_links = REPORT_LINKS


class TrainingOperator(_PythonDecoratedOperator):
    """Operator of ``@training_task``."""

    operator_extra_links = training_links()


def reporting_task(function: Callable[..., Any] | None = None, **arguments: Any) -> Any:  # noqa: ANN401 - like `@task`
    """Make a task like ``@task``, with links to the run's report and Data Docs."""
    return _made(ReportingOperator, function, arguments)


def training_task(function: Callable[..., Any] | None = None, **arguments: Any) -> Any:  # noqa: ANN401 - like `@task`
    """Make a task like ``@task``, with links to its training curves."""
    return _made(TrainingOperator, function, arguments)


def mapped_task(function: Callable[..., Any] | None = None, **arguments: Any) -> Any:  # noqa: ANN401 - like `@task`
    """Make a task like ``@task`` that keeps its documentation when it is mapped, unlike ``@task``."""
    return _made(_PythonDecoratedOperator, function, arguments)


def _made(operator: type[_PythonDecoratedOperator], function: Callable[..., Any] | None, arguments: Any) -> Any:  # noqa: ANN401
    def decorate(function: Callable[..., Any]) -> TaskDecorator:
        documented = {"doc_md": function.__doc__, **arguments}
        return task_decorator_factory(function, decorated_operator_class=operator, **documented)

    return decorate if function is None else decorate(function)
