"""The policy, the plan and the result of a clean-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from pipeline.errors import ConfigurationError, quoted
from pipeline.store import ArtifactReference, Record

Reason = Literal["champion", "record", "report", "in_use", "unreadable"]
"""Why an artifact stays: by itself, or because one that stays was made of it. The first that applies counts."""


class RetentionPolicy(Record):
    """What is kept of that which nothing else keeps."""

    keep_reports: int = Field(
        20, title="Reports to keep", description="The newest so many reports stay, whatever their age.", ge=1
    )
    keep_days: float = Field(
        30.0, title="Days to keep reports", description="Reports younger than that stay, however many.", ge=0
    )
    keep_changes: int = Field(
        10,
        title="Champions to keep",
        description="The models of the last so many changes of the champion stay, and the one before the present.",
        ge=1,
    )
    grace_hours: float = Field(
        48.0,
        title="Grace period (hours)",
        description="What was made, reused or changed within that time stays: a run may be at work with it.",
        ge=1,
    )

    @property
    def grace(self) -> timedelta:
        """Return the grace period."""
        return timedelta(hours=self.grace_hours)


KNOBS = ("keep_reports", "keep_days", "keep_changes")
"""What a person may choose; the grace period is what keeps a run at work safe, and is no matter of taste."""


def policy_from(values: Mapping[str, object]) -> RetentionPolicy:
    """Return the policy that a form or a command line asks for; what it leaves out is as by default.

    Raises:
        ConfigurationError: A name is unknown or a value does not fit.
    """
    unknown = sorted(values.keys() - set(KNOBS))
    if unknown:
        raise ConfigurationError(f"A clean-up has no parameter {quoted(unknown[0])}; it has {', '.join(KNOBS)}.")
    try:
        return RetentionPolicy.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        raise ConfigurationError(f"{name} is {quoted(problem['input'])}: {problem['msg']}.") from None


class OldArtifact(Record):
    """An artifact that nothing reaches."""

    reference: ArtifactReference
    bytes: int
    last_used: AwareDatetime
    """When it was made or last asked for; it is spared if that has changed when it is to go."""


class OldReport(Record):
    """A published report beyond the policy."""

    folder: str
    """Name below ``reports/``."""
    run_name: str
    made_at: AwareDatetime
    bytes: int
    changed_at: AwareDatetime
    """Latest change of a file in it; it is spared if that has changed when it is to go."""


class Stray(Record):
    """What a killed run left on this machine: a half-written folder, or a checkpoint that nobody went on with."""

    place: str
    """Below the store's local folder, such as ``in_progress/train-0123``."""
    bytes: int
    changed_at: AwareDatetime


class KeptArtifact(Record):
    """An artifact that stays."""

    reference: ArtifactReference
    reason: Reason


class CleanUpFigures(Record):
    """A plan in figures, small enough for XCom."""

    made_at: AwareDatetime
    policy: RetentionPolicy
    artifacts: int
    reports: int
    strays: int
    bytes: int
    """What all of them take together."""
    artifacts_by_stage: dict[str, int]
    bytes_by_stage: dict[str, int]
    """Of the artifacts, by stage, the largest first."""
    kept: dict[Reason, int]
    """Artifacts that stay, by why."""
    kept_reports: int
    unreadable: tuple[str, ...]
    """Some of what cannot be read, and therefore stays."""
    unreadable_count: int


class CleanUpPlan(Record):
    """What a clean-up would remove, and what stays."""

    made_at: AwareDatetime
    policy: RetentionPolicy
    artifacts: tuple[OldArtifact, ...]
    """In the order in which they go: none before those that were made of it."""
    reports: tuple[OldReport, ...]
    strays: tuple[Stray, ...]
    kept: tuple[KeptArtifact, ...]
    kept_reports: tuple[str, ...]
    """Folders below ``reports/``, the newest first."""
    unreadable: tuple[str, ...]
    """What cannot be read, and therefore stays, with why."""

    def figures(self) -> CleanUpFigures:
        """Return the plan in figures."""
        counts, sizes = Counter[str](), Counter[str]()
        for artifact in self.artifacts:
            counts[artifact.reference.stage] += 1
            sizes[artifact.reference.stage] += artifact.bytes
        others = sum(report.bytes for report in self.reports) + sum(stray.bytes for stray in self.strays)
        kept: Counter[Reason] = Counter(artifact.reason for artifact in self.kept)
        return CleanUpFigures(
            made_at=self.made_at,
            policy=self.policy,
            artifacts=len(self.artifacts),
            reports=len(self.reports),
            strays=len(self.strays),
            bytes=sizes.total() + others,
            artifacts_by_stage={stage: counts[stage] for stage, _ in sizes.most_common()},
            bytes_by_stage=dict(sizes.most_common()),
            kept=dict(kept),
            kept_reports=len(self.kept_reports),
            unreadable=self.unreadable[:SHOWN_UNREADABLE],
            unreadable_count=len(self.unreadable),
        )


SHOWN_UNREADABLE = 10


class Spared(Record):
    """Something that the plan named and that stayed all the same."""

    name: str
    why: str


class CleanUpResult(Record):
    """What a clean-up removed."""

    artifacts: tuple[ArtifactReference, ...]
    reports: tuple[str, ...]
    strays: tuple[str, ...]
    bytes: int
    spared: tuple[Spared, ...]
