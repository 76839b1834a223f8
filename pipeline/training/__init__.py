"""From encoded reviews to fitted networks and their probabilities.

Public names are found when asked for: parsing a DAG loads this package and must not load arrays, let alone
TensorFlow, which loads with the first call that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.training.device import hide_gpus_unless_wanted, preflight
    from pipeline.training.prediction import load_model, predict_probabilities
    from pipeline.training.records import DeviceRecord, EpochRecord, TrainSummary
    from pipeline.training.stage import find_trained, train

__all__ = [
    "DeviceRecord",
    "EpochRecord",
    "TrainSummary",
    "find_trained",
    "hide_gpus_unless_wanted",
    "load_model",
    "predict_probabilities",
    "preflight",
    "train",
]

_HOMES = {
    "DeviceRecord": "records",
    "EpochRecord": "records",
    "TrainSummary": "records",
    "find_trained": "stage",
    "hide_gpus_unless_wanted": "device",
    "load_model": "prediction",
    "predict_probabilities": "prediction",
    "preflight": "device",
    "train": "stage",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds under that name.
    """Import a public name from its module."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
