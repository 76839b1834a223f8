"""Back a Compose deployment up into a folder, and restore it (``make backup TO=…``, ``make restore FROM=…``).

A backup holds Airflow's and MLflow's databases, the store and MLflow's artifacts. The databases are read first: nothing
in them misses an artifact that is newer. ``.env`` is not in it, for it holds the secrets: keep a copy of it in another
safe place, as the stored connections can be read with its ``FERNET_KEY`` alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.compose import CHECKOUT, compose_command

DATABASES = ("airflow", "mlflow")
FOLDERS = {"store.tar": ("worker", "/opt/airflow/store"), "mlflow.tar": ("mlflow", "/opt/airflow/mlflow")}
"""Files of a backup, and the service and folder that each is of."""
UNFINISHED = ("--exclude=./in_progress", "--exclude=./locks")
"""Nothing in these is ever read again."""
SUMS = "SHA256SUMS"
BLOCK_BYTES = 1 << 20


def main() -> int:
    """Return 0 when the backup is made, or restored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["backup", "restore"])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    {"backup": back_up, "restore": restore}[options.command](compose_command(), options.folder.absolute())
    return 0


def back_up(compose: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Write the backup of a running deployment into a new folder, for its owner alone.

    Args:
        compose: Words that start Compose for the deployment.
        folder: Must not be there yet.
        environment: What Compose is started with.
    """
    if folder.exists():
        sys.exit(f"{folder} is there already. A backup takes a folder of its own: name another.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A backup bears its name when it is whole. The other name is of this process alone, and readable by its owner.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as home:
        unfinished = Path(home) / "backup"
        unfinished.mkdir(mode=0o700)
        for name in DATABASES:
            dump = ["pg_dump", "--username", name, "--format", "custom", name]
            _run([*compose, "exec", "-T", "postgres", *dump], environment, write=unfinished / f"{name}.dump")
        for name, (service, place) in FOLDERS.items():
            # Status 1: a file has changed meanwhile. Artifacts never do; a torn checkpoint is not taken for whole.
            pack = ["sh", "-c", 'tar --create --directory "$0" "$@" . || [ $? -eq 1 ]', place, *UNFINISHED]
            _run([*compose, "exec", "-T", service, *pack], environment, write=unfinished / name)
        lines = [f"{_digest(file)}  {file.name}\n" for file in sorted(unfinished.iterdir())]
        (unfinished / SUMS).write_text("".join(lines), encoding="utf-8")
        unfinished.rename(folder)
    print(f"The backup is in {folder}. Keep a copy of .env in another safe place.")


def restore(compose: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Put a backup in place of what the deployment holds, and start it.

    Args:
        compose: Words that start Compose for the deployment, whose ``.env`` is the one of the backup's time.
        folder: A backup.
        environment: What Compose is started with.
    """
    _check(folder)
    _run([*compose, "stop"], environment)
    _run([*compose, "up", "--detach", "postgres"], environment)
    # What is there now may be of a newer Airflow, with which this one cannot do anything: tables come with the backup.
    prepare = ["python", "/opt/review-sentiment/deployment/initialize.py", "--empty-databases"]
    _run([*compose, "run", "--rm", "-T", "initialize", *prepare], environment)
    for name in DATABASES:
        # As the database's owner: what somebody has put into it must not run as the superuser.
        load = ["pg_restore", "--username", name, "--no-owner", "--exit-on-error", "--dbname", name]
        _run([*compose, "exec", "-T", "postgres", *load], environment, read=folder / f"{name}.dump")
    for name, (service, place) in FOLDERS.items():
        unpack = f"find {place} -mindepth 1 -delete && tar --extract --no-same-owner --directory {place}"
        run = ["run", "--rm", "-T", "--no-deps", service, "bash", "-c", unpack]
        _run([*compose, *run], environment, read=folder / name)
    # The backup may be older than the images.
    _run([*compose, "run", "--rm", "-T", "initialize"], environment)
    # What waited in the queue then does not wait in today's: the scheduler must send it anew.
    again = "UPDATE task_instance SET state = 'scheduled', external_executor_id = NULL WHERE state = 'queued'"
    psql = ["psql", "--username", "airflow", "--dbname", "airflow", "--command", again]
    _run([*compose, "exec", "-T", "postgres", *psql], environment)
    _run([*compose, "run", "--rm", "-T", "--no-deps", "redis", "sh", "-c", "rm -rf /data/*"], environment)
    _run([*compose, "up", "--detach"], environment)
    print(f"{folder} is restored, and everything is started.")


def _check(folder: Path) -> None:
    """End with a message if a file of the backup is missing or damaged."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        known = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except OSError as error:
        sys.exit(f"{folder} is no whole backup: {SUMS} cannot be read ({error.strerror}). Nothing was changed.")
    except ValueError:
        sys.exit(f"{folder} is no whole backup: {SUMS} is damaged. Nothing was changed. Take another backup.")
    for name in (*(f"{database}.dump" for database in DATABASES), *FOLDERS):
        file = folder / name
        if not file.is_file() or _digest(file) != known.get(name):
            sys.exit(f"{file} is missing or damaged; nothing was changed. Take another backup.")


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _run(
    command: list[str], environment: Mapping[str, str], read: Path | None = None, write: Path | None = None
) -> None:
    """Run a command, its input from a file or its output into a new one, and end with a message if it fails."""
    with (
        read.open("rb") if read else Path(os.devnull).open("rb") as source,
        write.open("xb") if write else Path(os.devnull).open("wb") as sink,
    ):
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdin=source, stdout=sink if write else None, check=False
        )
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}` ended with status {done.returncode}; what it said stands above.")


if __name__ == "__main__":
    sys.exit(main())
