"""Cleaning: which reviews are kept, their labels, and the words of their texts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.cleaning.records import CleanSummary
    from pipeline.cleaning.stage import clean
    from pipeline.cleaning.words import normalize_many

__all__ = ["CleanSummary", "clean", "normalize_many"]

# Imported on first use: the child processes that clean text start in a third of the time without the store.
_MODULES = {"CleanSummary": "records", "clean": "stage", "normalize_many": "words"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object.
    """Import a public name from its module."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
