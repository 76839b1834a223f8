"""Named errors whose message tells a user what was found, where, what was expected and what to do."""

from __future__ import annotations

from pathlib import PurePath

MESSAGE_LIMIT = 1200
"""Longest message in characters: some of it comes from files, and a log line must stay readable."""


def quoted(value: object, limit: int = 80) -> str:
    """Return an outside value as it may stand in a message: quoted, printable and of bounded length.

    Args:
        value: Anything that came from a file, a form or a URL.
        limit: Longest result in characters, quotes not counted.
    """
    text = str(value)
    cut = text
    if len(text) > limit:
        # Of a path the end tells most: the file's own name.
        cut = "…" + text[1 - limit :] if isinstance(value, PurePath) else text[: limit - 1] + "…"
    return "'" + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut) + "'"


class PipelineError(Exception):
    """Base of every error that a user can cause or mend; its text is meant for that user."""

    exit_status = 1

    def __init__(self, message: str) -> None:
        """Keep the message, cut to ``MESSAGE_LIMIT`` characters."""
        if len(message) > MESSAGE_LIMIT:
            message = message[: MESSAGE_LIMIT - 1] + "…"
        super().__init__(message)


class ConfigurationError(PipelineError):
    """A parameter is unknown, out of bounds or contradicts another one."""

    exit_status = 2


class StageOrderError(PipelineError):
    """A stage was asked for the artifact of a stage that has not run."""

    exit_status = 2


class SourceError(PipelineError):
    """A dump cannot be found, fetched, opened or read as reviews."""

    exit_status = 3


class SourceUnavailableError(SourceError):
    """A dump's server cannot be reached right now; the same request may succeed later, so tasks retry it."""


class ContractViolationError(PipelineError):
    """The data set breaks its contract: training on it would not be honest."""

    exit_status = 4


class DriftError(ContractViolationError):
    """The dump lies farther from what the champion was trained on than the limits allow."""


class NothingNewError(PipelineError):
    """No new dump, and the window was judged already: there is no reason to train. Not a failure."""

    exit_status = 0


class EmptyWindowError(PipelineError):
    """The window holds no dump: none was taken (yet, or until the day asked for)."""

    exit_status = 2


class DataLeakageError(PipelineError):
    """Rows of the test part are known from training although the strategy promises otherwise."""

    exit_status = 4


class TrainingError(PipelineError):
    """Training cannot start or cannot go on."""

    exit_status = 5


class DeviceError(TrainingError):
    """The device that was asked for is not there or does not work."""


class ArtifactError(PipelineError):
    """An artifact is missing, damaged or of another schema."""

    exit_status = 6
