"""The collection: which dumps were taken, which of them a run trains on, and their reviews laid together."""

from pipeline.collection.drift import require_no_drift
from pipeline.collection.intake import intake_of, take
from pipeline.collection.merging import Portion, ingested_rows, merge, read_window
from pipeline.collection.records import Intake, TakenFile, Taking, Window, WindowDump
from pipeline.collection.register import (
    accepted_intakes,
    intakes,
    known_digests,
    record_intake,
    record_judged,
    taking,
    was_judged,
)
from pipeline.collection.window import choose_window

__all__ = [
    "Intake",
    "Portion",
    "TakenFile",
    "Taking",
    "Window",
    "WindowDump",
    "accepted_intakes",
    "choose_window",
    "ingested_rows",
    "intake_of",
    "intakes",
    "known_digests",
    "merge",
    "read_window",
    "record_intake",
    "record_judged",
    "require_no_drift",
    "take",
    "taking",
    "was_judged",
]
