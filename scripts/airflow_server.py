"""Start and stop the embedded Airflow with its UI (``make up``, ``make down``): SQLite, this machine only.

One server per checkout. Its files are in ``.airflow``: the database, the generated login, the log, and a record of the
process, which serves to find and stop it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from scripts import airflow_environment
from scripts.airflow_environment import CHECKOUT, LOG_LEVEL

HOST = "127.0.0.1"
DEFAULT_PORT = 8080
USER = "analyst"
RECORD, PASSWORDS = "server.json", "passwords.json"
START_SECONDS = 600
"""Limit for a start. It takes about a minute on two quiet cores, and many times that on a busy machine."""
STOP_SECONDS = 30
LOG_LINES = 30
PASSWORD_BYTES = 12
SECRET_BYTES = 48
COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


@dataclass(frozen=True)
class Server:
    """A running server: the leader of its process group, and its port.

    ``pid`` is the process id of ``airflow standalone``, also of its process group. ``created`` is the start of that
    process in seconds since 1970, to distinguish it from a later one with the same id.
    """

    pid: int
    created: float
    port: int

    @property
    def address(self) -> str:
        """The address to open in a browser."""
        return f"http://{HOST}:{self.port}"

    def members(self) -> list[psutil.Process]:
        """Return all processes of its session, also if the leader was killed: its parts keep running then."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = self.pid in (os.getsid(process.pid), os.getpgid(process.pid))
                # A later process may have the leader's id. All members of the session are younger than the leader.
                leads = process.pid == self.pid
                same = abs(process.create_time() - self.created) < 1 if leads else process.create_time() >= self.created
                if ours and same and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, ProcessLookupError, PermissionError):
                continue
        return found


def main() -> int:
    """Return 0 if the server is in the requested state, otherwise 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    # argparse also checks a default that is text, so PORT=abc gets its usual message.
    parser.add_argument("--port", type=int, default=os.environ.get("PORT") or str(DEFAULT_PORT))
    parser.add_argument("--home", type=Path, default=CHECKOUT / ".airflow")
    options = parser.parse_args()
    home: Path = options.home.resolve()
    if options.command == "up":
        return up(home, options.port)
    if options.command == "down":
        return down(home)
    server = recorded(home)
    if server is None:
        print("Airflow is not running; `make up` starts it.")
        return 1
    _tell(home, server)
    return 0


def up(home: Path, port: int) -> int:
    """Start the server, wait until every part answers, and print its address."""
    server = recorded(home)
    if server is not None:
        print("Airflow is already running.")
        _tell(home, server)
        return 0
    if (taken := _taken(port)) is not None:
        print(f"Port {port} of {HOST} cannot be used: {taken}. Name another: make up PORT={port + 1}", file=sys.stderr)
        return 1
    server_environment = environment(home, port)
    airflow_environment.migrate(home, server_environment)
    login(home)
    log_file = home / "server.log"
    print(f"Starting Airflow; its log is {log_file} …", flush=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            env=server_environment,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # In its own process group, so that all parts can be stopped together.
            start_new_session=True,
        )
    server = Server(pid=process.pid, created=psutil.Process(process.pid).create_time(), port=port)
    (home / RECORD).write_text(json.dumps(asdict(server)) + "\n", encoding="utf-8")
    try:
        problem = _wait_until_healthy(server, process)
    except KeyboardInterrupt:
        problem = "interrupted"
    if problem is not None:
        stop(server)
        (home / RECORD).unlink(missing_ok=True)
        tail = log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        print("\n".join(tail), file=sys.stderr)
        print(f"\nAirflow did not start: {problem}. The last lines of {log_file} are above.", file=sys.stderr)
        return 1
    _tell(home, server)
    return 0


def down(home: Path) -> int:
    """Stop the server and everything that it started."""
    server = recorded(home)
    if server is None:
        (home / RECORD).unlink(missing_ok=True)
        print("Airflow is not running.")
        return 0
    left = stop(server)
    if left:
        print(f"These processes did not end: {left}", file=sys.stderr)
        return 1
    (home / RECORD).unlink(missing_ok=True)
    print("Airflow is stopped. Its database, the store and the login are kept for the next `make up`.")
    return 0


def recorded(home: Path) -> Server | None:
    """Return the server of this checkout, if it is running."""
    try:
        server = Server(**json.loads((home / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return server if server.members() else None


def stop(server: Server) -> list[int]:
    """End every process of a server, first with TERM, then with KILL; return the ids of those left."""
    members = server.members()
    # Task processes may have their own session; they are found as descendants while their parents exist.
    for process in list(members):
        try:
            members += [child for child in process.children(recursive=True) if child not in members]
        except psutil.NoSuchProcess:
            continue
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in members:
            try:
                end(process)
            except psutil.NoSuchProcess:
                continue
        _, members = psutil.wait_procs(members, timeout=STOP_SECONDS)
        if not members:
            break
    return [process.pid for process in members]


def environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment of the server: loopback only, DAGs unpaused, a store next to the checkout."""
    from cryptography.fernet import Fernet

    address = f"http://{HOST}:{port}"
    # `airflow standalone` starts `airflow` from the PATH: scripts/loopback/airflow.
    binaries = Path(sys.executable).parent
    path = os.pathsep.join([str(CHECKOUT / "scripts" / "loopback"), str(binaries), os.environ.get("PATH", "")])
    return {
        **os.environ,
        **airflow_environment.settings(home),
        "PATH": path,
        "REVIEW_SENTIMENT_AIRFLOW": str(binaries / "airflow"),
        "REVIEW_SENTIMENT_STORE": os.environ.get("REVIEW_SENTIMENT_STORE") or str(CHECKOUT / ".store"),
        "REVIEW_SENTIMENT_INBOX": inbox(),
        "AIRFLOW__CORE__EXECUTOR": os.environ.get("AIRFLOW__CORE__EXECUTOR", "LocalExecutor"),
        # More task processes would compete for the cores while a model trains.
        "AIRFLOW__CORE__PARALLELISM": os.environ.get("AIRFLOW__CORE__PARALLELISM", "4"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / PASSWORDS),
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(home / "jwt_secret"),
        "AIRFLOW__API__SECRET_KEY": _secret(home / "api_secret"),
        "AIRFLOW__CORE__FERNET_KEY": _secret(home / "fernet_key", lambda: Fernet.generate_key().decode()),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        # The logs of the tasks contain their results.
        LOG_LEVEL: os.environ.get(LOG_LEVEL, "INFO"),
    }


def inbox() -> str:
    """Return the inbox: ``REVIEW_SENTIMENT_INBOX``, or the folder ``inbox`` of the checkout."""
    if given := os.environ.get("REVIEW_SENTIMENT_INBOX"):
        return given
    folder = CHECKOUT / "inbox"
    folder.mkdir(exist_ok=True)
    return str(folder)


def login(home: Path) -> tuple[str, str]:
    """Return user and password of the UI; the password is generated once, and only the owner can read it."""
    text = _secret(home / PASSWORDS, lambda: json.dumps({USER: secrets.token_urlsafe(PASSWORD_BYTES)}))
    return USER, json.loads(text)[USER]


def _wait_until_healthy(server: Server, process: subprocess.Popen[bytes]) -> str | None:
    """Return ``None`` if every component answers, otherwise the problem."""
    deadline = time.monotonic() + START_SECONDS
    waiting_for = "the API server"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"it ended with status {process.returncode}"
        try:
            with urllib.request.urlopen(f"{server.address}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310
                health = json.load(answer)
        except (OSError, urllib.error.URLError, ValueError):
            time.sleep(0.5)
            continue
        down_parts = [name for name in COMPONENTS if (health.get(name) or {}).get("status") != "healthy"]
        if not down_parts:
            return None
        waiting_for = ", ".join(down_parts)
        time.sleep(0.5)
    return f"after {START_SECONDS} s this was not ready: {waiting_for}"


def _taken(port: int) -> str | None:
    """Return why a port cannot be used, or ``None``."""
    if not 0 < port < 2**16:
        return "a port is a number from 1 to 65535"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None


def _tell(home: Path, server: Server) -> None:
    user, password = login(home)
    print(f"\n  Airflow   {server.address}\n  User      {user}\n  Password  {password}\n  Inbox     {inbox()}\n")
    print("A dump in the inbox starts a run. `make down` stops Airflow.")


def _secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(SECRET_BYTES)) -> str:
    """Return the text of a file that only the owner can read; it is made once, and complete when it gets its name."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        aside.touch(mode=0o600, exist_ok=False)
        aside.write_text(make() + "\n", encoding="utf-8")
        aside.replace(path)
    return path.read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    sys.exit(main())
