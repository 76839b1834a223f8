"""Records of validation."""

from __future__ import annotations

from pipeline.store import Record


class ExpectationResult(Record):
    """The result of one expectation of a contract."""

    name: str
    """Great Expectations' type, e.g. ``expect_column_values_to_not_be_null``."""
    title: str
    """The expectation in words."""
    column: str | None
    success: bool
    observed: str
    expected: str
    advice: str
    """What to do when it fails."""


class ContractResult(Record):
    """The result of a contract: of the whole data set, not of single rows."""

    success: bool
    expectations: tuple[ExpectationResult, ...]

    @property
    def failed(self) -> tuple[ExpectationResult, ...]:
        """The expectations that failed."""
        return tuple(expectation for expectation in self.expectations if not expectation.success)


class ValidationSummary(Record):
    """Row rules and contract of one data set, raw or clean."""

    data_set: str
    """``raw`` or ``clean``."""
    rows: int
    """Rows that were checked, including quarantined rows."""
    quarantined: dict[str, int]
    """Rows by reason, in the order of the rules; only reasons with rows."""
    contract: ContractResult
    data_docs: str | None
    """Path of the first page of the Data Docs in the artifact."""
