"""Pages of the review-sentiment workflow inside Airflow's UI: reports, history, quarantine, a scoring box.

Every Airflow process loads this file, each task among them, so it imports next to nothing: the pages
(``pipeline.airflow.ui``) are built when the API server asks for them, and a fault in them becomes a page that says so
instead of taking the server down.
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
    """What Airflow is told of the pages."""

    name = "review_sentiment"
    external_views: list[Any] = [  # noqa: RUF012 - Airflow's own interface: it reads and edits this list
        {
            "name": "Evaluation report",
            "href": f"{PREFIX.strip('/')}/runs/{{RUN_ID}}/?dag_id={{DAG_ID}}",
            "destination": "dag_run",
            "url_route": "evaluation-report",
        },
        {
            "name": "Training now",
            "href": f"{PREFIX.strip('/')}/training",
            "destination": "dag_run",
            "url_route": "training-now",
        },
        {
            "name": "Model history",
            "href": f"{PREFIX.strip('/')}/history",
            "destination": "dag",
            "url_route": "model-history",
        },
        {
            "name": "Review sentiment",
            "href": f"{PREFIX.strip('/')}/",
            "destination": "nav",
            "url_route": "review-sentiment-overview",
        },
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The pages, built on the first look, which only the API server takes."""
        return [{"app": _pages(), "url_prefix": PREFIX, "name": "review-sentiment"}]


@cache
def _pages() -> ASGIApp:
    try:
        from pipeline.airflow.ui.app import create_app

        return create_app()
    except Exception:
        log.exception("The pages of review-sentiment cannot be built; Airflow goes on without them.")
        return _apology()


def _apology() -> ASGIApp:
    """Return an app whose every page says, without detail, that the pages are broken."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def sorry(_: object) -> PlainTextResponse:
        return PlainTextResponse(
            "The review-sentiment pages could not be built. The API server's log says why; DAGs are not affected.",
            status_code=503,
        )

    return Starlette(routes=[Route("/{rest:path}", sorry)])
