"""What validation found."""

from __future__ import annotations

from pipeline.store import Record


class ExpectationResult(Record):
    """One clause of the contract."""

    name: str
    """Great Expectations' type, e.g. ``expect_column_values_to_not_be_null``."""
    title: str
    """The clause in plain words."""
    column: str | None
    success: bool
    observed: str
    expected: str
    advice: str
    """What to do when it fails."""


class ContractResult(Record):
    """The contract of the whole data set."""

    success: bool
    expectations: tuple[ExpectationResult, ...]

    @property
    def broken(self) -> tuple[ExpectationResult, ...]:
        """The clauses that failed."""
        return tuple(expectation for expectation in self.expectations if not expectation.success)


class ValidationSummary(Record):
    """Row rules and contract of one data set, raw or clean."""

    data_set: str
    """``raw`` or ``clean``."""
    rows: int
    """Rows that were looked at, quarantined ones included."""
    quarantined: dict[str, int]
    """Rows by reason, in the order of the rules; reasons without rows are left out."""
    contract: ContractResult
    data_docs: str | None
    """Path of the Data Docs' first page inside the artifact."""
