"""The command line of Docker Compose on this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def compose_command() -> tuple[str, ...]:
    """Return the command of Compose: the plugin, or the older program."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    sys.exit("Neither `docker compose` nor `docker-compose` was found. Install Docker Compose and try again.")
