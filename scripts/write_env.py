"""Write ``.env``, the settings and secrets of ``docker compose``, once (``make env``).

Every secret is made here, by the system's random numbers, and lies in a file that only its owner may read. A file that
is there is left alone.
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
"""HS512, by which Airflow signs its tokens, wants 64 bytes of key: this many random ones are 64 characters."""
PASSWORD_BYTES = 24
FERNET_BYTES = 32
KEYS = frozenset({"JWT_SECRET", "API_SECRET_KEY"})
ON_A_GPU = {"COMPOSE_PROFILES": "gpu", "WORKER_QUEUES": "default"}


def main() -> int:
    """Return 0 when there is a ``.env``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--template", type=Path, default=CHECKOUT / ".env.example")
    parser.add_argument("--target", type=Path, default=CHECKOUT / ".env")
    parser.add_argument("--gpu", action="store_true", help="this machine has a GPU worker")
    options = parser.parse_args()
    target: Path = options.target
    lines = filled(options.template.read_text(encoding="utf-8").splitlines(), gpu=options.gpu)
    # For the owner alone from its first byte, whole when it gets its name, and never over one that is there.
    descriptor, unfinished = tempfile.mkstemp(prefix=".env-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
            sink.write("\n".join(lines) + "\n")
        os.link(unfinished, target)
    except FileExistsError:
        print(f"{target} is there already and stays as it is. To rotate a secret, see docs/how-to/deploy.md.")
        if options.gpu:
            print("For a GPU worker write into it: " + ", ".join(f"{name}={value}" for name, value in ON_A_GPU.items()))
        return 0
    finally:
        Path(unfinished).unlink()
    print(f"{target} is written, readable by you alone. The login of the UI is ADMIN_USER and ADMIN_PASSWORD in it.")
    return 0


def filled(lines: list[str], *, gpu: bool) -> list[str]:
    """Return the lines of the template with a new secret for each placeholder.

    Args:
        lines: ``NAME=value`` lines, comments, empty lines.
        gpu: Whether a GPU worker takes the queue ``gpu``.
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
    """Return a new secret of the kind that a setting needs; only letters, digits, ``-``, ``_`` and ``=``."""
    if name == "FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()
    return secrets.token_urlsafe(SECRET_BYTES if name in KEYS else PASSWORD_BYTES)


if __name__ == "__main__":
    sys.exit(main())
