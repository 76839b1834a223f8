"""Environment of the embedded Airflow: home in the checkout, SQLite, only this project's DAGs and plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

LOG_LEVEL = "AIRFLOW__LOGGING__LOGGING_LEVEL"
CHECKOUT = Path(__file__).resolve().parents[1]


def settings(home: Path) -> dict[str, str]:
    """Return the environment variables of an Airflow in the folder ``home``."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def prepare(home: Path) -> None:
    """Set this process's environment and migrate the database. Airflow's own log has warnings and errors only.

    Call it before anything imports Airflow: the settings are read at import.

    Raises:
        subprocess.CalledProcessError: The migration failed; its output was printed.
    """
    os.environ.setdefault(LOG_LEVEL, "WARNING")
    os.environ.update(settings(home))
    migrate(home, os.environ)


def migrate(home: Path, environment: Mapping[str, str]) -> None:
    """Create or migrate the database of the Airflow in ``home``, once per Airflow version.

    Raises:
        subprocess.CalledProcessError: The migration failed; its output was printed.
    """
    home.mkdir(parents=True, exist_ok=True)
    migrated = home / f"migrated-{metadata.version('apache-airflow')}"
    if not (migrated.exists() and (home / "airflow.db").exists()):
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        # The migration logs hundreds of lines.
        quiet = {**environment, LOG_LEVEL: "WARNING"}
        subprocess.run(command, env=quiet, check=True, stdout=subprocess.DEVNULL)
        migrated.touch()
