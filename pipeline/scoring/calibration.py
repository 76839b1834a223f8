"""How an exported model's probabilities are rescaled, so that 0.5 is the threshold and they mean what they say.

With 85 % positive reviews the best threshold lies near 0.87, and a network's "0.77" means negative. The exported
network rescales its logits: ``slope · (logit(p) − logit(threshold))``. Where the network's probabilities are right,
moving the threshold to 0.5 gives the probability that a review is positive if negative reviews were ``odds(threshold)``
times as frequent. The slope is the inverse of the temperature of Guo et al. 2017 (https://arxiv.org/abs/1706.04599),
fitted on the validation split with the negative reviews weighted by the same factor.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.store import Record

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

CALIBRATED_THRESHOLD = 0.5
CLIPPED = (1e-30, 1 - 1e-7)
"""Thresholds and probabilities outside count as these, so that their logit is finite. float32 is coarser near 1."""
SLOPES = (0.1, 10.0)
"""Bounds of the slope. Few validation reviews that are all classified correctly would make it infinite."""


class Calibration(Record):
    """A linear rescaling of a network's logits: ``slope · logit + intercept``."""

    slope: float = Field(1.0, gt=0)
    intercept: float = 0.0

    @classmethod
    def fit(cls, labels: npt.NDArray[np.int8], probabilities: npt.NDArray[np.float32], threshold: float) -> Self:
        """Return the rescaling that moves ``threshold`` to 0.5, with the slope of the lowest weighted log loss.

        Args:
            labels: int8 ``[rows]`` of the validation split, 0 or 1.
            probabilities: float32 ``[rows]``, the network's.
            threshold: Probability from which a review counts as positive.
        """
        from scipy.optimize import minimize_scalar

        center = float(_logit(np.array(threshold)))
        distance = _logit(probabilities) - center
        signed = np.where(labels == 1, distance, -distance)
        weight = np.where(labels == 1, 1.0, np.exp(center))
        if not len(labels) or labels.min() == labels.max():
            log.warning("The validation split has no reviews of both classes; the probabilities stay uncalibrated.")
            return cls(slope=1.0, intercept=-center)
        found = minimize_scalar(
            lambda slope: float(weight @ np.logaddexp(0, -slope * signed)), bounds=SLOPES, method="bounded"
        )
        slope = round(float(found.x), 4)
        log.info("calibration: slope %.3f, threshold %.4f becomes 0.5", slope, threshold)
        return cls(slope=slope, intercept=-slope * center)

    def apply(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return rescaled probabilities, float32 ``[rows]``; those of the identity stay as they are."""
        if self == Calibration():
            return probabilities
        logits = self.slope * _logit(probabilities) + self.intercept
        return (1 / (1 + np.exp(-logits))).astype(np.float32)

    def undo(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the network's probabilities of rescaled ones, float32 ``[rows]``."""
        inverse = Calibration(slope=1 / self.slope, intercept=-self.intercept / self.slope)
        return inverse.apply(probabilities)

    def rescale(self, network: keras.Model) -> None:
        """Change the weights of the network's output layer, ``Dense(1, sigmoid)``, so that it gives these."""
        output = network.layers[-1]
        kernel, bias = output.get_weights()
        output.set_weights([kernel * self.slope, bias * self.slope + self.intercept])


def _logit(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    inside = np.clip(probabilities.astype(np.float64), *CLIPPED)
    return np.log(inside) - np.log1p(-inside)
