"""Test the Compose file from start to end (``make compose-test``).

Builds the images, starts everything from nothing, trains through the API, restarts the scheduler and kills the worker
meanwhile, reads the report, and restores a backup. Project name, secrets, volumes and port are new, so a running
deployment is not touched. Needs a Docker engine and the base images. If a step fails, it prints the state of every
service and task and the last lines of the logs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from scripts import compose_backup
from scripts.compose_backup import CHECKOUT, compose_command
from scripts.write_env import PLACEHOLDER, filled

TRAIN = "train_review_sentiment"
DAGS = {TRAIN, "score_reviews", "roll_back_champion", "clean_up_artifacts"}
RUN_SECONDS = 1500
"""Six minutes are enough on a machine with two cores that does nothing else."""
START_SECONDS = 600
LOG_LINES = 40
TEST_SETTINGS = {
    # Shorter than in a deployment, so that the test need not wait long for a killed worker.
    "HEARTBEAT_TIMEOUT": "40",
    # No scheduled runs.
    "REVIEW_SENTIMENT_SCHEDULE": "none",
    "IMAGE_TAG": "compose-test",
}
CONFIGURATION = {
    "profile": "demo",
    "directions": ["uni"],
    "units": [32],
    "epochs": 40,
    "patience": 40,
    "bootstrap_samples": 100,
}
"""The training lasts long enough to be killed halfway."""
EPOCHS_BEFORE_KILL = 1
BASE_IMAGES = ("AIRFLOW_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE")
SECRETS = tuple(
    line.partition("=")[0]
    for line in (CHECKOUT / ".env.example").read_text(encoding="utf-8").splitlines()
    if line.endswith(f"={PLACEHOLDER}") and not line.startswith("REDIS_PASSWORD=")
)
"""Secrets that no worker may have."""


@dataclass(frozen=True)
class Stack:
    """A running Compose project.

    ``settings`` are the values of its ``.env``; :func:`log_in` adds a token to the client of the API.
    """

    command: tuple[str, ...]
    settings: dict[str, str]
    client: httpx.Client

    def compose(self, *words: str, check: bool = True, quiet: bool = False) -> str:
        """Run Compose; if ``quiet``, return its output instead of printing it."""
        output = subprocess.PIPE if quiet else None
        done = subprocess.run(
            [*self.command, *words], cwd=CHECKOUT, check=check, stdout=output, text=True, env=_clean_environment()
        )
        return done.stdout or ""

    def inside(self, service: str, *words: str, check: bool = True) -> str:
        """Run a command in a service's container and return its output."""
        return self.compose("exec", "-T", service, *words, check=check, quiet=True)

    def health(self) -> dict[str, str]:
        """Return the state of each container by the name of its service."""
        state = "{{if and .State.Running .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
        form = '{{index .Config.Labels "com.docker.compose.service"}} ' + state
        return dict(line.split(" ", 1) for line in self.inspect(form).splitlines())

    def inspect(self, form: str) -> str:
        """Return what Docker knows of each container of the project, in a format of its own language."""
        return docker("inspect", "--format", form, *self.compose("ps", "--quiet", quiet=True).split())

    def get(self, path: str, **params: object) -> httpx.Response:
        """Return the answer to a request; an error status is an error."""
        return self.client.get(path, params=params).raise_for_status()

    def run(self, run_id: str, path: str = "", **params: object) -> Any:  # noqa: ANN401 - any JSON
        """Return what the API says of a run, or of a part of it."""
        return self.get(f"/api/v2/dags/{TRAIN}/dagRuns/{run_id}{path}", **params).json()

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the tasks of a run as the API describes them, by name."""
        found = self.run(run_id, "/taskInstances", limit=200)["task_instances"]
        return {task["task_id"]: task for task in found}


def main() -> int:
    """Return 0 if every step succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the stack running afterwards")
    options = parser.parse_args()
    # A terminated test must also remove the stack.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    with prepared() as stack:
        try:
            run_steps(stack)
        except BaseException:
            print_diagnosis(stack)
            raise
        finally:
            if options.keep:
                print("The stack keeps running:", " ".join(stack.command), "ps")
            else:
                with step("Remove everything with its volumes"):
                    stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
    print("The Compose test passed.")
    return 0


def run_steps(stack: Stack) -> None:
    """Run all steps in their order."""
    build_and_start(stack)
    check_isolation(stack)
    with step("Log in and start a run"):
        log_in(stack)
        wait("all DAGs to be known", START_SECONDS, lambda: known_dags(stack) == DAGS)
        errors = stack.get("/api/v2/importErrors").json()["import_errors"]
        require(not errors, f"DAG files with errors: {errors}")
        run = {"logical_date": None, "conf": {**CONFIGURATION, "dumps": ["demo"]}}
        run_id = stack.client.post(f"/api/v2/dags/{TRAIN}/dagRuns", json=run).raise_for_status().json()["dag_run_id"]
    disturb_training(stack, run_id)
    check_logs(stack, run_id)
    with step("Read the report through Airflow"):
        history = stack.get("/review-sentiment/history").text
        folder = history.split("/review-sentiment/runs/", 1)[1].split("/", 1)[0]
        report = read_report(stack, folder)
        require("<html" in report, "the page is not the report of the run")
        anonymous = httpx.get(f"http://127.0.0.1:{stack.settings['PORT']}/review-sentiment/runs/{folder}/")
        require(anonymous.status_code in {401, 403}, f"without a login, the report has status {anonymous.status_code}")
        answer = stack.client.post("/review-sentiment/score", data={"review": "A delicious coffee, I love it."})
        require("probability" in answer.raise_for_status().text, "the page does not score a review")
    with step("Find the registered model in MLflow"):
        models = stack.inside("worker", "python", "-c", REGISTERED).strip()
        require(models == "review_sentiment", f"MLflow's registered models: {models!r}")
    with tempfile.TemporaryDirectory(prefix="compose-backup-") as home:
        backup = Path(home) / "backup"
        with step("Back up, and restore over the running stack"):
            compose_backup.back_up(stack.command, backup, _clean_environment())
            add_later_changes(stack)
            restore(stack, backup)
            require(not later_changes(stack), f"the restored stack still holds {later_changes(stack)}")
            require_run(stack, run_id, folder, report)
        with step("Delete every volume, and restore"):
            stack.compose("down", "--volumes", "--timeout", "20")
            restore(stack, backup)
            require_run(stack, run_id, folder, report)


def build_and_start(stack: Stack) -> None:
    """Build the images, and start all services on empty volumes."""
    with step("Build the images"):
        stack.compose("build", *_build_arguments())
        for name, size in image_sizes(stack).items():
            print(f"  {name}: {size / 1e6:,.0f} MB")
    with step("Start everything from nothing"):
        # On a busy machine Compose fails while a required service is not healthy yet.
        wait("every service to start", START_SECONDS, lambda: stack.compose("up", "--detach") is not None)
        wait("every service to be healthy", START_SECONDS, lambda: healthy(stack))


def check_isolation(stack: Stack) -> None:
    """Check what a running worker knows and reaches, and which ports are published."""
    with step("Check what the workers know and reach"):
        environment = stack.inside("worker", "env")
        known = [name for name in SECRETS if stack.settings[name] in environment]
        require(not known and "SQL_ALCHEMY_CONN" not in environment, f"a worker has {known or 'the database address'}")
        reached = stack.inside("worker", "python", "-c", REACHES_POSTGRES, check=False).strip()
        require(reached == "no", f"whether a worker reaches Postgres: {reached!r}")
        ports = published(stack)
        require(ports == [f"127.0.0.1:{stack.settings['PORT']}"], f"published ports: {ports}")


def disturb_training(stack: Stack, run_id: str) -> None:
    """Restart the scheduler, kill the worker, and wait for the end of the run."""
    with step("Restart the scheduler during the first stages"):
        wait(
            "a task to end", RUN_SECONDS, lambda: "success" in (task["state"] for task in stack.tasks(run_id).values())
        )
        stack.compose("restart", "--timeout", "20", "scheduler")
    with step("Kill the worker during training"):
        wait("some epochs to be trained", RUN_SECONDS, lambda: epochs(stack) > EPOCHS_BEFORE_KILL)
        before = epochs(stack)
        # All processes of the container at once, as when memory runs out. The engine restarts it.
        stack.inside("worker", "bash", "-c", "kill -KILL -1", check=False)
        print(f"  killed after {before} of {CONFIGURATION['epochs']} epochs")
    with step("Wait for the end of the run"):
        wait("the run to end", RUN_SECONDS, lambda: state(stack, run_id) in {"success", "failed"})
        require(state(stack, run_id) == "success", f"the run ended as {state(stack, run_id)}")


def check_logs(stack: Stack, run_id: str) -> None:
    """Check that the logs say what happened."""
    tasks = stack.tasks(run_id)
    attempts = tasks["train"]["try_number"]
    require(attempts > 1, "the training was never interrupted")
    trained = task_log(stack, run_id, "train", attempts)
    require("resumed after epoch" in trained, "the training did not resume after its last epoch")
    device = task_log(stack, run_id, "preflight", tasks["preflight"]["try_number"])
    require("trained on the CPU" in device, "the log of preflight does not say that it trains on the CPU")


def read_report(stack: Stack, folder: str) -> str:
    """Return the page of a report."""
    return stack.get(f"/review-sentiment/runs/{folder}/").text


def add_later_changes(stack: Stack) -> None:
    """Change the database and the store after a backup."""
    stack.client.post("/api/v2/variables", json={"key": LATER, "value": "1"}).raise_for_status()
    stack.inside("worker", "touch", f"/opt/airflow/store/{LATER}")


def later_changes(stack: Stack) -> list[str]:
    """Return which of the changes made by :func:`add_later_changes` are there."""
    found = ["the variable"] if stack.client.get(f"/api/v2/variables/{LATER}").status_code == HTTPStatus.OK else []
    names = stack.inside("worker", "ls", "/opt/airflow/store").split()
    return found + (["the file"] if LATER in names else [])


def restore(stack: Stack, backup: Path) -> None:
    """Restore a backup and wait until the stack answers."""
    compose_backup.restore(stack.command, backup, _clean_environment())
    wait("every service to be healthy again", START_SECONDS, lambda: healthy(stack))
    log_in(stack)


def require_run(stack: Stack, run_id: str, folder: str, report: str) -> None:
    """End the test unless the stack holds the run and its report."""
    require(state(stack, run_id) == "success", "the restored database does not know the run")
    require(read_report(stack, folder) == report, "the restored report differs")


LATER = "changed_after_the_backup"
REACHES_POSTGRES = """
import socket
try:
    socket.create_connection(("postgres", 5432), timeout=3)
    print("yes")
except OSError:
    print("no")
"""
REGISTERED = """
import json, urllib.request
with urllib.request.urlopen("http://mlflow:5000/api/2.0/mlflow/registered-models/search") as answer:
    print(",".join(model["name"] for model in json.load(answer).get("registered_models", [])))
"""


@contextlib.contextmanager
def prepared() -> Iterator[Stack]:
    """Yield a stack with a new name, secrets, port and inbox; nothing is started yet."""
    with tempfile.TemporaryDirectory(prefix="compose-test-") as folder, socket.socket() as free:
        home = Path(folder)
        # The containers run as another user.
        home.chmod(0o755)
        inbox = home / "inbox"
        inbox.mkdir()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        lines = filled((CHECKOUT / ".env.example").read_text(encoding="utf-8").splitlines(), gpu=False)
        settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        settings |= TEST_SETTINGS | {
            "PORT": str(port),
            "BASE_URL": f"http://127.0.0.1:{port}",
            "INBOX_FOLDER": str(inbox),
            "COMPOSE_PROJECT_NAME": f"review-sentiment-test-{secrets.token_hex(3)}",
        }
        # For tests of other base images: AIRFLOW_IMAGE=… make compose-test.
        settings |= {name: os.environ[name] for name in BASE_IMAGES if os.environ.get(name)}
        file = home / "env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        command = (
            *compose_command(),
            "--env-file",
            str(file),
            "--project-name",
            settings["COMPOSE_PROJECT_NAME"],
            "--file",
            str(CHECKOUT / "docker-compose.yaml"),
        )
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Stack(command, settings, client)


def healthy(stack: Stack) -> bool:
    """Return whether all long-running services are healthy."""
    states = stack.health()
    ended = states.pop("initialize", "exited")
    return ended == "exited" and len(states) > 1 and set(states.values()) == {"healthy"}


def image_sizes(stack: Stack) -> dict[str, int]:
    """Return the sizes of the images in bytes, the base image first."""
    tag = stack.settings["IMAGE_TAG"]
    names = [
        stack.settings["AIRFLOW_IMAGE"],
        f"review-sentiment-airflow:{tag}",
        f"review-sentiment-worker:{tag}",
    ]
    sizes = docker("image", "inspect", "--format", "{{.Size}}", *names).split()
    return dict(zip(names, map(int, sizes), strict=True))


def docker(*words: str) -> str:
    """Run the Docker client and return its output."""
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def published(stack: Stack) -> list[str]:
    """Return the host addresses that the containers of the project publish."""
    form = "{{range $port, $places := .NetworkSettings.Ports}}{{range $places}}{{.HostIp}}:{{.HostPort}} {{end}}{{end}}"
    return sorted(stack.inspect(form).split())


def log_in(stack: Stack) -> None:
    """Get a token with the first login."""
    login = {"username": stack.settings["ADMIN_USER"], "password": stack.settings["ADMIN_PASSWORD"]}
    token = stack.client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
    stack.client.headers["Authorization"] = f"Bearer {token}"


def known_dags(stack: Stack) -> set[str]:
    """Return the names of the DAGs that Airflow has parsed."""
    return {dag["dag_id"] for dag in stack.get("/api/v2/dags").json()["dags"]}


def state(stack: Stack, run_id: str) -> str:
    """Return the state of a run."""
    return stack.run(run_id)["state"]


def epochs(stack: Stack) -> int:
    """Return the number of epochs in the log of the running training."""
    script = "cat /opt/airflow/store/resumable/train/*/epochs.jsonl 2>/dev/null | wc -l"
    return int(stack.inside("worker", "bash", "-c", script, check=False).strip() or 0)


def task_log(stack: Stack, run_id: str, task: str, attempt: int) -> str:
    """Return a task's log, as the UI shows it."""
    index = stack.tasks(run_id)[task]["map_index"]
    log = stack.run(run_id, f"/taskInstances/{task}/logs/{attempt}", map_index=index, full_content=True)
    return json.dumps(log, ensure_ascii=False)


def print_diagnosis(stack: Stack) -> None:
    """Print the state of services and tasks, and the last lines of the logs."""
    print("\n== The test failed. The services:", flush=True)
    with contextlib.suppress(Exception):
        stack.compose("ps", "--all", check=False)
        for service, health in sorted(stack.health().items()):
            print(f"  {service}: {health}")
    with contextlib.suppress(Exception):
        for run in stack.client.get(f"/api/v2/dags/{TRAIN}/dagRuns").json()["dag_runs"]:
            print(f"\n== Run {run['dag_run_id']}: {run['state']}")
            for name, task in stack.tasks(run["dag_run_id"]).items():
                if task["state"] != "success":
                    print(f"  {name}: {task['state']}, try {task['try_number']} on {task['hostname']}")
                if task["state"] in {"failed", "up_for_retry"}:
                    print("   ", task_log(stack, run["dag_run_id"], name, task["try_number"])[-3000:])
    print("\n== The last lines of each service", flush=True)
    stack.compose("logs", "--no-color", f"--tail={LOG_LINES}", check=False)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Print the title of a step, and its duration in seconds."""
    print(f"== {title}", flush=True)
    begun = time.monotonic()
    yield
    print(f"   {time.monotonic() - begun:.0f} s", flush=True)


def wait(what: str, seconds: float, true: Callable[[], bool]) -> None:
    """Poll until a condition is true; errors of an API that is not up yet count as false."""
    deadline = time.monotonic() + seconds
    problem: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except (httpx.HTTPError, subprocess.CalledProcessError, KeyError) as error:
            problem = error
        time.sleep(1)
    raise TimeoutError(f"waited {seconds:.0f} s without success for {what}" + (f" ({problem})" if problem else ""))


def require(true: bool, otherwise: str) -> None:
    """End the test if a condition does not hold."""
    if not true:
        raise SystemExit(f"The Compose test failed: {otherwise}.")


def _build_arguments() -> list[str]:
    """Return the commit as a build argument, if this is a git checkout."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return ["--build-arg", f"COMMIT={done.stdout.strip()}"] if done.returncode == 0 else []


def _clean_environment() -> dict[str, str]:
    """Return this environment without the variables that would override the ``.env`` of the test."""
    names = {line.partition("=")[0] for line in (CHECKOUT / ".env.example").read_text(encoding="utf-8").splitlines()}
    return {name: value for name, value in os.environ.items() if name not in names | set(TEST_SETTINGS)}


if __name__ == "__main__":
    sys.exit(main())
