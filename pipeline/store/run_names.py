"""A run's name as the name of a folder."""

from __future__ import annotations

import hashlib
import re

LONGEST_NAME = 80
_SAFE = re.compile(r"[A-Za-z0-9_-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def safe_run_name(run_name: str) -> str:
    """Return the folder name of a run: letters, digits, ``_`` and ``-`` only, and distinct for distinct runs.

    A name that is safe already stays as it is. Any other (Airflow's hold ``:`` and ``+``; a hostile one holds
    ``../``) has its other characters replaced and a digest of the original put behind.
    """
    if _SAFE.fullmatch(run_name) and len(run_name) <= LONGEST_NAME:
        return run_name
    readable = _UNSAFE.sub("_", run_name).strip("_")[:LONGEST_NAME] or "run"
    return f"{readable}-{hashlib.sha256(run_name.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
