"""Write ``.env`` with the settings and new secrets of ``docker compose`` (``make env``).

Only the owner can read the file. An existing file is not changed.
"""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "<generated>"
SECRET_BYTES = 48
"""Airflow signs tokens with HS512, which needs 64 bytes of key: 48 random bytes are 64 characters."""
PASSWORD_BYTES = 24
FERNET_BYTES = 32
KEYS = frozenset({"JWT_SECRET", "API_SECRET_KEY"})
ON_A_GPU = {"COMPOSE_PROFILES": "gpu", "WORKER_QUEUES": "default"}


def main() -> int:
    """Return 0 if there is a ``.env`` now."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--template", type=Path, default=CHECKOUT / ".env.example")
    parser.add_argument("--target", type=Path, default=CHECKOUT / ".env")
    parser.add_argument("--gpu", action="store_true", help="settings for a machine with a GPU worker")
    options = parser.parse_args()
    target: Path = options.target
    lines = filled(options.template.read_text(encoding="utf-8").splitlines(), gpu=options.gpu)
    # Private from the first byte, complete when it gets its name, and never in place of an existing file.
    descriptor, unfinished = tempfile.mkstemp(prefix=".env-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
            sink.write("\n".join(lines) + "\n")
        os.link(unfinished, target)
    except FileExistsError:
        print(f"{target} already exists and is not changed. To rotate a secret, see docs/how-to/deploy.md.")
        if options.gpu:
            print("For a GPU worker, set in it: " + ", ".join(f"{name}={value}" for name, value in ON_A_GPU.items()))
        return 0
    finally:
        Path(unfinished).unlink()
    print(f"Wrote {target}, which only you can read. ADMIN_USER and ADMIN_PASSWORD in it are the login of the UI.")
    return 0


def filled(lines: list[str], *, gpu: bool) -> list[str]:
    """Return the lines of the template with a new secret for each placeholder.

    Args:
        lines: ``NAME=value`` lines, comments, empty lines.
        gpu: Whether only a GPU worker takes the queue ``gpu``.
    """
    changed = ON_A_GPU if gpu else {}
    made = []
    for line in lines:
        name, equals, value = line.partition("=")
        if not line.startswith("#") and equals:
            value = secret(name) if value == PLACEHOLDER else changed.get(name, value)
        made.append(f"{name}{equals}{value}")
    return made


def secret(name: str) -> str:
    """Return a new secret for a setting, of letters, digits, ``-``, ``_`` and ``=``."""
    if name == "FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()
    return secrets.token_urlsafe(SECRET_BYTES if name in KEYS else PASSWORD_BYTES)


if __name__ == "__main__":
    sys.exit(main())
