"""The registered model: a version for each champion, and the store's aliases."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.scoring import Scorer
from pipeline.tracking import MirroredChampion, mirror_champion, track_run
from tests.unit.scoring.factories import build_world
from tests.unit.tracking.factories import RUN_NAME, Example, client_of

REVIEWS = (
    "I love this coffee!",
    "NOT good at all, <br />won't buy this tea again",
    "",
    "I won't buy this dog food " * 40 + "great",
    "I don\u2019t know this sugar \u2014 \u00e9t\u00e9 \x00",
    "I didn&#39;t like this " + "sauce " * 30_000,
)

WITHOUT_THIS_PROJECT = """
import importlib.util, json, os, sys
sys.path = [place for place in sys.path if not os.path.isdir(os.path.join(place, "pipeline"))]
import mlflow, pandas
assert importlib.util.find_spec("pipeline") is None
model = mlflow.pyfunc.load_model("models:/review_sentiment@champion")
scored = model.predict(pandas.DataFrame({"review": json.loads(sys.stdin.read())}))
print(json.dumps([model.metadata.signature.to_dict(), scored.to_dict("list")]))
"""


def versions_of(example: Example) -> list[Any]:
    found = client_of(example).search_model_versions("name = 'review_sentiment'")
    return sorted(found, key=lambda version: int(version.version))


def aliases_of(example: Example) -> dict[str, int]:
    aliases = client_of(example).get_registered_model("review_sentiment").aliases
    return {name: int(version) for name, version in aliases.items()}


def test_the_first_champion_becomes_version_one(example: Example) -> None:
    tracked = track_run(example.state, example.config, RUN_NAME, example.store)
    change = example.promote(why="Better by 2.1 points.")

    mirrored = mirror_champion(example.store)

    assert (mirrored.number, mirrored.version, mirrored.previous_version, mirrored.registered) == (1, 1, None, (1,))
    (version,) = versions_of(example)
    assert version.source == f"models:/{tracked.model_id}"
    assert version.run_id == tracked.variants[-1].run_id
    tags = {name.removeprefix("review_sentiment."): value for name, value in version.tags.items()}
    assert (tags["number"], tags["kind"], tags["who"], tags["why"]) == ("1", "promote", "the gate", change.why)
    assert tags["when"].startswith(f"{change.changed_at:%Y-%m-%dT%H:%M}")
    assert aliases_of(example) == {"champion": 1}


def test_a_promotion_and_a_roll_back_move_the_aliases(example: Example) -> None:
    example.promote(0)
    mirror_champion(example.store)
    example.promote(1, kind="force", who="anna", why="I trust it more.")
    assert mirror_champion(example.store).registered == (2,)
    assert aliases_of(example) == {"champion": 2, "previous": 1}

    example.promote(0, kind="roll_back", who="anna", why="It was worse after all.")
    mirrored = mirror_champion(example.store)

    assert (mirrored.number, mirrored.version, mirrored.previous_version, mirrored.registered) == (3, 1, 2, ())
    assert aliases_of(example) == {"champion": 1, "previous": 2}
    first, second = versions_of(example)
    assert first.tags["review_sentiment.kind"] == "roll_back"
    assert "Change 3" in first.description
    assert "Change 1" in first.description
    assert (second.tags["review_sentiment.who"], second.tags["review_sentiment.number"]) == ("anna", "2")


def test_one_call_adds_every_missed_change(example: Example) -> None:
    example.promote(0)
    example.promote(1)
    example.promote(0, kind="roll_back")

    mirrored = mirror_champion(example.store)
    again = mirror_champion(example.store)

    assert (mirrored.registered, mirrored.version, mirrored.previous_version) == ((1, 2), 1, 2)
    assert again == mirrored.model_copy(update={"registered": ()})
    assert len(versions_of(example)) == 2


def test_moved_aliases_are_restored_with_a_warning(example: Example, caplog: pytest.LogCaptureFixture) -> None:
    example.promote(0)
    example.promote(1)
    mirror_champion(example.store)
    client = client_of(example)
    client.set_registered_model_alias("review_sentiment", "champion", "1")
    client.delete_registered_model_alias("review_sentiment", "previous")
    caplog.set_level(logging.WARNING)

    mirrored = mirror_champion(example.store)

    assert mirrored.repaired == ("champion", "previous")
    assert aliases_of(example) == {"champion": 2, "previous": 1}
    assert "alias champion" in caplog.text
    assert mirror_champion(example.store).repaired == ()


def test_a_champion_whose_version_was_deleted_is_registered_again(example: Example) -> None:
    example.promote()
    mirror_champion(example.store)
    client_of(example).delete_registered_model("review_sentiment")

    assert mirror_champion(example.store).registered == (1,)
    assert aliases_of(example) == {"champion": 1}


def test_no_champion_means_no_version(example: Example) -> None:
    assert mirror_champion(example.store).number is None


def test_mirroring_can_be_turned_off(plain: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.promote()
    monkeypatch.setenv("REVIEW_SENTIMENT_TRACKING", "off")

    assert mirror_champion(plain.store) == MirroredChampion(address=None)


@pytest.mark.slow
def test_the_registered_model_needs_neither_pickle_nor_this_project(example: Example, tmp_path: Path) -> None:
    exported = build_world(example.store, "default", slice(0, 12), directions=("bi",), layers=(1,)).export()
    replace(example, exports=(exported, exported)).promote()
    mirror_champion(example.store)
    expected = Scorer.load(example.store.folder(exported)).probabilities(REVIEWS)

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{example.store.url}/mlflow.db",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_THIS_PROJECT],
        input=json.dumps(REVIEWS),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
        timeout=300,
    )

    assert ran.returncode == 0, ran.stderr
    signature, scored = json.loads(ran.stdout.splitlines()[-1])
    probabilities = scored["probability"]
    assert json.loads(signature["inputs"]) == [{"type": "string", "name": "review", "required": True}]
    columns = {column["name"]: column["type"] for column in json.loads(signature["outputs"])}
    assert columns == {"probability": "double", "label": "long", "threshold": "double"}
    assert list(scored) == list(columns)
    [threshold] = set(scored["threshold"])
    assert threshold == Scorer.load(example.store.folder(exported)).threshold
    assert scored["label"] == [int(probability >= threshold) for probability in probabilities]
    assert probabilities == pytest.approx(expected.tolist(), abs=1e-6)
    assert len(set(probabilities)) >= 4
    assert not list(example.store.root.glob("mlflow-artifacts/**/*.pkl"))
