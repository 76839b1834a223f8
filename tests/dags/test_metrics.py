"""What is told of a run, what the dashboard and the alerts ask for, and that both agree with the documentation."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from pipeline.store import ArtifactStore
from tests.factories import place
from tests.unit.evaluation.factories import evaluation
from tests.unit.promotion.factories import change, model

CHECKOUT = Path(__file__).resolve().parents[2]
DASHBOARD = CHECKOUT / "deployment" / "grafana" / "review_sentiment.json"
RULES = CHECKOUT / "deployment" / "prometheus_rules.yaml"
COLLECTOR = CHECKOUT / "deployment" / "otel-collector.yaml"
PAGE = CHECKOUT / "docs" / "how-to" / "monitor.md"
GRID_COLUMNS = 24


@pytest.fixture
def metrics(airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, in a deployment that watches, with a store of this test alone."""
    from pipeline.airflow import metrics

    monkeypatch.setenv("REVIEW_SENTIMENT_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "True")
    return metrics


@dataclass
class Gauges:
    """What was told, in place of Airflow's statistics."""

    told: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)

    def gauge(self, name: str, value: float, *, tags: dict[str, str]) -> None:
        """Keep it."""
        self.told.append((name, value, tags))


def test_a_new_champion_tells_since_when_and_its_scores(
    metrics: ModuleType, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gauges = Gauges()
    monkeypatch.setattr(metrics, "stats", gauges)
    judged = evaluation()
    promoted = change()
    promoted = promoted.model_copy(update={"model": model(evaluated=place(store, "evaluate", judged))})
    metrics.record_champion(promoted)
    told = {(name, *tags.values()): value for name, value, tags in gauges.told}
    assert told["review_sentiment.champion.since",] == promoted.changed_at.timestamp()
    scored = told["review_sentiment.score", "champion", "negative_recall"]
    assert scored == judged.scores.negative.recall.value
    assert told["review_sentiment.score", "champion", "roc_auc"] == judged.scores.roc_auc.value


def test_a_metric_that_cannot_be_recorded_fails_no_task(
    metrics: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = model().evaluated
    with caplog.at_level(logging.WARNING, logger="pipeline.airflow.metrics"):
        metrics.record_stage(gone)
    assert "not affected" in caplog.text
    caplog.clear()
    # Without a backend, the store is not read.
    monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "False")
    metrics.record_stage(gone)
    assert not caplog.text


def test_the_page_lists_every_metric(metrics: ModuleType) -> None:
    rows = documented()
    assert [row[:2] for row in rows] == [
        [f"`{metric.name}`", ", ".join(f"`{tag}`" for tag in metric.tags) or "none"] for metric in declared(metrics)
    ]
    assert all(unit and meaning for _, _, unit, meaning in rows)


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place_of = panel["gridPos"]
        assert place_of["x"] + place_of["w"] <= GRID_COLUMNS, panel["title"]
        for x in range(place_of["x"], place_of["x"] + place_of["w"]):
            for y in range(place_of["y"], place_of["y"] + place_of["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
        assert panel["targets"], panel["title"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) <= variables


def test_dashboard_and_alerts_ask_only_for_what_is_told(metrics: ModuleType) -> None:
    known = {f"airflow_{metric.name.replace('.', '_')}": metric for metric in declared(metrics)}
    meanings = {name.strip("`"): meaning for name, _, _, meaning in documented()}
    theirs = set(_airflows_own())
    measures = {*metrics.MEASURES, *metrics.COMPARED_MEASURES}
    for query in (*_queries_of_the_dashboard(), *(rule["expr"] for rule in _rules())):
        for name, labels, values in _asked(query):
            assert name in known or name in theirs, f"{name} is nothing that anybody tells"
            if name in known:
                metric = known[name]
                assert labels <= set(metric.tags), f"{name} has no {labels - set(metric.tags)}"
                said = measures | set(re.findall(r"`(\w+)`", meanings[metric.name]))
                assert values <= said, f"{name} never bears {values - said}"


def test_every_promise_has_its_alert_and_every_alert_its_advice() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for rule in _rules():
        assert f"`{rule['alert']}`" in page
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
    named = {name for name in re.findall(r"`((?:ReviewSentiment|Airflow)[A-Z]\w+)`", page) if "Error" not in name}
    assert named == {rule["alert"] for rule in _rules()}


def _airflows_own() -> Iterator[str]:
    """Yield the names of Airflow's metrics as the collector shows them to Prometheus."""
    from airflow.sdk._shared.observability.metrics.metrics_registry import YAML_REGISTRY_PATH, read_metrics_yaml

    statements = yaml.safe_load(COLLECTOR.read_text(encoding="utf-8"))["processors"]["transform/timers"]
    matches = re.findall(r'IsMatch\(name, "([^"]+)"\)', "\n".join(statements["metric_statements"][0]["statements"]))
    (pattern,) = set(matches)
    for metric in read_metrics_yaml(str(YAML_REGISTRY_PATH)):
        name = f"airflow.{metric['name']}"
        shown = name.replace(".", "_").replace("-", "_")
        if metric["type"] == "gauge":
            yield shown
        elif metric["type"] == "counter":
            yield f"{shown}_total"
        elif re.search(pattern, name):
            yield from (f"{shown}_count_total", f"{shown}_sum_milliseconds_total")


def _queries_of_the_dashboard() -> Iterator[str]:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _asked(query: str) -> Iterator[tuple[str, set[str], set[str]]]:
    """Yield each metric of a query with the labels asked of it, those it is grouped by included, and their values."""
    grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(",")}
    for name, matchers in re.findall(r"\b(airflow_\w+)(?:\{([^}]*)\})?", query):
        yield name, set(re.findall(r"(\w+)\s*!?=", matchers)) | grouped, set(re.findall(r'="(\w+)"', matchers))


def documented() -> list[list[str]]:
    """Return name, tags, unit and meaning of every metric on the page."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `review_sentiment.")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def declared(metrics: Any) -> list[Any]:
    """Return every metric of the module, in its order."""
    return [found for found in vars(metrics).values() if isinstance(found, metrics.Metric)]
