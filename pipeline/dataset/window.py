"""Which batches a run trains on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

from pipeline.config import DatasetConfig
from pipeline.dataset.records import DumpBatch
from pipeline.errors import EmptyWindowError


def choose_window(accepted: Sequence[DumpBatch], config: DatasetConfig, *, demo: bool) -> tuple[DumpBatch, ...]:
    """Return the batches of the window, oldest first.

    Args:
        accepted: Every accepted batch, oldest first.
        config: Which of them; ``these`` is not for here, since it names no part of the collection.
        demo: Whether the run reads generated reviews: those and real ones are never trained on together.

    Raises:
        EmptyWindowError: None is left.
    """
    alike = [batch for batch in accepted if batch.demo == demo]
    known = [batch for batch in alike if config.as_of is None or batch.received_at <= config.as_of]
    chosen = known
    if config.window == "last":
        chosen = known[-config.window_dumps :]
    elif config.window == "since" and config.window_since is not None:
        first = datetime.combine(config.window_since, time.min, UTC)
        chosen = [batch for batch in known if batch.received_at >= first]
    if not chosen:
        until = "" if config.as_of is None else f" until {config.as_of:%Y-%m-%d %H:%M %Z}"
        raise EmptyWindowError(
            f"The collection holds {len(alike)} accepted dumps, {len(known)} of them{until or ' up to now'}, and the "
            f"window `{config.window}` holds none of those. Put a dump into the inbox, or choose another window."
        )
    return tuple(chosen)
