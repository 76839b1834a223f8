"""Which intakes a run trains on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

from pipeline.collection.records import Intake
from pipeline.config import CollectionConfig
from pipeline.errors import EmptyWindowError


def choose_window(accepted: Sequence[Intake], config: CollectionConfig, *, demo: bool) -> tuple[Intake, ...]:
    """Return the intakes of the window, oldest first.

    Args:
        accepted: Every accepted intake, oldest first.
        config: Which of them; ``these`` is not for here, since it names no part of the collection.
        demo: Whether the run reads generated reviews: those and real ones are never trained on together.

    Raises:
        EmptyWindowError: None is left.
    """
    alike = [intake for intake in accepted if intake.demo == demo]
    known = [intake for intake in alike if config.as_of is None or intake.taken_at <= config.as_of]
    chosen = known
    if config.window == "last":
        chosen = known[-config.window_dumps :]
    elif config.window == "since" and config.window_since is not None:
        first = datetime.combine(config.window_since, time.min, UTC)
        chosen = [intake for intake in known if intake.taken_at >= first]
    if not chosen:
        until = "" if config.as_of is None else f" until {config.as_of:%Y-%m-%d %H:%M %Z}"
        raise EmptyWindowError(
            f"The collection holds {len(alike)} accepted dumps, {len(known)} of them{until or ' up to now'}, and the "
            f"window `{config.window}` holds none of those. Put a dump into the inbox, or choose another window."
        )
    return tuple(chosen)
