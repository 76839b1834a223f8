"""Row rules quarantine bad rows; data contracts stop a run (docs/reference/data_contract.md)."""

from pipeline.validation.clean import validate_clean
from pipeline.validation.enforcement import enforce_contract
from pipeline.validation.raw import validate_raw

__all__ = ["enforce_contract", "validate_clean", "validate_raw"]
