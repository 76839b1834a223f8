"""Whose work a task was, where several workers share one machine: for ``[core] hostname_callable``."""

from __future__ import annotations

import os

VARIABLE = "WORKER_HOST_NAME"


def host_name() -> str:
    """Return the host name that the worker was given."""
    return os.environ[VARIABLE]
