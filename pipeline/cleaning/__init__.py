"""Cleaning: which reviews stay, what label they bear, and which words are left of their text."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.cleaning import rules
    from pipeline.cleaning.errors import CleaningError
    from pipeline.cleaning.records import CleanSummary, FunnelStep
    from pipeline.cleaning.stage import clean
    from pipeline.cleaning.words import normalize, normalize_many

__all__ = ["CleanSummary", "CleaningError", "FunnelStep", "clean", "normalize", "normalize_many", "rules"]

# Found when asked for: the processes that clean text start in a third of the time without the store.
_HOMES = {
    "CleanSummary": "records",
    "CleaningError": "errors",
    "FunnelStep": "records",
    "clean": "stage",
    "normalize": "words",
    "normalize_many": "words",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds under that name.
    """Import a public name from its module."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name == "rules":
        return import_module(f"{__name__}.rules")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
