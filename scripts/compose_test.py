"""Start the Compose file from nothing, train through its API, break it on the way, end it (``make compose-test``).

What a team would do on its first day, on images that are built here, with secrets, volumes and a port of its own, so
that a running deployment is left alone. Needs a Docker engine with the base images; where one step fails, the state of
every service, the states of the run's tasks and the last lines of the logs are printed.
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
from pathlib import Path
from typing import Any

import httpx

from scripts import compose_backup
from scripts.compose import CHECKOUT, compose_command
from scripts.write_env import PLACEHOLDER, filled

TRAIN = "train_review_sentiment"
DAGS = {TRAIN, "score_reviews", "roll_back_champion", "clean_up_artifacts"}
RUN_SECONDS = 1500
"""A machine with two cores, which runs everything, needs six minutes."""
START_SECONDS = 600
LOG_LINES = 40
TEST_SETTINGS = {
    # A lost worker is noticed sooner than a deployment wants it.
    "HEARTBEAT_TIMEOUT": "40",
    # Only the run that is asked for.
    "REVIEW_SENTIMENT_SCHEDULE": "none",
    "VERSION": "compose-test",
}
CONFIGURATION = {
    "profile": "demo",
    "directions": ["uni"],
    "units": [32],
    "epochs": 40,
    "patience": 40,
    "bootstrap_samples": 100,
}
"""Long enough a training to be killed in its middle."""
EPOCHS_BEFORE_KILL = 1
BASE_IMAGES = ("AIRFLOW_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE")
SECRETS = tuple(
    line.partition("=")[0]
    for line in (CHECKOUT / ".env.example").read_text(encoding="utf-8").splitlines()
    if line.endswith(f"={PLACEHOLDER}") and not line.startswith("REDIS_PASSWORD=")
)
"""What no worker may know."""


@dataclass(frozen=True)
class Stack:
    """A running Compose project.

    Attributes:
        command: Words that start Compose with this project's file and settings.
        settings: The values of its ``.env``.
        client: Knows the API's address, later also the login's token.
    """

    command: tuple[str, ...]
    settings: dict[str, str]
    client: httpx.Client

    def compose(self, *words: str, check: bool = True, quiet: bool = False) -> str:
        """Run Compose, and return what it prints if ``quiet``."""
        output = subprocess.PIPE if quiet else None
        done = subprocess.run(
            [*self.command, *words], cwd=CHECKOUT, check=check, stdout=output, text=True, env=_clean_environment()
        )
        return done.stdout or ""

    def inside(self, service: str, *words: str, check: bool = True) -> str:
        """Run a command in a service's container and return what it prints."""
        return self.compose("exec", "-T", service, *words, check=check, quiet=True)

    def health(self) -> dict[str, str]:
        """Return each container's state, by its service's name, as the engine sees it."""
        names = self.compose("ps", "--quiet", quiet=True).split()
        state = "{{if and .State.Running .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
        form = '{{index .Config.Labels "com.docker.compose.service"}} ' + state
        told = subprocess.run(
            ["docker", "inspect", "--format", form, *names], check=True, capture_output=True, text=True
        ).stdout
        return dict(line.split(" ", 1) for line in told.splitlines())

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return what the API says of a run's tasks, by name."""
        path = f"/api/v2/dags/{TRAIN}/dagRuns/{run_id}/taskInstances"
        answer = self.client.get(path, params={"limit": 200}).raise_for_status().json()
        return {task["task_id"]: task for task in answer["task_instances"]}


def main() -> int:
    """Return 0 when the stack did all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the stack running, to look at it")
    options = parser.parse_args()
    # Whoever stops this wants the stack gone, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    with prepared() as stack:
        try:
            story(stack)
        except BaseException:
            failure(stack)
            raise
        finally:
            if options.keep:
                print("The stack stays:", " ".join(stack.command), "ps")
            else:
                with step("Take everything down, with its volumes"):
                    stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
    print("The Compose file starts, trains, survives and ends.")
    return 0


def story(stack: Stack) -> None:
    """Build, start, train, break, look, in this order."""
    build_and_start(stack)
    look_at_what_workers_know(stack)
    with step("Log in and start a run"):
        log_in(stack)
        wait("all DAGs are known", START_SECONDS, lambda: known_dags(stack) == DAGS)
        errors = stack.client.get("/api/v2/importErrors").raise_for_status().json()["import_errors"]
        require(not errors, f"DAG files with errors: {errors}")
        run = {"logical_date": None, "conf": {**CONFIGURATION, "dumps": ["demo"]}}
        run_id = stack.client.post(f"/api/v2/dags/{TRAIN}/dagRuns", json=run).raise_for_status().json()["dag_run_id"]
    break_it_while_it_trains(stack, run_id)
    look_at_the_run(stack, run_id)
    with step("Read the report through Airflow"):
        folder = newest_report(stack)
        report = read_report(stack, folder)
        require("Into service" in report, "the page is not the report")
        stranger = httpx.get(f"http://127.0.0.1:{stack.settings['PORT']}/review-sentiment/runs/{folder}/")
        require(stranger.status_code in {401, 403}, f"a stranger got {stranger.status_code}")
        answer = stack.client.post("/review-sentiment/score", data={"review": "A delicious coffee, I love it."})
        require("probability" in answer.raise_for_status().text, "the box does not score a review")
    with step("Read the model's registration in MLflow"):
        models = stack.inside("worker", "python", "-c", REGISTERED).strip()
        require(models == "review_sentiment", f"MLflow's registered models: {models!r}")
    with step("Back up, lose everything, and restore"):
        lose_everything_and_restore(stack)
        require(state(stack, run_id) == "success", "the restored database does not know the run")
        require(read_report(stack, folder) == report, "the restored report is another")


def build_and_start(stack: Stack) -> None:
    """Build the images, and start all services on empty volumes."""
    with step("Build the images"):
        stack.compose("build", *_build_arguments())
        for name, size in image_sizes(stack).items():
            print(f"  {name}: {size / 1e6:,.0f} MB")
    with step("Start everything from nothing"):
        stack.compose("up", "--detach")
        wait("every service is healthy", START_SECONDS, lambda: healthy(stack))


def look_at_what_workers_know(stack: Stack) -> None:
    """Hold the running containers to what the Compose file promises."""
    with step("Look at what the workers know"):
        known = stack.inside("worker", "env")
        told = [name for name in SECRETS if stack.settings[name] in known]
        require(not told and "SQL_ALCHEMY_CONN" not in known, f"a worker knows {told or 'the database address'}")
        reached = stack.inside("worker", "python", "-c", REACHES_POSTGRES, check=False).strip()
        require(reached == "no", f"a worker's way to Postgres: {reached!r}")
        ports = published(stack)
        require(ports == [f"127.0.0.1:{stack.settings['PORT']}"], f"published: {ports}")


def break_it_while_it_trains(stack: Stack, run_id: str) -> None:
    """Restart the scheduler, kill the worker, and wait for the run's end."""
    with step("Restart the scheduler while the data are read"):
        wait("a task has ended", RUN_SECONDS, lambda: any_state(stack, run_id, "success"))
        stack.compose("restart", "--timeout", "20", "scheduler")
    with step("Kill the worker in mid-training"):
        wait("some epochs are trained", RUN_SECONDS, lambda: epochs(stack) > EPOCHS_BEFORE_KILL)
        before = epochs(stack)
        # Every process of the container at once, as when memory runs out; the engine starts it again.
        stack.inside("worker", "bash", "-c", "kill -KILL -1", check=False)
        print(f"  killed after {before} of {CONFIGURATION['epochs']} epochs")
    with step("Wait for the run's end"):
        wait("the run has ended", RUN_SECONDS, lambda: state(stack, run_id) in {"success", "failed"})
        require(state(stack, run_id) == "success", f"the run ended as {state(stack, run_id)}")


def look_at_the_run(stack: Stack, run_id: str) -> None:
    """Hold the logs of the run to what happened."""
    tasks = stack.tasks(run_id)
    attempts = tasks["train"]["try_number"]
    require(attempts > 1, "the training was never interrupted")
    trained = task_log(stack, run_id, "train", attempts)
    require("resumed after epoch" in trained, "the training did not go on where it was")
    device = task_log(stack, run_id, "preflight", tasks["preflight"]["try_number"])
    require("trained on the CPU" in device, "the log of preflight does not say that it trains on the CPU")


def newest_report(stack: Stack) -> str:
    """Return the name that the newest report is published under."""
    page = stack.client.get("/review-sentiment/history").raise_for_status().text
    return page.split("/review-sentiment/runs/", 1)[1].split("/", 1)[0]


def read_report(stack: Stack, folder: str) -> str:
    """Return a report's page."""
    return stack.client.get(f"/review-sentiment/runs/{folder}/").raise_for_status().text


def lose_everything_and_restore(stack: Stack) -> None:
    """Back up, delete every volume, and restore into new ones."""
    with tempfile.TemporaryDirectory(prefix="compose-backup-") as folder:
        backup = Path(folder) / "backup"
        compose_backup.back_up(stack.command, backup, _clean_environment())
        stack.compose("down", "--volumes", "--timeout", "20")
        compose_backup.restore(stack.command, backup, _clean_environment())
    wait("every service is healthy again", START_SECONDS, lambda: healthy(stack))
    log_in(stack)


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
    """Give a project of its own: name, secrets, port, inbox."""
    with tempfile.TemporaryDirectory(prefix="compose-test-") as folder, socket.socket() as free:
        home = Path(folder)
        # Containers read these as another user.
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
        # Other base images may be tried: AIRFLOW_IMAGE=… make compose-test.
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
    """Say whether all services that stay are healthy."""
    states = stack.health()
    ended = states.pop("initialize", "exited")
    return ended == "exited" and len(states) > 1 and set(states.values()) == {"healthy"}


def image_sizes(stack: Stack) -> dict[str, int]:
    """Return the images' sizes in bytes, the base's first."""
    version = stack.settings["VERSION"]
    names = [
        stack.settings["AIRFLOW_IMAGE"],
        f"review-sentiment-airflow:{version}",
        f"review-sentiment-worker:{version}",
    ]
    told = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Size}}", *names], check=True, capture_output=True, text=True
    ).stdout
    return dict(zip(names, map(int, told.split()), strict=True))


def published(stack: Stack) -> list[str]:
    """Return the addresses of the host that any container of the project listens on."""
    form = "{{range $port, $places := .NetworkSettings.Ports}}{{range $places}}{{.HostIp}}:{{.HostPort}} {{end}}{{end}}"
    names = stack.compose("ps", "--quiet", quiet=True).split()
    told = subprocess.run(["docker", "inspect", "--format", form, *names], check=True, capture_output=True, text=True)
    return sorted(told.stdout.split())


def log_in(stack: Stack) -> None:
    """Take a token for the first login."""
    login = {"username": stack.settings["ADMIN_USER"], "password": stack.settings["ADMIN_PASSWORD"]}
    token = stack.client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
    stack.client.headers["Authorization"] = f"Bearer {token}"


def known_dags(stack: Stack) -> set[str]:
    """Return the names of the DAGs that Airflow has read."""
    return {dag["dag_id"] for dag in stack.client.get("/api/v2/dags").raise_for_status().json()["dags"]}


def state(stack: Stack, run_id: str) -> str:
    """Return the state of a run."""
    return stack.client.get(f"/api/v2/dags/{TRAIN}/dagRuns/{run_id}").raise_for_status().json()["state"]


def any_state(stack: Stack, run_id: str, wanted: str) -> bool:
    """Say whether a task of the run is in a state."""
    return any(task["state"] == wanted for task in stack.tasks(run_id).values())


def epochs(stack: Stack) -> int:
    """Return how many epochs the journal of the running training holds."""
    script = "cat /opt/airflow/store/resumable/train/*/epochs.jsonl 2>/dev/null | wc -l"
    return int(stack.inside("worker", "bash", "-c", script, check=False).strip() or 0)


def task_log(stack: Stack, run_id: str, task: str, attempt: int) -> str:
    """Return a task's log, as the UI shows it."""
    index = stack.tasks(run_id)[task]["map_index"]
    path = f"/api/v2/dags/{TRAIN}/dagRuns/{run_id}/taskInstances/{task}/logs/{attempt}"
    answer = stack.client.get(path, params={"map_index": index, "full_content": True}).raise_for_status()
    return json.dumps(answer.json(), ensure_ascii=False)


def failure(stack: Stack) -> None:
    """Print what a person needs who must find out what went wrong."""
    print("\n== It failed. The services:", flush=True)
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
    """Print what is done now, and how many seconds it took."""
    print(f"== {title}", flush=True)
    begun = time.monotonic()
    yield
    print(f"   {time.monotonic() - begun:.0f} s", flush=True)


def wait(what: str, seconds: float, true: Callable[[], bool]) -> None:
    """Wait until something is true; an API that is away for a moment is asked again."""
    deadline = time.monotonic() + seconds
    problem: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except (httpx.HTTPError, subprocess.CalledProcessError, KeyError) as error:
            problem = error
        time.sleep(1)
    raise TimeoutError(f"after {seconds:.0f} s it was not so that {what}" + (f" ({problem})" if problem else ""))


def require(true: bool, otherwise: str) -> None:
    """End the test if something is not so."""
    if not true:
        raise SystemExit(f"Not as it should be: {otherwise}.")


def _build_arguments() -> list[str]:
    """Return the commit as a build argument, where git knows it."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return ["--build-arg", f"COMMIT={done.stdout.strip()}"] if done.returncode == 0 else []


def _clean_environment() -> dict[str, str]:
    """Return this process's environment without what would outvote the project's settings."""
    names = {line.partition("=")[0] for line in (CHECKOUT / ".env.example").read_text(encoding="utf-8").splitlines()}
    return {name: value for name, value in os.environ.items() if name not in names | set(TEST_SETTINGS)}


if __name__ == "__main__":
    sys.exit(main())
