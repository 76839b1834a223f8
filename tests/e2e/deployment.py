"""The parts of an Airflow on more than one worker, each a context manager that ends what it started.

Everything listens on 127.0.0.1 alone, on a port of its own, and lies in one folder. Postgres and Redis are Debian's
(``scripts/servers.sh``), started here and not as services of the machine.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from scripts import airflow_server
from scripts.airflow_environment import CHECKOUT
from tests.e2e import host_name

HOST = "127.0.0.1"
TRAIN = "train_review_sentiment"
START_SECONDS = 180
RUN_SECONDS = 1800
"""How long a loaded machine with two cores may take for a tiny run."""
STOP_SECONDS = 30
EVERY_SECONDS = 1.0
LOG_CHARACTERS = 3000
SYSTEM = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TF_CPP_MIN_LOG_LEVEL")
"""What a worker takes over from the environment of the tests: nothing of Airflow."""
POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"
AIRFLOW = (sys.executable, "-m", "airflow")
SHARED = (
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__CORE__LOAD_EXAMPLES",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
    "AIRFLOW__LOGGING__LOGGING_LEVEL",
)
"""What control plane and workers must agree on."""
SECRETS = (
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__CORE__FERNET_KEY",
)
"""What no worker needs that takes its tasks from Celery."""

Value = TypeVar("Value")


def until(
    look: Callable[[], Value | None], what: str, *, seconds: float = RUN_SECONDS, every: float = EVERY_SECONDS
) -> Value:
    """Look ``every`` so many seconds, and return what ``look`` finds as soon as it is something.

    Raises:
        AssertionError: After so many ``seconds`` it still was nothing; says that there is no ``what``.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(every)
    raise AssertionError(f"after {seconds:.0f} s there still was no {what}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Part:
    """A started program of the deployment, in a session of its own."""

    name: str
    process: subprocess.Popen[bytes]
    created: float
    log: Path

    def processes(self) -> list[psutil.Process]:
        """Return its process and all that it started, also when the first is gone."""
        members = airflow_server.Server(self.process.pid, self.created, port=0).members()
        for process in list(members):
            try:
                members += [child for child in process.children(recursive=True) if child not in members]
            except psutil.NoSuchProcess:
                continue
        return members

    def environments(self) -> list[dict[str, str]]:
        """Return the environment of each of its processes, as the system knows it."""
        found = []
        for process in self.processes():
            try:
                found.append(process.environ())
            except psutil.NoSuchProcess:
                continue
        return found

    def addresses(self) -> set[str]:
        """Return the addresses that its processes listen on."""
        found = set()
        for process in self.processes():
            try:
                connections = process.net_connections(kind="inet")
            except psutil.NoSuchProcess:
                continue
            found |= {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
        return found

    def kill(self) -> None:
        """End all of it at once, as a machine does whose power fails."""
        while members := self.processes():
            for process in members:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            psutil.wait_procs(members, timeout=STOP_SECONDS)
        self.process.wait()

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-LOG_CHARACTERS:]


@contextmanager
def part(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    end: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> Iterator[Part]:
    """Run a program until the block ends; then ask it to end by the signal ``end``, and kill what is left.

    Args:
        name: What it is called when something is wrong.
        command: Program and arguments.
        log: Receives what it prints.
        environment: All that it gets; ``None`` for the tests' own.
        given: What it reads from its standard input.
        end: How it is asked to end.
        options: For ``subprocess.Popen``.
    """
    with log.open("ab") as sink, tempfile.TemporaryFile() as source:
        source.write(given.encode())
        source.seek(0)
        process = subprocess.Popen(
            list(command),
            env=None if environment is None else dict(environment),
            cwd=options.pop("cwd", CHECKOUT),
            stdin=source,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    started = Part(name, process, psutil.Process(process.pid).create_time(), log)
    try:
        yield started
    finally:
        if process.poll() is None:
            process.send_signal(end)
            psutil.wait_procs(started.processes(), timeout=STOP_SECONDS)
        started.kill()


def program(name: str, folders: str = "") -> str:
    """Return where a server's program is.

    Without it the test is skipped, or fails where ``REQUIRE_SERVERS=1`` says that there must be one.
    """
    newest = sorted(Path("/").glob(folders.lstrip("/"))) if folders else []
    path = os.pathsep.join([*map(str, reversed(newest)), os.environ.get("PATH", "")])
    if found := shutil.which(name, path=path):
        return found
    reason = (
        f"NOBODY RAN THE WORKFLOW ON SEVERAL WORKERS: no {name} found. `sh scripts/servers.sh` installs Postgres and "
        "Redis as root on Debian; neither needs to run as a service."
    )
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def postgres(logs: Path) -> Iterator[str]:
    """Run an empty Postgres with a password of its own; yields the URL of its database."""
    initialize, server = program("initdb", POSTGRES_FOLDERS), program("postgres", POSTGRES_FOLDERS)
    port, password = free_port(), secrets.token_urlsafe()
    # Postgres will not run as root, and another user cannot look into a folder of root's tests.
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    owner: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        password_file = home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if account:
            for path in (home, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        data = home / "data"
        options = ["--username=airflow", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        encoding = ["--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([initialize, str(data), *options, *encoding], cwd=home, check=True, capture_output=True, **owner)
        settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": "", "fsync": "off"}
        command = [
            server,
            "-D",
            str(data),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]
        # SIGINT is Postgres's fast shutdown: SIGTERM waits until every client has gone.
        with part("postgres", command, logs / "postgres.log", end=signal.SIGINT, cwd=home, **owner) as started:
            ready = [program("pg_isready", POSTGRES_FOLDERS), "--host", HOST, "--port", str(port)]
            _wait_for(started, lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0)
            yield f"postgresql+psycopg2://airflow:{password}@{HOST}:{port}/postgres"
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def redis(logs: Path) -> Iterator[str]:
    """Run an empty Redis that keeps nothing on the disk, with a password of its own; yields its URL."""
    from redis import Redis
    from redis.exceptions import ConnectionError as NoConnection

    port, password = free_port(), secrets.token_urlsafe()
    # Not as arguments, which every user of the machine can read.
    settings = f'bind {HOST}\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
    url = f"redis://:{password}@{HOST}:{port}/0"

    def answers() -> bool:
        try:
            return bool(Redis.from_url(url).ping())
        except NoConnection:
            return False

    with part("redis", [program("redis-server"), "-"], logs / "redis.log", given=settings, cwd=logs) as started:
        _wait_for(started, answers)
        yield url


@dataclass(frozen=True)
class Airflow:
    """A running Airflow, through its REST API.

    Attributes:
        home: Its folder; the store is the folder ``store`` in it.
        client: Logged in.
        secrets: What only its own components may know, by the name of the setting.
        shared: The environment that each worker gets, too.
        parts: What was started of it.
    """

    home: Path
    client: httpx.Client
    secrets: dict[str, str]
    shared: dict[str, str]
    parts: tuple[Part, ...] = ()

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(f"/api/v2/{path}", params=params).raise_for_status().json()

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Start a run as soon as the DAG is known, and return its id."""
        until(lambda: self.client.get(f"/api/v2/dags/{dag}").is_success, f"DAG {dag}", seconds=START_SECONDS)
        answer = self.client.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": dict(conf)})
        return str(answer.raise_for_status().json()["dag_run_id"])

    def finished(self, dag: str, run_id: str) -> str:
        """Wait for the end of a run and return its state."""

        def state() -> str | None:
            now = str(self.get(f"dags/{dag}/dagRuns/{run_id}")["state"])
            return now if now in {"success", "failed"} else None

        return until(state, f"end of {run_id}")

    def task_instances(self, dag: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the tasks of a run by their names; of a mapped one, the last."""
        found = self.get(f"dags/{dag}/dagRuns/{run_id}/taskInstances", limit=200)["task_instances"]
        return {task["task_id"]: task for task in found}

    def log(self, dag: str, run_id: str, task: str, *, map_index: int = -1, try_number: int = 1) -> str:
        """Return a task's log as the UI shows it."""
        path = f"dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/{try_number}"
        return json.dumps(self.get(path, map_index=map_index, full_content=True)["content"])

    def assert_knows_no_secret(self, *workers: Part) -> None:
        """Look into the environment of every process of the workers."""
        for worker in workers:
            environments = worker.environments()
            assert environments, f"{worker.name} is gone:\n{worker.tail()}"
            for environment in environments:
                assert self.secrets.keys().isdisjoint(environment)
                for secret in self.secrets.values():
                    assert not [name for name, value in environment.items() if secret in value]

    @contextmanager
    def worker(self, name: str, arguments: Sequence[str], settings: Mapping[str, str]) -> Iterator[Part]:
        """Run a worker with a home of its own, which finds of the deployment only what it is told."""
        home = self.home / name
        home.mkdir()
        environment = {**self.shared, **settings, "AIRFLOW_HOME": str(home), host_name.VARIABLE: name}
        with part(name, [*AIRFLOW, *arguments], home / "worker.log", environment=environment) as started:
            yield started

    @contextmanager
    def celery_worker(self, name: str, queue: str) -> Iterator[Part]:
        """Run a Celery worker of one queue, one task at a time."""
        place = ["--queues", queue, "--concurrency", "1", "--celery-hostname", f"{name}@%h"]
        # Its log server would listen on every address of the machine; the folder of logs is shared instead.
        with self.worker(name, ["celery", "worker", *place, "--skip-serve-logs"], {}) as started:
            yield started


@contextmanager
def celery_deployment(folder: Path, settings: Mapping[str, str]) -> Iterator[Airflow]:
    """Run API server, scheduler and DAG processor with the Celery executor on Postgres and Redis; no worker yet.

    Args:
        folder: Receives everything, logs too; empty.
        settings: Further environment variables, of control plane and workers.
    """
    home, port = folder / "airflow", free_port()
    home.mkdir()
    with ExitStack() as running:
        database, broker = running.enter_context(postgres(folder)), running.enter_context(redis(folder))
        control = {
            **_control_plane(home, port),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            # Nothing runs by itself, so no triggerer looks for dumps.
            "REVIEW_SENTIMENT_INBOX": "",
        }
        shared = {
            **{name: os.environ[name] for name in SYSTEM if name in os.environ},
            **{name: control[name] for name in SHARED},
            "REVIEW_SENTIMENT_STORE": str(folder / "store"),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{host_name.__name__}.host_name",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            # On Redis too: the default is the metadata database, of which workers would have to know.
            "AIRFLOW__CELERY__RESULT_BACKEND": broker,
            # Longer than the longest task: what a worker has not confirmed until then is handed out once more.
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(24 * 3600),
            **settings,
        }
        control = {**control, **shared, "PATH": control["PATH"], host_name.VARIABLE: "control-plane"}
        login = airflow_server.login(home)
        with (folder / "migrate.log").open("wb") as log:
            subprocess.run([*AIRFLOW, "db", "migrate"], env=control, check=True, stdout=log, stderr=log)
        parts = [
            running.enter_context(
                part(command[0], [*AIRFLOW, *command], folder / f"{command[0]}.log", environment=control)
            )
            for command in (["api-server"], ["scheduler", "--skip-serve-logs"], ["dag-processor"])
        ]
        client = running.enter_context(_logged_in(port, login, parts))
        yield Airflow(folder, client, known_to(control), shared, tuple(parts))


def _control_plane(home: Path, port: int) -> dict[str, str]:
    """Return the environment of the embedded Airflow; its inbox is not the checkout's."""
    with pytest.MonkeyPatch.context() as here:
        here.setenv("REVIEW_SENTIMENT_INBOX", str(home.parent / "inbox"))
        return airflow_server.environment(home, port)


def known_to(control_plane: Mapping[str, str]) -> dict[str, str]:
    """Return what is secret of a control plane's environment; of the database, its password too."""
    found = {name: control_plane[name] for name in SECRETS}
    password = urlsplit(found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]).password
    return {**found, "password": password} if password else found


@contextmanager
def standalone(folder: Path, settings: Mapping[str, str], *, port: int) -> Iterator[Airflow]:
    """Run the embedded Airflow on SQLite, on a given port, with further environment variables."""
    home = folder / "airflow"
    given = {"REVIEW_SENTIMENT_STORE": str(folder / "store"), "REVIEW_SENTIMENT_INBOX": str(folder / "inbox")}
    environment = {**os.environ, **given, **settings}
    server = [sys.executable, str(CHECKOUT / "scripts" / "airflow_server.py")]
    options = ["--home", str(home), "--port", str(port)]
    (folder / "inbox").mkdir()
    up = subprocess.run([*server, "up", *options], env=environment, capture_output=True, text=True, check=False)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        control = {**_control_plane(home, port), **given, **settings}
        shared = {name: os.environ[name] for name in SYSTEM if name in os.environ}
        with _logged_in(port, airflow_server.login(home), []) as client:
            yield Airflow(folder, client, known_to(control), shared)
    finally:
        subprocess.run([*server, "down", *options], env=environment, capture_output=True, check=False)


@contextmanager
def _logged_in(port: int, login: tuple[str, str], parts: Sequence[Part]) -> Iterator[httpx.Client]:
    """Wait for the API server and yield a client of it."""
    user, password = login
    with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=60) as client:

        def token() -> str | None:
            for one in parts:
                assert one.process.poll() is None, f"{one.name} ended with {one.process.returncode}:\n{one.tail()}"
            try:
                answer = client.post("/auth/token", json={"username": user, "password": password})
            except httpx.TransportError:
                return None
            return answer.json()["access_token"] if answer.is_success else None

        client.headers["Authorization"] = f"Bearer {until(token, 'API server', seconds=START_SECONDS)}"
        yield client


def _wait_for(started: Part, answers: Callable[[], bool]) -> None:
    def ready() -> bool:
        assert started.process.poll() is None, f"{started.name} ended:\n{started.tail()}"
        return answers()

    until(ready, started.name, seconds=START_SECONDS, every=0.1)
