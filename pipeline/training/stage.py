"""The stage ``train``: trains one variant on encoded reviews."""

from __future__ import annotations

import logging
import math
import time

from pydantic import BaseModel, ConfigDict, field_serializer

from pipeline.config import HardwareConfig, Precision, VariantConfig
from pipeline.encoding import VOCABULARY_FILE, EncodingSummary, Vocabulary, load_sequences, load_training_sequences
from pipeline.errors import ArtifactError
from pipeline.statistics import label_entropy
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.training.checkpoint import CHECKPOINT_FILE
from pipeline.training.device import DeviceKind, device_kind, gpu_count, preflight, strategy_for
from pipeline.training.linear_part import fit_blend, fit_linear_part
from pipeline.training.prediction import MODEL_FILE
from pipeline.training.records import TrainSummary
from pipeline.training.text_vectors import text_vectors
from pipeline.training.vectors import load_vectors, vectors_digest
from pipeline.training.word_pairs import fit_word_pairs

log = logging.getLogger(__name__)

STAGE = Stage("train", version=3)


class TrainParameters(BaseModel):
    """What the key of a trained model depends on, besides its inputs."""

    model_config = ConfigDict(frozen=True)

    variant: VariantConfig
    device: DeviceKind
    """A GPU adds in another order, so the weights differ."""
    vectors_sha256: str | None
    """Digest of the pre-trained vectors."""
    precision: Precision = "float32"
    jit_compile: bool = False
    gpus: int = 1
    """The number of GPUs changes the order of additions and the dropout."""

    @field_serializer("variant")
    def _without_name_and_path(self, variant: VariantConfig) -> dict[str, object]:
        return variant.model_dump(mode="json", exclude={"varied", "vectors"})


def train(
    encoded: ArtifactReference,
    vocabulary: ArtifactReference,
    variant: VariantConfig,
    hardware: HardwareConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Train one variant. An interrupted training resumes after its last finished epoch.

    Args:
        encoded: Artifact of ``encode``.
        vocabulary: Artifact of ``fit_vocabulary`` that it was encoded with.
        variant: The variant to train.
        hardware: Device and precision.
        store: Artifact store.

    Returns:
        The artifact with ``model.keras``, ``epochs.jsonl``, ``tensorboard/`` and a ``TrainSummary``.

    Raises:
        DeviceError: The requested device is missing.
        TrainingError: A split has reviews of one class only, or the loss is not finite.
        ConfigurationError: The pre-trained vectors are invalid.
    """
    parameters = _parameters(variant, hardware)
    return store.produce(
        STAGE,
        inputs={"encoded": encoded, "vocabulary": vocabulary},
        params=parameters,
        build=lambda work: _build(work, encoded, vocabulary, parameters, hardware=hardware, store=store),
    )


def find_trained(
    encoded: ArtifactReference,
    vocabulary: ArtifactReference,
    variant: VariantConfig,
    hardware: HardwareConfig,
    store: ArtifactStore,
) -> TrainSummary | None:
    """Return the summary of a variant that is already trained, or ``None``.

    Raises:
        DeviceError: The requested device is missing.
        ConfigurationError: The pre-trained vectors cannot be read.
    """
    inputs = {"encoded": encoded, "vocabulary": vocabulary}
    found = store.find(STAGE, inputs=inputs, params=_parameters(variant, hardware))
    return None if found is None else store.summary(found, TrainSummary)


def _parameters(variant: VariantConfig, hardware: HardwareConfig) -> TrainParameters:
    kind = device_kind(hardware)
    return TrainParameters(
        variant=variant,
        device=kind,
        vectors_sha256=None if variant.vectors is None else vectors_digest(variant.vectors),
        precision=hardware.precision,
        jit_compile=hardware.jit_compile,
        gpus=gpu_count(hardware, kind),
    )


def _build(
    work: Workspace,
    encoded: ArtifactReference,
    vocabulary: ArtifactReference,
    parameters: TrainParameters,
    *,
    hardware: HardwareConfig,
    store: ArtifactStore,
) -> Outcome:
    started = time.perf_counter()
    device = preflight(hardware)
    # These modules import Keras, which must not happen before the device is configured.
    from pipeline.training.model import build_model, combine
    from pipeline.training.prediction import Predictor
    from pipeline.training.trainer import fit

    variant = parameters.variant
    sizes = store.summary(encoded, EncodingSummary)
    words = Vocabulary.load(store.folder(vocabulary) / VOCABULARY_FILE)
    if words.size != sizes.vocabulary_size:
        raise ArtifactError(
            f"{encoded} was encoded with {sizes.vocabulary_size} word ids, but {vocabulary} has {words.size}. Encode "
            "with this vocabulary again."
        )
    training, validation = load_training_sequences(store, encoded), load_sequences(store, encoded, "validation")
    vectors = None
    if variant.vectors is not None:
        vectors = load_vectors(
            variant.vectors,
            words.words,
            first_id=words.first_word_id,
            embedding_dim=variant.embedding_dim,
            seed=variant.seed,
        )
    elif variant.initial_vectors == "text":
        vectors = text_vectors(
            training,
            vocabulary_size=words.size,
            first_word_id=words.first_word_id,
            embedding_dim=variant.embedding_dim,
            seed=variant.seed,
        )
    pairs = None
    if variant.word_pairs:
        pairs = fit_word_pairs(training, words.size, words.first_word_id, variant.word_pairs)
    with strategy_for(parameters.gpus).scope():
        model = build_model(
            variant,
            words.size,
            vectors,
            pairs,
            max_length=sizes.max_length,
            precision=parameters.precision,
            cudnn=not parameters.jit_compile,
        )
    weights = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    log.info(
        "%s: %d weights, %d training texts and %d validation rows, batches of %d, on %s",
        variant.name,
        weights,
        len(training),
        len(validation),
        variant.batch_size,
        device.name,
    )
    work.restore_checkpoint(CHECKPOINT_FILE)
    result = fit(
        model,
        variant,
        training,
        validation,
        max_length=sizes.max_length,
        device=parameters.device,
        checkpoint_dir=work.checkpoint_dir,
        on_checkpoint=lambda: work.save_checkpoint(CHECKPOINT_FILE),
        artifact=work.folder,
        precision=parameters.precision,
        jit_compile=parameters.jit_compile,
    )
    network, linear_part = result.network, None
    if variant.linear_part:
        linear = fit_linear_part(training, words.size, pairs)
        blend, linear_part = fit_blend(
            validation.label, Predictor(network)(validation), linear.log_odds(validation, pairs)
        )
        network = combine(network, linear, blend)
    network.save(work.folder / MODEL_FILE)
    summary = TrainSummary(
        variant=variant,
        weights=weights,
        epochs=result.epochs,
        best_epoch=result.best_epoch,
        restored_epoch=result.restored_epoch,
        stopped_early=result.stopped_early,
        resumed_from_epoch=result.resumed_from_epoch,
        device=device,
        seconds=round(time.perf_counter() - started, 3),
        label_entropy=label_entropy(training.label),
        linear_part=linear_part,
    )
    log.info(
        "%s: finished with the weights of epoch %d of %d (validation loss %.4f, AUC %.4f)%s",
        variant.name,
        result.restored_epoch,
        len(result.epochs),
        result.epochs[result.restored_epoch - 1].validation_loss,
        result.epochs[result.restored_epoch - 1].validation_auc,
        ", stopped early" if result.stopped_early else "",
    )
    return Outcome(summary)
