"""Prepares Postgres and Airflow at every start of the deployment; run by the service ``initialize``.

Each step keeps what already exists, so that it also serves upgrades. The database users get the passwords in the
environment: to rotate one, change it in ``.env`` and run this again (docs/how-to/deploy.md).
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
"""Database users, each with a database of the same name, and the variables with their passwords."""
WAIT_SECONDS = 60


def main() -> int:
    """Return 0 if databases, logins and the pool exist now."""
    if os.geteuid() == 0:
        print("Do not run this as root.", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--empty-databases", action="store_true", help="drop and create both databases, and stop then")
    empty = parser.parse_args().empty_databases
    create_databases(empty=empty)
    if empty:
        return 0
    airflow("db", "migrate")
    create_admin()
    slots = os.environ.get("GPU_SLOTS", "1")
    airflow("pools", "set", os.environ["REVIEW_SENTIMENT_GPU_POOL"], slots, "One slot for each GPU")
    print("Databases, login and pool are ready.")
    return 0


def create_databases(*, empty: bool) -> None:
    """Create the database users and their databases, and set the passwords.

    Args:
        empty: Drop existing databases first, for a restore.
    """
    connection = _connected()
    # CREATE DATABASE cannot run inside a transaction.
    connection.autocommit = True
    with connection.cursor() as cursor:
        # Keeps passwords out of the server's log.
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
                # template0 allows UTF8 with any locale of the server.
                create = "CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0"
                cursor.execute(sql.SQL(create).format(role, role))
            # By default, every user can connect to a new database.
            cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(role))
    connection.close()


def create_admin() -> None:
    """Create the first login of the UI, if there are no logins; later ones are managed in the UI."""
    # The password is in the environment, since other users can read a command line.
    script = (
        "import os; from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder\n"
        "with get_application_builder() as builder:\n"
        "    manager = builder.sm\n"
        "    known = manager.count_users()\n"
        "    if known:\n"
        "        print(f'{known} logins exist.')\n"
        "        raise SystemExit(0)\n"
        "    user = os.environ['ADMIN_USER']\n"
        "    made = manager.add_user(user, user, '-', f'{user}@localhost', manager.find_role('Admin'),\n"
        "                            password=os.environ['ADMIN_PASSWORD'])\n"
        "    print(f'Created the login {user!r} with ADMIN_PASSWORD of .env.')\n"
        "    raise SystemExit(0 if made else 1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def airflow(*words: str) -> None:
    """Run a command of Airflow."""
    subprocess.run(["airflow", *words], check=True)


def _connected() -> psycopg2.extensions.connection:
    """Return a connection as superuser; wait for a server that is starting."""
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
