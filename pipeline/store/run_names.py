"""Folder names of runs."""

from __future__ import annotations

import hashlib
import re

MAX_NAME_CHARACTERS = 80
_SAFE = re.compile(r"[A-Za-z0-9_-]+")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def safe_run_name(run_name: str) -> str:
    """Return the folder name of a run: letters, digits, ``_`` and ``-`` only, and distinct for distinct runs.

    A safe name stays as it is. In any other name (Airflow's contain ``:`` and ``+``; a hostile one could contain
    ``../``), the other characters are replaced, and a digest of the original is appended.
    """
    if _SAFE.fullmatch(run_name) and len(run_name) <= MAX_NAME_CHARACTERS:
        return run_name
    readable = _UNSAFE.sub("_", run_name).strip("_")[:MAX_NAME_CHARACTERS] or "run"
    return f"{readable}-{hashlib.sha256(run_name.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
