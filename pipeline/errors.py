"""Errors whose message tells the user what was found, where, what was expected and what to do."""

from __future__ import annotations

from pathlib import PurePath

MESSAGE_LIMIT = 1200
"""Longest message in characters: parts of it come from files, and a log line must stay readable."""


def shortened(text: str, limit: int) -> str:
    """Return a text of at most ``limit`` characters; an ellipsis shows where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quoted(value: object, limit: int = 80) -> str:
    """Return an outside value for a message: quoted, printable and of bounded length.

    Args:
        value: Anything that came from a file, a form or a URL.
        limit: Longest result in characters, without the quotes.
    """
    text = str(value)
    # The end of a path is the name of the file.
    at_front = isinstance(value, PurePath) and len(text) > limit
    cut = "…" + text[1 - limit :] if at_front else shortened(text, limit)
    return "'" + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut) + "'"


class PipelineError(Exception):
    """Base of every error that a user can cause or fix; the message is for that user."""

    exit_status = 1

    def __init__(self, message: str) -> None:
        """Keep the message, cut to ``MESSAGE_LIMIT`` characters."""
        super().__init__(shortened(message, MESSAGE_LIMIT))


class ConfigurationError(PipelineError):
    """A parameter is unknown, out of bounds or contradicts another one."""

    exit_status = 2


class StageOrderError(PipelineError):
    """A stage was asked for the artifact of a stage that has not run."""

    exit_status = 2


class SourceError(PipelineError):
    """A dump cannot be found, fetched, opened or read."""

    exit_status = 3


class SourceUnavailableError(SourceError):
    """The server of a dump cannot be reached; tasks retry it, since it may work later."""


class CleaningError(PipelineError):
    """Reviews cannot be cleaned."""


class ContractViolationError(PipelineError):
    """The data violate the data contract, so they must not be used for training."""

    exit_status = 4


class DriftError(ContractViolationError):
    """The dump differs more from the training data of the champion than the limits allow."""


class NothingNewError(PipelineError):
    """There is no new dump, and the training window was already used; this is not a failure."""

    exit_status = 0


class EmptyWindowError(PipelineError):
    """The training window contains no dump, at all or until the requested date."""

    exit_status = 2


class DataLeakageError(PipelineError):
    """Test rows also occur in the training split, although the split strategy guarantees otherwise."""

    exit_status = 4


class TrainingError(PipelineError):
    """Training cannot start or continue."""

    exit_status = 5


class DeviceError(TrainingError):
    """The requested device is missing or does not work."""


class ArtifactError(PipelineError):
    """An artifact is missing, damaged or has another schema."""

    exit_status = 6
