"""Credentials of the object store from an Airflow connection (docs/how-to/use_an_object_store.md).

It reads the connection's own fields, so the amazon provider need not be installed.
"""

from __future__ import annotations

from typing import Any

from pipeline.errors import ConfigurationError, quoted
from pipeline.settings import load_settings, variable
from pipeline.store.login import ObjectStoreLogin, set_login_provider

CONNECTION_TYPE = "aws"
ELSEWHERE = ("role_arn", "assume_role_method", "assume_role_kwargs", "profile_name", "session_kwargs")
"""Fields that only the amazon provider can use; ignoring them would use other rights than the connection intends."""


def use_store_connection() -> None:
    """Let this process open object stores with the configured connection, if there is one."""
    set_login_provider(store_login)


def store_login() -> ObjectStoreLogin:
    """Return the current credentials; Airflow is asked each time, so a changed connection takes effect.

    Raises:
        ConfigurationError: There is no such connection, or it cannot be used. No message contains its secrets.
    """
    name = load_settings().store_conn
    return _login_of(name, _connection(name)) if name else ObjectStoreLogin()


def _connection(name: str) -> Any:  # noqa: ANN401 - Airflow's SDK types it so
    from airflow.sdk import Connection

    try:
        return Connection.get(name)
    except Exception as error:  # noqa: BLE001 - each secrets backend raises its own errors, some with secrets in them
        kind = type(error).__name__
    raise ConfigurationError(
        f"{variable('store_conn')} names the Airflow connection {quoted(name)}, which cannot be read "
        f"({kind}). Add it (`airflow connections add`, AIRFLOW_CONN_…, or a secrets backend), or correct the name. "
        "Without the variable, the environment's AWS credentials are used."
    )


def _login_of(name: str, connection: Any) -> ObjectStoreLogin:  # noqa: ANN401 - Airflow's SDK types it so
    if connection.conn_type != CONNECTION_TYPE:
        raise ConfigurationError(
            f"The Airflow connection {quoted(name)} is of the type {quoted(connection.conn_type)}; the store needs the "
            f"type {CONNECTION_TYPE}: login is the access key, password the secret key "
            "(docs/how-to/use_an_object_store.md)."
        )
    extra = connection.extra_dejson
    if connection.extra and not extra and connection.extra.strip() not in {"{}", "null"}:
        raise ConfigurationError(f"The extra of the Airflow connection {quoted(name)} is not a JSON object.")
    if unusable := [field for field in ELSEWHERE if extra.get(field)]:
        raise ConfigurationError(
            f"The Airflow connection {quoted(name)} has {', '.join(unusable)}, which the store does not support. Use "
            f"the environment instead (AWS_PROFILE, AWS_ROLE_ARN, …) without {variable('store_conn')}, or give keys."
        )
    return ObjectStoreLogin(
        access_key=connection.login or extra.get("aws_access_key_id") or None,
        secret_key=connection.password or extra.get("aws_secret_access_key") or None,
        session_token=extra.get("aws_session_token") or None,
        endpoint_url=extra.get("endpoint_url") or None,
        region=extra.get("region_name") or None,
        source=f"the Airflow connection {name}",
        advice=(
            f"It comes from the Airflow connection {quoted(name)} ({variable('store_conn')}): login is the access key, "
            "password the secret key; extra may hold endpoint_url (for another store than AWS), region_name and "
            "aws_session_token."
        ),
    )
