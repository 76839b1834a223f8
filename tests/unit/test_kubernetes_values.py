"""The files for Kubernetes: no secret in them, settings that Airflow knows, work that reaches the workers made for it.

The chart itself is not here. What it makes of these values was checked by hand
(docs/how-to/deploy_on_kubernetes.md).
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.settings import fields_by_variable

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "deployment" / "kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))
ENVIRONMENT: dict[str, str] = {variable["name"]: variable["value"] for variable in VALUES["env"]}
SETS: dict[str, dict[str, Any]] = {workers["name"]: workers for workers in VALUES["workers"]["celery"]["sets"]}
GPU = SETS["gpu"]
# An epoch of 364,171 reviews, bidirectional, at 825 reviews a second on two cores (docs/explanation/speed.md).
SLOWEST_EPOCH_SECONDS = 364_171 / 825
# What a worker is not to hold, and the scheduler is.
CONTROL_PLANE_SECRETS = {
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW_CONN_AIRFLOW_DB",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
}


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield each scalar with the names that lead to it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, str(name)))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


def options(workers: dict[str, Any]) -> dict[str, str]:
    """Return the options of the command that a set of workers starts with."""
    words = shlex.split(workers["args"][-1])
    return {word: words[index + 1] for index, word in enumerate(words[:-1]) if word.startswith("--")}


# --- Secrets


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.yaml")), ids=lambda file: file.name)
def test_no_file_holds_a_secret(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"://[^\s/@]*:[^\s/@]+@", text), "an address with a password in it"
    for document in yaml.safe_load_all(text):
        for path, value in leaves(document):
            named = path[-1].lower()
            if re.search(r"password|passphrase|token|secret|credential|fernet|apikey|private", named):
                assert named.endswith("name"), f"{'.'.join(path)} holds {value!r}, not the name of a Kubernetes secret"


def test_every_secret_that_the_chart_would_make_up_is_named_and_documented() -> None:
    data = VALUES["data"]
    names = {
        VALUES["fernetKeySecretName"],
        VALUES["apiSecretKeySecretName"],
        VALUES["jwtSecretName"],
        data["metadataSecretName"],
        data["resultBackendSecretName"],
        data["brokerUrlSecretName"],
        VALUES["redis"]["passwordSecretName"],
    }
    assert len(names) == 7
    page = (CHECKOUT / "docs" / "how-to" / "deploy_on_kubernetes.md").read_text(encoding="utf-8")
    assert not [name for name in names if name not in page]


def test_the_default_login_of_the_chart_is_not_created() -> None:
    assert VALUES["createUserJob"]["enabled"] is False
    assert VALUES["postgresql"]["enabled"] is False, "the chart's database has a password that everybody knows"


# --- Settings


@pytest.fixture(scope="module")
def known_settings() -> set[tuple[str, str]]:
    """Section and name of every setting of the installed Airflow and its providers, without starting it."""
    airflow = importlib.util.find_spec("airflow")
    assert airflow is not None
    assert airflow.submodule_search_locations
    home = Path(airflow.submodule_search_locations[0])
    sections = [yaml.safe_load((home / "config_templates" / "config.yml").read_text(encoding="utf-8"))]
    for file in home.glob("providers/**/get_provider_info.py"):
        spec = importlib.util.spec_from_file_location(f"provider_info_of_{file.parent.name}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sections.append(module.get_provider_info().get("config", {}))
    return {(section, name) for known in sections for section, body in known.items() for name in body["options"]}


def test_every_setting_is_one_that_airflow_knows(known_settings: set[tuple[str, str]]) -> None:
    given = {(section, name) for section, settings in VALUES["config"].items() for name in settings}
    everywhere = (FOLDER / "values.yaml").read_text(encoding="utf-8")
    for section, name in re.findall(r"\bAIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)\b", everywhere):
        given.add((section.lower(), name.lower()))
    assert given
    unknown = given - known_settings
    assert not unknown


def test_long_work_waits_as_long_as_in_the_compose_file() -> None:
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yaml").read_text(encoding="utf-8"))["x-airflow-settings"]
    config = VALUES["config"]
    for section, name in [
        ("scheduler", "task_queued_timeout"),
        ("celery_broker_transport_options", "visibility_timeout"),
        ("celery", "worker_prefetch_multiplier"),
    ]:
        assert str(config[section][name]) == compose[f"AIRFLOW__{section}__{name}".upper()], f"[{section}] {name}"


def test_every_variable_of_ours_is_read_by_our_code() -> None:
    ours = {name for name in ENVIRONMENT if name.startswith("REVIEW_SENTIMENT_")}
    assert ours
    assert ours <= set(fields_by_variable())


# --- Queues, the pool, the GPU


def test_every_queue_has_workers() -> None:
    written = set()
    for path in [*CHECKOUT.glob("dags/*.py"), *CHECKOUT.glob("pipeline/airflow/**/*.py")]:
        code = path.read_text(encoding="utf-8")
        written |= set(re.findall(r"""(?:\bqueue=|["']queue["']\s*:\s*)([^,)}\s]+)""", code))
    assert written == {"SETTINGS.gpu_queue"}, "a task names a queue of which the worker sets know nothing"
    served = {options(workers)["--queues"] for workers in SETS.values()}
    assert served == {"default", ENVIRONMENT["REVIEW_SENTIMENT_GPU_QUEUE"]}


@pytest.mark.parametrize("workers", SETS.values(), ids=SETS.keys())
def test_a_set_listens_to_the_queue_that_it_is_scaled_by(workers: dict[str, Any]) -> None:
    assert options(workers)["--queues"] == workers["queue"]


def test_a_gpu_worker_has_a_gpu_for_itself_and_the_time_to_finish_an_epoch() -> None:
    assert GPU["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert options(GPU)["--concurrency"] == "1"
    assert GPU["terminationGracePeriodSeconds"] > SLOWEST_EPOCH_SECONDS
    assert GPU["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}, (
        "a new pod would wait for the old one's GPU"
    )
    assert GPU["nodeSelector"]
    assert GPU["tolerations"]


def test_no_worker_asks_for_a_gpu_that_it_does_not_use() -> None:
    others = {name: str(workers["resources"]) for name, workers in SETS.items() if name != "gpu"}
    assert not [name for name, resources in others.items() if "nvidia.com/gpu" in resources]


def test_the_pool_has_a_slot_for_each_gpu_worker() -> None:
    words = shlex.split(VALUES["migrateDatabaseJob"]["args"][-1])
    pool, slots = words[words.index("set") + 1 : words.index("set") + 3]
    assert pool == ENVIRONMENT["REVIEW_SENTIMENT_GPU_POOL"]
    assert int(slots) == GPU["keda"]["maxReplicaCount"]
    assert GPU["keda"]["minReplicaCount"] == 0


def test_gpu_workers_are_counted_by_the_tasks_that_want_one() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE task_instance (state TEXT, queue TEXT)")
        database.executemany(
            "INSERT INTO task_instance VALUES (?, ?)",
            [("queued", "gpu"), ("running", "gpu"), ("success", "gpu"), (None, "gpu"), ("running", "default")],
        )
        assert database.execute(GPU["keda"]["query"]).fetchone() == (2,)


# --- Volumes


@pytest.mark.parametrize("workers", SETS.values(), ids=SETS.keys())
def test_every_worker_can_write_the_store(workers: dict[str, Any]) -> None:
    volumes = {volume["name"] for volume in workers["extraVolumes"]}
    mounts = {mount["mountPath"]: mount for mount in workers["extraVolumeMounts"]}
    assert {mount["name"] for mount in mounts.values()} == volumes
    assert not mounts[ENVIRONMENT["REVIEW_SENTIMENT_STORE"]].get("readOnly")


@pytest.mark.parametrize("part", ["apiServer", "dagProcessor", "triggerer"])
def test_the_control_plane_reads_the_store(part: str) -> None:
    (mount,) = VALUES[part]["extraVolumeMounts"]
    assert mount["mountPath"] == ENVIRONMENT["REVIEW_SENTIMENT_STORE"]
    assert mount["readOnly"]


def test_every_claim_is_one_of_ours_and_can_be_written_from_many_nodes() -> None:
    claims = list(yaml.safe_load_all((FOLDER / "claims.yaml").read_text(encoding="utf-8")))
    used = {str(value) for path, value in leaves(VALUES) if path[-1] in {"claimName", "existingClaim"}}
    assert used == {claim["metadata"]["name"] for claim in claims}
    assert {mode for claim in claims for mode in claim["spec"]["accessModes"]} == {"ReadWriteMany"}


# --- What the chart cannot say: images and secrets of the workers


def rendered(name: str, component: str) -> dict[str, Any]:
    """Return a deployment as the chart makes them, as far as our patches see it."""
    secret = {"valueFrom": {"secretKeyRef": {"name": "some", "key": "connection"}}}
    names = sorted(CONTROL_PLANE_SECRETS | {"AIRFLOW__CELERY__BROKER_URL"})
    container = {
        "name": component,
        "image": "review-sentiment-airflow:0",
        "env": [{"name": variable, **secret} for variable in names],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"tier": "airflow", "component": component}},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="the patches are kubectl's to apply, which is not here")
def test_workers_get_their_image_and_lose_the_control_planes_secrets() -> None:
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "release-worker-gpu"},
        "spec": {"triggers": [{"type": "postgresql", "metadata": {"connectionFromEnv": "AIRFLOW_CONN_AIRFLOW_DB"}}]},
    }
    manifests = [rendered("release-scheduler", "scheduler"), scaled]
    manifests += [rendered(f"release-worker-{name}", "worker") for name in SETS]
    answer = subprocess.run(
        [FOLDER / "worker_pods" / "post_render.sh"],
        input=yaml.safe_dump_all(manifests),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    documents = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(answer.stdout)}
    pods = {
        name: document["spec"]["template"]["spec"]["containers"][0]
        for (kind, name), document in documents.items()
        if kind == "Deployment"
    }
    held = {name: {variable["name"] for variable in pod["env"]} for name, pod in pods.items()}

    assert pods["release-worker-cpu"]["image"].startswith("review-sentiment-worker:")
    assert pods["release-worker-gpu"]["image"].startswith("review-sentiment-worker-gpu:")
    assert held["release-worker-cpu"] == held["release-worker-gpu"] == {"AIRFLOW__CELERY__BROKER_URL"}
    assert pods["release-scheduler"]["image"] == "review-sentiment-airflow:0"
    assert held["release-scheduler"] > CONTROL_PLANE_SECRETS
    # KEDA can no longer read the address out of the worker, so it must have it from the secret.
    (trigger,) = documents["ScaledObject", "release-worker-gpu"]["spec"]["triggers"]
    assert "connectionFromEnv" not in trigger.get("metadata", {})
    access = documents["TriggerAuthentication", trigger["authenticationRef"]["name"]]
    (target,) = access["spec"]["secretTargetRef"]
    assert (target["parameter"], target["name"]) == ("connection", VALUES["data"]["metadataSecretName"])
