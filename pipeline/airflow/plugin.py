"""The plugin: pages of the review-sentiment workflow inside Airflow's UI.

Every Airflow process loads this module, so it imports next to nothing: the API server builds the pages
(:mod:`pipeline.airflow.ui`) when it asks for them. If they cannot be built, each shows an error and Airflow goes on.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import ASGIApp

log = logging.getLogger(__name__)

PREFIX = "/review-sentiment"
DAG_ID = "train_review_sentiment"


class ReviewSentimentPlugin(AirflowPlugin):
    """Registers the pages with Airflow."""

    name = "review_sentiment"
    external_views: list[Any] = [  # noqa: RUF012 - Airflow's own interface: it reads and edits this list
        {"name": name, "href": PREFIX.strip("/") + path, "destination": destination, "url_route": route}
        for name, path, destination, route in (
            ("Evaluation report", "/runs/{RUN_ID}/?dag_id={DAG_ID}", "dag_run", "evaluation-report"),
            ("Training now", "/training?dag_id={DAG_ID}", "dag_run", "training-now"),
            ("Model history", "/history", "dag", "model-history"),
            ("Review sentiment", "/", "nav", "review-sentiment-overview"),
        )
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The pages, built on first access, which only the API server does."""
        return [{"app": _pages(), "url_prefix": PREFIX, "name": "review-sentiment"}]


@cache
def _pages() -> ASGIApp:
    try:
        from pipeline.airflow.ui.app import create_app

        return create_app()
    except Exception:
        log.exception("The pages of review-sentiment cannot be built; Airflow goes on without them.")
        return _error_app()


def _error_app() -> ASGIApp:
    """Return an app whose pages say that the pages cannot be built."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def unavailable(_: object) -> PlainTextResponse:
        return PlainTextResponse(
            "The review-sentiment pages could not be built. See the API server's log; DAGs are not affected.",
            status_code=503,
        )

    return Starlette(routes=[Route("/{rest:path}", unavailable)])
