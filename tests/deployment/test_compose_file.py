"""The Compose file has no default secrets, and each service gets only what it needs."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from pipeline.settings import fields_by_variable

CHECKOUT = Path(__file__).resolve().parents[2]
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:[-?])?(?P<rest>[^}]*)\}")
SECRETS = {
    "POSTGRES_PASSWORD",
    "AIRFLOW_DATABASE_PASSWORD",
    "MLFLOW_DATABASE_PASSWORD",
    "REDIS_PASSWORD",
    "FERNET_KEY",
    "JWT_SECRET",
    "API_SECRET_KEY",
    "ADMIN_PASSWORD",
}
KNOWS = {
    "api-server": {"AIRFLOW_DATABASE_PASSWORD", "FERNET_KEY", "JWT_SECRET", "API_SECRET_KEY"},
    "scheduler": {"AIRFLOW_DATABASE_PASSWORD", "FERNET_KEY", "JWT_SECRET", "REDIS_PASSWORD"},
    "dag-processor": {"AIRFLOW_DATABASE_PASSWORD", "FERNET_KEY"},
    "triggerer": {"AIRFLOW_DATABASE_PASSWORD", "FERNET_KEY"},
    "worker": {"REDIS_PASSWORD"},
    "worker-gpu": {"REDIS_PASSWORD"},
    "worker-gpu-2": {"REDIS_PASSWORD"},
    "mlflow": {"MLFLOW_DATABASE_PASSWORD"},
    "postgres": {"POSTGRES_PASSWORD"},
    "redis": {"REDIS_PASSWORD"},
    "initialize": {
        "AIRFLOW_DATABASE_PASSWORD",
        "MLFLOW_DATABASE_PASSWORD",
        "POSTGRES_PASSWORD",
        "ADMIN_PASSWORD",
        "FERNET_KEY",
    },
}
"""Secrets of each service: Airflow's recommendation, and the project's own services."""


def written(folder: Path, *options: str) -> Path:
    """Write an ``.env`` as ``make env`` does."""
    target = folder / "env"
    command = [sys.executable, str(CHECKOUT / "scripts" / "write_env.py"), "--target", str(target), *options]
    subprocess.run(command, check=True, capture_output=True)
    return target


def settings(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return settings(written(tmp_path_factory.mktemp("env")))


@pytest.fixture(scope="module")
def services(env: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The services as Compose would start them, with the secrets of a fresh ``.env``."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found["name"], found["kind"], found["rest"]
        if env.get(name):
            return env[name]
        assert kind == ":-", f"{name} has no value in a fresh .env"
        return rest

    text = (CHECKOUT / "docker-compose.yaml").read_text()
    return yaml.safe_load(REFERENCE.sub(value, text))["services"]


def test_no_secret_has_a_default_and_compose_says_what_to_do_without_one() -> None:
    text = (CHECKOUT / "docker-compose.yaml").read_text()
    asked = {found["name"]: found for found in REFERENCE.finditer(text)}
    assert set(asked) >= SECRETS
    secret_like = {name for name in asked if re.search("PASSWORD|SECRET|KEY|TOKEN", name)}
    assert secret_like == SECRETS
    for found in REFERENCE.finditer(text):
        if found["name"] in SECRETS:
            assert found["kind"] == ":?", found[0]
            assert "make env" in found["rest"]


def test_each_service_gets_only_the_secrets_it_needs(services: dict[str, dict[str, Any]], env: dict[str, str]) -> None:
    known = {name: {secret for secret in SECRETS if env[secret] in str(service)} for name, service in services.items()}
    assert known == KNOWS


def test_no_secret_is_on_a_command_line(services: dict[str, dict[str, Any]], env: dict[str, str]) -> None:
    for name, service in services.items():
        visible = str([service.get(part) for part in ("command", "entrypoint", "healthcheck", "labels", "build")])
        assert not [secret for secret in SECRETS if env[secret] in visible], name


def test_workers_have_no_settings_of_the_metadata_database_and_cannot_reach_it(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in ("worker", "worker-gpu", "worker-gpu-2"):
        assert not [key for key in services[name]["environment"] if "SQL_ALCHEMY" in key or "FERNET" in key]
        assert "postgres" not in str(services[name]["environment"])
        assert not set(services[name]["networks"]) & set(services["postgres"]["networks"])


def test_postgres_redis_and_mlflow_are_on_internal_networks() -> None:
    composition = yaml.safe_load((CHECKOUT / "docker-compose.yaml").read_text())
    for name in ("postgres", "redis", "mlflow"):
        for network in composition["services"][name]["networks"]:
            assert composition["networks"][network]["internal"] is True, (name, network)


def test_a_metrics_collector_gets_a_network_without_postgres_redis_and_mlflow(
    services: dict[str, dict[str, Any]],
) -> None:
    composition = yaml.safe_load((CHECKOUT / "docker-compose.yaml").read_text())
    assert composition["networks"]["metrics"]["internal"] is True
    on_it = {name for name, service in services.items() if "metrics" in service["networks"]}
    assert on_it == set(KNOWS) - {"postgres", "redis", "mlflow", "initialize"}


def test_every_metrics_variable_of_the_documentation_is_passed(services: dict[str, dict[str, Any]]) -> None:
    pages = [path.read_text() for path in (CHECKOUT / "docs").rglob("monitor.md")]
    named = set(re.findall(r"`(OTEL_[A-Z_]+)`", "".join(pages)))
    assert named
    assert named <= set(services["scheduler"]["environment"])


def test_only_the_user_interface_is_published_and_only_to_this_machine(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"api-server": ["127.0.0.1:8080:8080"]}
    assert not [name for name, service in services.items() if service.get("network_mode") or service.get("privileged")]


def test_every_service_has_health_check_limits_rotation_and_restart_policy(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, service in services.items():
        assert service["mem_limit"], name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service or name == "postgres", name
        if name == "initialize":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name


def test_services_that_only_read_mount_read_only(services: dict[str, dict[str, Any]]) -> None:
    for name in ("api-server", "dag-processor", "triggerer"):
        assert "store:/opt/airflow/store:ro" in services[name]["volumes"], name
    for name, service in services.items():
        for volume in service.get("volumes", []):
            if "/opt/airflow/inbox" in volume or "/opt/airflow/settings" in volume:
                assert volume.endswith(":ro"), (name, volume)


def test_a_gpu_worker_takes_one_training_at_a_time_and_ends_its_epoch(services: dict[str, dict[str, Any]]) -> None:
    worker = services["worker-gpu"]
    assert worker["profiles"] == ["gpu"]
    assert worker["command"].endswith("--queues gpu --concurrency 1")
    [device] = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    [second] = services["worker-gpu-2"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["device_ids"], second["device_ids"]) == (["0"], ["1"])
    assert services["worker-gpu-2"]["command"] == worker["command"]
    assert worker["stop_grace_period"] == "60m"
    assert worker["environment"]["DUMB_INIT_SETSID"] == "0"


@pytest.mark.parametrize(("gpu", "queues"), [(False, "default,gpu"), (True, "default")])
def test_one_worker_takes_the_queue_gpu(tmp_path: Path, gpu: bool, queues: str) -> None:
    made = settings(written(tmp_path, *(["--gpu"] if gpu else [])))
    assert made["WORKER_QUEUES"] == queues
    assert made["COMPOSE_PROFILES"] == ("gpu" if gpu else "")


def test_every_passed_setting_is_read_by_the_code(services: dict[str, dict[str, Any]]) -> None:
    passed = {key for key in services["worker"]["environment"] if key.startswith("REVIEW_SENTIMENT_")}
    assert passed <= set(fields_by_variable())


def test_a_run_may_read_dumps_of_the_inbox_alone_unless_the_team_says_more(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in ("worker", "worker-gpu", "api-server", "dag-processor"):
        assert services[name]["environment"]["REVIEW_SENTIMENT_ALLOWED_ROOTS"] == "/opt/airflow/inbox"


def test_every_setting_is_in_the_example_and_used() -> None:
    text = (CHECKOUT / "docker-compose.yaml").read_text()
    names = set(settings(CHECKOUT / ".env.example"))
    used = {found["name"] for found in REFERENCE.finditer(text)}
    assert names - used == {"COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"}
    assert used <= names


def test_every_airflow_setting_is_one_that_airflow_knows(
    services: dict[str, dict[str, Any]], airflow_home: Path
) -> None:
    from airflow.configuration import conf

    for name, service in services.items():
        for key in service.get("environment", {}):
            if key.startswith("AIRFLOW__"):
                section, option = key.removeprefix("AIRFLOW__").lower().split("__", 1)
                known = conf.configuration_description.get(section, {}).get("options", {})
                assert option in known, (name, key)


def test_every_dag_is_read_with_the_settings_of_a_fresh_deployment(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    told = {
        # An empty value is what YAML calls null.
        key: value or ""
        for key, value in services["dag-processor"]["environment"].items()
        if key.startswith("REVIEW_SENTIMENT_")
    }
    program = (
        "import json\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag(dag_folder={str(CHECKOUT / 'dags')!r})\n"
        "print(json.dumps([sorted(bag.dags), bag.import_errors]))\n"
    )
    environment = {
        **clean(),
        **told,
        "REVIEW_SENTIMENT_STORE": str(tmp_path / "store"),
        "REVIEW_SENTIMENT_RETRAIN_CONFIG": str(CHECKOUT / "deployment" / "settings" / "retrain.yaml"),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    known, errors = yaml.safe_load(done.stdout.splitlines()[-1])
    assert errors == {}
    assert known == ["clean_up_artifacts", "roll_back_champion", "score_reviews", "train_review_sentiment"]


def test_an_env_is_written_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = written(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    written(tmp_path)
    assert file.read_text() == before
    assert "<generated>" not in before


def test_every_secret_is_long_and_its_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = settings(written(tmp_path)), settings(written(tmp_path / "other"))
    made = [one[name] for one in (first, second) for name in SECRETS]
    assert len(set(made)) == 2 * len(SECRETS)
    assert min(map(len, made)) >= 32
    assert all(re.fullmatch(r"[\w=-]+", secret) for secret in made)
    Fernet(first["FERNET_KEY"])
    assert len(first["JWT_SECRET"].encode()) >= 64


def compose() -> list[str]:
    """Return how Compose is started here; skip where it is not, unless the environment wants no test skipped."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if os.environ.get("REQUIRE_SERVERS"):
        pytest.fail("Docker Compose is not here (sh scripts/servers.sh installs it).")
    pytest.skip("Docker Compose is not here.")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A folder with the Compose file and no ``.env``."""
    shutil.copy(CHECKOUT / "docker-compose.yaml", tmp_path)
    return tmp_path


def clean() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def test_compose_itself_understands_the_file(checkout: Path) -> None:
    file = written(checkout, "--gpu").rename(checkout / ".env")
    done = subprocess.run(
        [*compose(), "config"], cwd=checkout, env=clean(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(KNOWS)
    assert settings(file)["JWT_SECRET"] in done.stdout


def test_compose_refuses_to_start_without_secrets(checkout: Path) -> None:
    done = subprocess.run(
        [*compose(), "config"], cwd=checkout, env=clean(), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "make env" in done.stderr
