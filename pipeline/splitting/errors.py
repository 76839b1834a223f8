"""What can be wrong with a split."""

from __future__ import annotations

from pipeline.errors import ConfigurationError, ContractViolationError


class SplitImpossibleError(ConfigurationError):
    """The chosen strategy needs something that the reviews do not have."""


class UnusableSplitError(ContractViolationError):
    """A part is empty or holds one class only: nothing can be learned from it, or judged on it."""
