"""A collector of metrics on this machine alone: takes OpenTelemetry's protocol over HTTP, as the real one does."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Tags = tuple[tuple[str, str], ...]


@dataclass
class Collected:
    """The gauges that arrived, each with its last value by name and tags."""

    url: str = ""
    gauges: dict[tuple[str, Tags], float] = field(default_factory=dict)

    def of(self, name: str, **tags: str) -> dict[Tags, float]:
        """Return the values of one of our gauges that bear these tags, by all tags that they bear."""
        self.flush()
        wanted = set(tags.items())
        return {key: value for (at, key), value in self.gauges.items() if at == f"airflow.{name}" and wanted <= {*key}}

    def value(self, name: str, **tags: str) -> float:
        """Return the one value with these tags."""
        (value,) = self.of(name, **tags).values()
        return value

    @staticmethod
    def flush() -> None:
        """Have this process send what it has; a task's own process does so when it ends."""
        from opentelemetry import metrics

        metrics.get_meter_provider().force_flush()


@contextmanager
def collecting() -> Iterator[Collected]:
    """Run a collector, with this process configured as a task's process is in a deployment that names one."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    collected = Collected()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportMetricsServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        for point in metric.gauge.data_points:
                            tags = tuple(sorted((tag.key, tag.value.string_value) for tag in point.attributes))
                            collected.gauges[metric.name, tags] = point.as_double
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    collected.url = f"http://127.0.0.1:{server.server_address[1]}"
    settings = {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
    }
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        with _configured():
            yield collected
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _configured() -> Iterator[None]:
    """Do to this process what Airflow's task runner does to its own, and undo it."""
    from airflow.sdk._shared.observability.metrics import otel_logger
    from airflow.sdk.configuration import conf
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils
    from opentelemetry import metrics

    def configure() -> None:
        legacy = conf.getboolean("metrics", "legacy_names_on")
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=legacy)

    configure()
    try:
        yield
    finally:
        provider = metrics.get_meter_provider()
        if hasattr(provider, "shutdown"):
            provider.shutdown()
            # Nobody listens any more when this process ends.
            atexit.unregister(otel_logger.flush_otel_metrics)
        os.environ["AIRFLOW__METRICS__OTEL_ON"] = "False"
        configure()
