"""Training: one variant of the network, on a CPU or a GPU, from encoded reviews to a saved model.

TensorFlow and Keras load with the first call that needs them, never with this package.
"""

from pipeline.training.device import preflight
from pipeline.training.prediction import load_model, predict_probabilities
from pipeline.training.records import DeviceRecord, EpochRecord, TrainSummary
from pipeline.training.stage import find_trained, train

__all__ = [
    "DeviceRecord",
    "EpochRecord",
    "TrainSummary",
    "find_trained",
    "load_model",
    "predict_probabilities",
    "preflight",
    "train",
]
