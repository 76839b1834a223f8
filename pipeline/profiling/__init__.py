"""The profile of a dump, and its drift since the previous dump (docs/explanation/drift.md)."""

from pipeline.profiling.previous import previous_dump
from pipeline.profiling.records import ProfiledDump
from pipeline.profiling.stage import profile

__all__ = ["ProfiledDump", "previous_dump", "profile"]
