"""What a dump must fulfil: row rules that set bad rows aside, and contracts that stop a run. See docs/validation.md."""

from pipeline.validation.clean import validate_clean
from pipeline.validation.contract import enforce_contract
from pipeline.validation.raw import validate_raw
from pipeline.validation.records import ContractResult, ExpectationResult, ValidationSummary

__all__ = [
    "ContractResult",
    "ExpectationResult",
    "ValidationSummary",
    "enforce_contract",
    "validate_clean",
    "validate_raw",
]
