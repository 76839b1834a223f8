"""Trains networks on encoded reviews and predicts with them.

Public names are imported on first use: parsing a DAG imports this package and must not import NumPy or TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.training.device import hide_gpus_unless_wanted, preflight
    from pipeline.training.prediction import Predictor, load_model
    from pipeline.training.records import DeviceRecord, EpochRecord, TrainSummary
    from pipeline.training.stage import find_trained, train

__all__ = [
    "DeviceRecord",
    "EpochRecord",
    "Predictor",
    "TrainSummary",
    "find_trained",
    "hide_gpus_unless_wanted",
    "load_model",
    "preflight",
    "train",
]

_MODULE_OF = {
    "DeviceRecord": "records",
    "EpochRecord": "records",
    "Predictor": "prediction",
    "TrainSummary": "records",
    "find_trained": "stage",
    "hide_gpus_unless_wanted": "device",
    "load_model": "prediction",
    "preflight": "device",
    "train": "stage",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name.
    """Import a public name on first use."""
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
