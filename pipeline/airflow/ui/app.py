"""The FastAPI app: authorization for every route, security headers for every response."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Request, Response

from pipeline.airflow.plugin import DAG_ID
from pipeline.airflow.store_login import use_store_connection
from pipeline.airflow.ui import comparison, history, overview, quarantine, reports, scoring, training
from pipeline.airflow.ui.pages import POLICY, PageFile, base, describe_error, page

log = logging.getLogger(__name__)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Reviews and figures are private: no cache may keep them.
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
}


def create_app() -> FastAPI:
    """Return the app. Every route requires the right to read the DAG: who may read it may read its results."""
    use_store_connection()
    app = FastAPI(
        title="Review sentiment",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_dag("GET", param_dag_id=DAG_ID))],
    )
    for pages in (overview, history, comparison, training, scoring, quarantine, reports):
        app.include_router(pages.router)

    @app.get("/files/{name}")
    def file(name: PageFile) -> Response:
        return Response(name.path.read_bytes(), media_type=name.media_type)

    @app.middleware("http")
    async def private(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        base.set(request.scope.get("root_path", ""))
        try:
            response = await answer(request)
        except Exception as error:  # noqa: BLE001 - an unreachable store raises its library's errors
            response = page("unreadable.html.j2", status=503, problem=describe_error(error))
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app
