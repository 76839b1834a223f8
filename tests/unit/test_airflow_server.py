"""The embedded Airflow's environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts import airflow_environment, airflow_server
from scripts.airflow_environment import LOG_LEVEL


@pytest.mark.parametrize(("given", "expected"), [(None, "INFO"), ("DEBUG", "DEBUG")])
def test_the_servers_tasks_log_what_the_stages_report(
    given: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LOG_LEVEL, raising=False)
    if given is not None:
        monkeypatch.setenv(LOG_LEVEL, given)
    migrations: list[Mapping[str, str]] = []
    monkeypatch.setattr(airflow_environment.subprocess, "run", lambda *_, env, **__: migrations.append(env))
    monkeypatch.setattr(airflow_server, "_taken", lambda _: None)
    servers: list[Mapping[str, str]] = []

    def start(*_: object, env: Mapping[str, str], **__: Any) -> None:
        servers.append(env)
        raise KeyboardInterrupt

    monkeypatch.setattr(airflow_server.subprocess, "Popen", start)
    with pytest.raises(KeyboardInterrupt):
        airflow_server.up(tmp_path / "home", airflow_server.DEFAULT_PORT)
    [server] = servers
    assert server[LOG_LEVEL] == expected
    assert os.environ.get(LOG_LEVEL) == given
    [migration] = migrations
    assert migration[LOG_LEVEL] == "WARNING"
    assert migration["AIRFLOW_HOME"] == str(tmp_path / "home")
