"""Back up a Compose deployment, and restore it (``make backup TO=…``, ``make restore FROM=…``).

A backup contains the databases of Airflow and MLflow, the store, and MLflow's artifacts. The databases are read first,
so that they reference no artifact that the backup lacks. ``.env`` is not included, since it holds the secrets. Keep a
copy of it in another safe place: only its ``FERNET_KEY`` can decrypt the stored connections.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DATABASES = ("airflow", "mlflow")
FOLDERS = {"store.tar": ("worker", "/opt/airflow/store"), "mlflow.tar": ("mlflow", "/opt/airflow/mlflow")}
"""Files of a backup, with the service and folder that each one comes from."""
UNFINISHED = ("--exclude=./in_progress", "--exclude=./locks")
"""Folders that are not needed after a restore."""
SUMS = "SHA256SUMS"


def main() -> int:
    """Return 0 after a backup or a restore."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["backup", "restore"])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    {"backup": back_up, "restore": restore}[options.command](compose_command(), options.folder.absolute())
    return 0


def compose_command() -> tuple[str, ...]:
    """Return the command of Compose on this machine: the plugin, or the older program."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    sys.exit("Neither `docker compose` nor `docker-compose` was found. Install Docker Compose and try again.")


def back_up(compose: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Write a backup of a running deployment into a new folder that only its owner can read.

    Args:
        compose: Command line of Compose for the deployment.
        folder: Must not exist yet.
        environment: Environment variables of Compose.
    """
    if folder.exists():
        sys.exit(f"{folder} already exists. Name a new folder for the backup.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A backup gets its name when it is complete. Until then, it is in a private temporary folder.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as home:
        unfinished = Path(home) / "backup"
        unfinished.mkdir(mode=0o700)
        for name in DATABASES:
            dump = ["pg_dump", "--username", name, "--format", "custom", name]
            _run([*compose, "exec", "-T", "postgres", *dump], environment, write=unfinished / f"{name}.dump")
        for name, (service, place) in FOLDERS.items():
            # Status 1: a file changed meanwhile. Artifacts never change, and a damaged checkpoint is detected.
            pack = ["sh", "-c", 'tar --create --directory "$0" "$@" . || [ $? -eq 1 ]', place, *UNFINISHED]
            _run([*compose, "exec", "-T", service, *pack], environment, write=unfinished / name)
        lines = [f"{_digest(file)}  {file.name}\n" for file in sorted(unfinished.iterdir())]
        (unfinished / SUMS).write_text("".join(lines), encoding="utf-8")
        unfinished.rename(folder)
    print(f"The backup is in {folder}. Keep a copy of .env in another safe place.")


def restore(compose: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Replace the data of a deployment with a backup, and start it.

    Args:
        compose: Command line of Compose for the deployment, with the ``.env`` of the time of the backup.
        folder: The backup.
        environment: Environment variables of Compose.
    """
    _check(folder)
    _run([*compose, "stop"], environment)
    _run([*compose, "up", "--detach", "postgres"], environment)
    # Empty databases first: existing tables may belong to a newer Airflow. The backup contains its own.
    prepare = ["python", "/opt/review-sentiment/deployment/initialize.py", "--empty-databases"]
    _run([*compose, "run", "--rm", "-T", "initialize", *prepare], environment)
    for name in DATABASES:
        # As the owner of the database, so that nothing in the dump runs as superuser.
        load = ["pg_restore", "--username", name, "--no-owner", "--exit-on-error", "--dbname", name]
        _run([*compose, "exec", "-T", "postgres", *load], environment, read=folder / f"{name}.dump")
    for name, (service, place) in FOLDERS.items():
        unpack = f"find {place} -mindepth 1 -delete && tar --extract --no-same-owner --directory {place}"
        run = ["run", "--rm", "-T", "--no-deps", service, "bash", "-c", unpack]
        _run([*compose, *run], environment, read=folder / name)
    # Migrates the tables if the backup is older than the images.
    _run([*compose, "run", "--rm", "-T", "initialize"], environment)
    # Tasks that were queued then are not in the queue now, so the scheduler must queue them again.
    again = "UPDATE task_instance SET state = 'scheduled', external_executor_id = NULL WHERE state = 'queued'"
    psql = ["psql", "--username", "airflow", "--dbname", "airflow", "--command", again]
    _run([*compose, "exec", "-T", "postgres", *psql], environment)
    _run([*compose, "run", "--rm", "-T", "--no-deps", "redis", "sh", "-c", "rm -rf /data/*"], environment)
    _run([*compose, "up", "--detach"], environment)
    print(f"{folder} is restored, and all services are started.")


def _check(folder: Path) -> None:
    """Exit with a message if a file of the backup is missing or damaged."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        known = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except OSError as error:
        sys.exit(f"{folder} is not a complete backup: {SUMS} cannot be read ({error.strerror}). Nothing was changed.")
    except ValueError:
        sys.exit(f"{folder} is not a complete backup: {SUMS} is damaged. Nothing was changed. Take another backup.")
    for name in (*(f"{database}.dump" for database in DATABASES), *FOLDERS):
        file = folder / name
        if not file.is_file() or _digest(file) != known.get(name):
            sys.exit(f"{file} is missing or damaged; nothing was changed. Take another backup.")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run(
    command: list[str], environment: Mapping[str, str], read: Path | None = None, write: Path | None = None
) -> None:
    """Run a command with input from a file or output to a new one; exit with a message if it fails."""
    with (
        read.open("rb") if read else Path(os.devnull).open("rb") as source,
        write.open("xb") if write else Path(os.devnull).open("wb") as sink,
    ):
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdin=source, stdout=sink if write else None, check=False
        )
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}` ended with status {done.returncode}; its output is above.")


if __name__ == "__main__":
    sys.exit(main())
