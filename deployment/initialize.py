"""Prepares Postgres and Airflow for the first start, and for every start after it: run by the service ``initialize``.

Each step leaves alone what is there already, so an upgrade runs it again. The database users get the passwords that the
environment names: a changed password in ``.env`` is rotated by starting this again (docs/how-to/deploy.md).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import psycopg2
from psycopg2 import sql

ROLES = {"airflow": "AIRFLOW_DATABASE_PASSWORD", "mlflow": "MLFLOW_DATABASE_PASSWORD"}
"""Database users, each with a database of its own name, and the variables with their passwords."""
WAIT_SECONDS = 60


def main() -> int:
    """Return 0 when databases, logins and the pool are there."""
    if os.geteuid() == 0:
        print("This must not run as root.", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--empty-databases", action="store_true", help="drop both databases, create them anew, and do no more"
    )
    empty = parser.parse_args().empty_databases
    create_databases(empty=empty)
    if empty:
        return 0
    airflow("db", "migrate")
    create_admin()
    slots = os.environ.get("GPU_SLOTS", "1")
    airflow("pools", "set", os.environ["REVIEW_SENTIMENT_GPU_POOL"], slots, "One slot for each GPU")
    print("Everything is prepared.")
    return 0


def create_databases(*, empty: bool) -> None:
    """Create the database users and their databases, and set the passwords.

    Args:
        empty: Drop the databases that are there: a backup is about to take their place.
    """
    connection = _connected()
    # CREATE DATABASE is refused within a transaction.
    connection.autocommit = True
    with connection.cursor() as cursor:
        # Neither the statements' log of the server nor ours shall hold a password.
        cursor.execute("SET log_statement = 'none'")
        for name, variable in ROLES.items():
            role = sql.Identifier(name)
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            password = sql.Literal(os.environ[variable])
            cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, password))
            if empty:
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(role))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if cursor.fetchone() is None:
                # Whatever the server's own locale is.
                create = "CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0"
                cursor.execute(sql.SQL(create).format(role, role))
            # Anybody may connect to a new database otherwise.
            cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(role))
    connection.close()


def create_admin() -> None:
    """Create the first login of the UI, if there is none at all; later ones are managed there."""
    # The password goes by the environment of one process: a command line can be read by others.
    script = (
        "import os; from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder\n"
        "with get_application_builder() as builder:\n"
        "    manager = builder.sm\n"
        "    known = manager.count_users()\n"
        "    if known:\n"
        "        print(f'{known} logins are there.')\n"
        "        raise SystemExit(0)\n"
        "    user = os.environ['ADMIN_USER']\n"
        "    made = manager.add_user(user, user, '-', f'{user}@localhost', manager.find_role('Admin'),\n"
        "                            password=os.environ['ADMIN_PASSWORD'])\n"
        "    print(f'The login {user!r} is made; its password is ADMIN_PASSWORD in .env.')\n"
        "    raise SystemExit(0 if made else 1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def airflow(*words: str) -> None:
    """Run one of Airflow's own commands."""
    subprocess.run(["airflow", *words], check=True)


def _connected() -> psycopg2.extensions.connection:
    """Return the superuser's connection; a server that was just created takes a moment."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return psycopg2.connect(
                host=os.environ["POSTGRES_HOST"],
                user="postgres",
                dbname="postgres",
                password=os.environ["POSTGRES_PASSWORD"],
            )
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline or "password" in str(error):
                raise
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
