"""Backups are complete or absent, and a damaged backup changes nothing. A script stands in for Compose."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import compose_backup

COMPOSE = """\
#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in *"$FAILS_AT"*) [ -z "$FAILS_AT" ] || { echo "no such service" >&2; exit 1; } ;; esac
case "$*" in
  *pg_restore*|*"tar --extract"*) cat >>"$CALLS.received" ;;
  *pg_dump*|*"tar --create"*) echo "contents of $*" ;;
esac
"""


@pytest.fixture
def compose(tmp_path: Path) -> Sequence[str]:
    script = tmp_path / "compose"
    script.write_text(COMPOSE)
    script.chmod(0o755)
    return (str(script),)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "CALLS": str(tmp_path / "calls"), "FAILS_AT": ""}


def test_a_backup_is_whole_for_its_owner_alone_and_restored_to_the_byte(
    compose: Sequence[str], environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "backups" / "first"
    compose_backup.back_up(compose, folder, environment)
    assert {file.name for file in folder.iterdir()} == {
        "airflow.dump", "mlflow.dump", "store.tar", "mlflow.tar", "SHA256SUMS",
    }  # fmt: skip
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    compose_backup.restore(compose, folder, environment)
    received = (tmp_path / "calls.received").read_text()
    parts = ("airflow.dump", "mlflow.dump", "store.tar", "mlflow.tar")
    assert received == "".join((folder / name).read_text() for name in parts)
    calls = (tmp_path / "calls").read_text()
    assert "pg_restore --username postgres" not in calls


def test_a_backup_that_fails_leaves_nothing_and_may_be_tried_again(
    compose: Sequence[str], environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "backups" / "first"
    with pytest.raises(SystemExit, match="ended with status 1"):
        compose_backup.back_up(compose, folder, {**environment, "FAILS_AT": "exec -T mlflow"})
    assert list((tmp_path / "backups").iterdir()) == []
    compose_backup.back_up(compose, folder, environment)
    with pytest.raises(SystemExit, match="already exists"):
        compose_backup.back_up(compose, folder, environment)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (("store.tar", b"cut"), "store.tar is missing or damaged; nothing was changed"),
        (("mlflow.dump", None), "mlflow.dump is missing or damaged; nothing was changed"),
        (("SHA256SUMS", None), "is not a complete backup"),
        (("SHA256SUMS", b"garbage"), "SHA256SUMS is damaged. Nothing was changed"),
        (("SHA256SUMS", b"\xff\xfe"), "SHA256SUMS is damaged. Nothing was changed"),
    ],
)
def test_a_damaged_backup_changes_nothing(
    compose: Sequence[str], environment: dict[str, str], tmp_path: Path, damage: tuple[str, bytes | None], words: str
) -> None:
    file, content = damage
    folder = tmp_path / "first"
    compose_backup.back_up(compose, folder, environment)
    (tmp_path / "calls").unlink()
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(SystemExit, match=words):
        compose_backup.restore(compose, folder, environment)
    assert not (tmp_path / "calls").exists()
