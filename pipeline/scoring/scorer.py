"""An exported model at work: review texts in, probabilities out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from pipeline.cleaning.rules import joined
from pipeline.config import HardwareConfig
from pipeline.errors import ArtifactError, PipelineError, quoted
from pipeline.scoring.records import CARD_FILE, MODEL_FILE, SAVED_MODEL_FOLDER, ModelCard
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.training.device import TOWERS, available_cores, device_kind, use_device

log = logging.getLogger(__name__)

LONGEST_TEXT = 100_000
"""Characters of one review that are read: a model reads its ``max_length`` words, and a text of many megabytes
would only fill the memory of a whole batch."""

BATCH_ROWS = 1024
LATEST = "latest"
CHAMPION = "champion"
SHORTEST_KEY = 6
SHOWN_EXPORTS = 5


@dataclass(frozen=True)
class Scorer:
    """An exported model, loaded.

    Attributes:
        card: What the model is: its variant, threshold, normalization.
    """

    card: ModelCard
    _score: Callable[[list[bytes]], np.ndarray] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Load an export's ``model.keras``, in Keras's safe mode, and its ``model.json``.

        Raises:
            ArtifactError: The folder is not an export, or a file of it is damaged.
        """
        card = read_card(folder)
        return cls(card=card, _score=_scoring_function(folder / MODEL_FILE))

    @property
    def threshold(self) -> float:
        """Probability from which a review counts as positive."""
        return self.card.threshold

    def probabilities(self, texts: Sequence[str], summaries: Sequence[str] | None = None) -> np.ndarray:
        """Return the probability that each review is positive, float32 ``[len(texts)]``, in the order given.

        Args:
            texts: Raw reviews, HTML and all. Of a text over ``LONGEST_TEXT`` characters the end that the model
                reads is kept, with a warning.
            summaries: The reviews' summaries, for models trained with them; others leave them unread.

        Raises:
            PipelineError: ``texts`` is not a list of strings, or the two differ in length.
        """
        reviews = [bounded(text, self.card.keep) for text in joined_reviews(self.card, texts, summaries)]
        # Rows of like length stand together, so that short reviews are not computed to the length of long ones.
        order = sorted(range(len(reviews)), key=lambda index: len(reviews[index]))
        probabilities = np.empty(len(reviews), dtype=np.float32)

        def fill(start: int) -> None:
            batch = order[start : start + BATCH_ROWS]
            # Half a surrogate pair has no UTF-8; the model reads its bytes as unknown signs, which no rule touches.
            encoded = [reviews[index].encode("utf-8", "surrogatepass") for index in batch]
            probabilities[batch] = self._score(encoded)

        # TensorFlow lets go of Python's lock while it computes; each operation has but one thread on two cores.
        with ThreadPoolExecutor(min(TOWERS, available_cores())) as pool:
            for _ in pool.map(fill, range(0, len(order), BATCH_ROWS)):
                pass
        return probabilities


def joined_reviews(card: ModelCard, texts: Sequence[str], summaries: Sequence[str] | None) -> list[str]:
    """Return each review as the model reads it: its summary before its text, where the model was trained so.

    Raises:
        PipelineError: ``texts`` is not a list of strings, or the two differ in length.
    """
    if isinstance(texts, str | bytes) or not all(isinstance(text, str) for text in texts):
        raise PipelineError(
            "The reviews to score must be a list of strings; a single review goes in as [review]. "
            f"Given: {quoted(type(texts).__name__)}."
        )
    if summaries is None:
        return list(texts)
    if isinstance(summaries, str | bytes) or not all(isinstance(summary, str) for summary in summaries):
        raise PipelineError("The summaries must be a list of strings, one a review (an empty one where none is).")
    if len(summaries) != len(texts):
        raise PipelineError(f"There are {len(texts)} reviews but {len(summaries)} summaries; give one each.")
    if not card.include_summary:
        log.warning("%s was trained without summaries; they are not read.", card.variant)
        return list(texts)
    return [joined(summary, text) for summary, text in zip(summaries, texts, strict=True)]


def bounded(text: str, keep: Literal["last", "first"]) -> str:
    """Return a text of at most ``LONGEST_TEXT`` characters: of a longer one the end that is read, with a warning."""
    if len(text) <= LONGEST_TEXT:
        return text
    log.warning("A review has %d characters; its %s %d are read.", len(text), keep, LONGEST_TEXT)
    return text[-LONGEST_TEXT:] if keep == "last" else text[:LONGEST_TEXT]


def load_scorer(path: str, store: ArtifactStore | None = None) -> Scorer:
    """Load an exported model by whatever name it is known.

    Args:
        path: A folder of an export, or a file or folder in it (``model.keras``, ``saved_model``); or, with a store,
            ``export/KEY``, the KEY alone (its first six characters suffice), ``latest``, the newest export, or
            ``champion``, the model in service.
        store: Where exports are looked for.

    Raises:
        ArtifactError: There is no such export; the message names some that there are.
        NoChampionError: The champion was asked for and there is none.
    """
    here = Path(path).expanduser()
    if here.name in {MODEL_FILE, SAVED_MODEL_FOLDER} and here.exists():
        return Scorer.load(here.parent)
    if here.is_dir():
        return Scorer.load(here)
    if here.is_file():
        raise ArtifactError(
            f"{quoted(path)} is a file, but no {MODEL_FILE} of an export. A trained model that reads word ids cannot "
            "score texts; point to an export, which `python -m pipeline export` makes."
        )
    if store is None:
        raise ArtifactError(f"There is no export at {quoted(path)}. Give the folder that holds {MODEL_FILE}.")
    return Scorer.load(store.folder(find_export(path, store)))


def find_export(name: str, store: ArtifactStore) -> ArtifactReference:
    """Return the export that a name stands for.

    Args:
        name: ``champion``, ``latest``, ``export/KEY`` or the KEY alone (its first six characters suffice).
        store: Where exports are looked for.

    Raises:
        ArtifactError: There is no such export; the message names some that there are.
        NoChampionError: The champion was asked for and there is none.
    """
    if name == CHAMPION:
        return _champion(store)
    folder = store.root / "artifacts" / "export"
    keys = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    exports = [reference for reference in map(_reference, keys) if reference is not None and store.has(reference)]
    if not exports:
        raise ArtifactError(
            f"{quoted(name)} is no folder, and the store {quoted(store.url)} holds no exported model. "
            "Run `python -m pipeline run` first, or name another store with --store."
        )
    if name == LATEST:
        return max(exports, key=lambda reference: (store.manifest(reference).started_at, reference.key))
    prefix = name.removeprefix("export/")
    matching = [reference for reference in exports if reference.key.startswith(prefix)]
    if len(prefix) >= SHORTEST_KEY and len(matching) == 1:
        return matching[0]
    known = ", ".join(str(reference) for reference in exports[:SHOWN_EXPORTS])
    problem = "fits several exports" if len(prefix) >= SHORTEST_KEY and matching else "is no folder and no export's key"
    raise ArtifactError(
        f"{quoted(name)} {problem}. The store {quoted(store.url)} holds {len(exports)}: {known}"
        f"{', …' if len(exports) > SHOWN_EXPORTS else ''}. Name one of them, `{LATEST}` or `{CHAMPION}`."
    )


def _champion(store: ArtifactStore) -> ArtifactReference:
    from pipeline.promotion.champions import NoChampionError, champion

    change = champion(store)
    if change is None:
        raise NoChampionError(
            f"The store {quoted(store.url)} has no champion yet. Train one (`python -m pipeline run`), or name an "
            f"export, e.g. `{LATEST}`."
        )
    if not store.has(change.model.exported):
        raise ArtifactError(
            f"The champion, {quoted(change.model.title)} of run {quoted(change.model.run_name)}, is "
            f"{change.model.exported}, which the store {quoted(store.url)} does not hold. Restore it from a backup, or "
            "roll back to the champion before."
        )
    return change.model.exported


def _reference(key: str) -> ArtifactReference | None:
    try:
        return ArtifactReference(stage="export", key=key)
    except ValidationError:
        return None


def read_card(folder: Path) -> ModelCard:
    """Return what an export says of its model (``model.json``).

    Raises:
        ArtifactError: The folder is not an export, or that file is damaged.
    """
    if not folder.is_dir():
        raise ArtifactError(f"There is no folder {quoted(folder)}; an export is a folder with {MODEL_FILE}.")
    missing = [name for name in (CARD_FILE, MODEL_FILE) if not (folder / name).is_file()]
    if missing:
        raise ArtifactError(
            f"{quoted(folder)} is not an exported model: {' and '.join(missing)} missing. Point to the folder of an "
            "export, e.g. <store>/artifacts/export/<key>."
        )
    try:
        return ModelCard.model_validate_json((folder / CARD_FILE).read_bytes())
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, item["loc"])) or "the file" for item in error.errors()})[:5])
        raise ArtifactError(
            f"{CARD_FILE} in {quoted(folder)} is damaged or of another version of this project ({quoted(fields)} does "
            "not fit). Export the model again."
        ) from error


def _scoring_function(file: Path) -> Callable[[list[bytes]], np.ndarray]:
    """Load the model and trace it once, for any number of rows: eager recurrent layers take a Python step a word."""
    use_device(device_kind(HardwareConfig()))
    import tensorflow as tf

    from pipeline.scoring.model import load_exported

    model = load_exported(file)
    signature = [tf.TensorSpec([None], tf.string)]
    traced = tf.function(lambda reviews: model(reviews, training=False), input_signature=signature)

    def score(reviews: list[bytes]) -> np.ndarray:
        return np.asarray(traced(tf.constant(reviews, tf.string)))

    return score
