"""The policy, the plan and the result of a clean-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from pipeline.errors import ConfigurationError, quoted
from pipeline.store import ArtifactReference, Manifest, Record

Reason = Literal["champion", "record", "report", "in_use", "unreadable"]
"""Why an artifact stays, or one that was made from it. The first reason that applies counts."""


class RetentionPolicy(Record):
    """How long to keep artifacts and reports that nothing references."""

    keep_reports: int = Field(
        20, title="Reports to keep", description="So many of the newest reports stay, whatever their age.", ge=1
    )
    keep_days: float = Field(
        30.0, title="Days to keep reports", description="Reports younger than this stay, however many there are.", ge=0
    )
    keep_changes: int = Field(
        10,
        title="Champions to keep",
        description="The models of so many latest champion changes stay, and the rollback target.",
        ge=1,
    )
    grace_hours: float = Field(
        48.0,
        title="Grace period (hours)",
        description="What was produced, reused or changed within this time stays, since a run may be using it.",
        ge=1,
    )

    @property
    def grace(self) -> timedelta:
        """Return the grace period."""
        return timedelta(hours=self.grace_hours)


PARAMETERS = ("keep_reports", "keep_days", "keep_changes")
"""What a user may choose. The grace period protects running runs, so it is fixed."""


def policy_from(values: Mapping[str, object]) -> RetentionPolicy:
    """Return the policy with the values of a form or command line, and defaults for the rest.

    Raises:
        ConfigurationError: A name is unknown or a value is invalid.
    """
    unknown = sorted(values.keys() - set(PARAMETERS))
    if unknown:
        raise ConfigurationError(f"A clean-up has no parameter {quoted(unknown[0])}; it has {', '.join(PARAMETERS)}.")
    try:
        return RetentionPolicy.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        raise ConfigurationError(f"{name} is {quoted(problem['input'])}: {problem['msg']}.") from None


class FoundArtifact(Record):
    """One artifact of the store."""

    reference: ArtifactReference
    last_used: AwareDatetime
    """When it was produced or last used. It is not removed if it was used since."""
    manifest: Manifest | None
    """``None`` if it is missing or cannot be read; only then is there a ``problem``."""
    keys: frozenset[str]
    """Those of its inputs."""
    problem: str | None = None
    bytes: int
    """Size of its files without the manifest."""


class FoundReport(Record):
    """One folder below ``reports/``."""

    folder: str
    """Name of the folder."""
    made_at: AwareDatetime | None
    """When it was published; ``None`` if its record cannot be read."""
    changed_at: AwareDatetime
    """Latest change of a file in it. It is not removed if it was changed since."""
    bytes: int
    digests: dict[str, str]
    """SHA-256 of its record and page by file name; the artifact with the same digests is the published one."""
    has_page: bool
    """Without a page, it is a leftover of a killed publication or clean-up."""
    keys: frozenset[str]
    """Keys of the artifacts that its record references."""
    problem: str | None
    """Why the record cannot be read."""


class Orphan(Record):
    """A leftover of a killed run: an unfinished folder, or a checkpoint that was not resumed."""

    place: str
    """Path below the root, e.g. ``in_progress/train-0123``."""
    remote: bool = False
    """Whether it is in the object store; otherwise it is in the local folder of the store."""
    bytes: int
    changed_at: AwareDatetime


class CleanUpFigures(Record):
    """Figures of a plan, small enough for XCom."""

    made_at: AwareDatetime
    policy: RetentionPolicy
    artifacts: int
    reports: int
    orphans: int
    bytes: int
    """Size of all of them."""
    artifacts_by_stage: dict[str, int]
    bytes_by_stage: dict[str, int]
    """Size of the artifacts by stage, the largest first."""
    kept: dict[Reason, int]
    """Number of artifacts that stay, by reason."""
    kept_reports: int
    unreadable: tuple[str, ...]
    """The first problems with records that cannot be read."""
    unreadable_count: int


class CleanUpPlan(Record):
    """What a clean-up would remove, and what stays."""

    made_at: AwareDatetime
    policy: RetentionPolicy
    artifacts: tuple[FoundArtifact, ...]
    """In the order of removal: every artifact comes before its inputs."""
    reports: tuple[FoundReport, ...]
    """Those that the policy does not keep, the oldest first."""
    orphans: tuple[Orphan, ...]
    kept: Mapping[ArtifactReference, Reason]
    kept_reports: tuple[str, ...]
    """Folders below ``reports/``, the newest first."""
    unreadable: tuple[str, ...]
    """Problems with records that cannot be read; these stay."""

    def figures(self) -> CleanUpFigures:
        """Return the figures of the plan."""
        counts, sizes = Counter[str](), Counter[str]()
        for artifact in self.artifacts:
            counts[artifact.reference.stage] += 1
            sizes[artifact.reference.stage] += artifact.bytes
        others = sum(report.bytes for report in self.reports) + sum(orphan.bytes for orphan in self.orphans)
        return CleanUpFigures(
            made_at=self.made_at,
            policy=self.policy,
            artifacts=len(self.artifacts),
            reports=len(self.reports),
            orphans=len(self.orphans),
            bytes=sizes.total() + others,
            artifacts_by_stage={stage: counts[stage] for stage, _ in sizes.most_common()},
            bytes_by_stage=dict(sizes.most_common()),
            kept=dict(Counter(self.kept.values())),
            kept_reports=len(self.kept_reports),
            unreadable=self.unreadable[:MAX_LISTED_UNREADABLE],
            unreadable_count=len(self.unreadable),
        )


MAX_LISTED_UNREADABLE = 10


class Skipped(Record):
    """A part of the plan that was not removed."""

    name: str
    reason: str


class CleanUpResult(Record):
    """What a clean-up removed."""

    artifacts: tuple[ArtifactReference, ...]
    reports: tuple[str, ...]
    orphans: tuple[str, ...]
    bytes: int
    skipped: tuple[Skipped, ...]
