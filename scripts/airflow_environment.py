"""Environment of the embedded Airflow: home in the checkout, SQLite, only this project's DAGs and plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def settings(home: Path) -> dict[str, str]:
    """Return the environment variables of an Airflow in the folder ``home``."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": os.environ.get("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING"),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def prepare(home: Path) -> None:
    """Set this process's environment and migrate the database, once per Airflow version.

    Call it before anything imports Airflow: the settings are read at import.

    Raises:
        subprocess.CalledProcessError: The migration failed; its output was printed.
    """
    os.environ.update(settings(home))
    home.mkdir(parents=True, exist_ok=True)
    migrated = home / f"migrated-{metadata.version('apache-airflow')}"
    if not (migrated.exists() and (home / "airflow.db").exists()):
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, stdout=subprocess.DEVNULL)
        migrated.touch()
