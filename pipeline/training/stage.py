"""The stage ``train``: one variant, from encoded reviews to a saved network."""

from __future__ import annotations

import logging
import time

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, field_serializer, model_serializer

from pipeline.config import HardwareConfig, Precision, VariantConfig
from pipeline.encoding import VOCABULARY_FILE, EncodingSummary, Vocabulary, load_sequences
from pipeline.errors import ArtifactError
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.training.checkpoint import CHECKPOINT_FILE
from pipeline.training.device import DeviceKind, device_kind, gpu_count, preflight
from pipeline.training.metrics import label_entropy
from pipeline.training.prediction import MODEL_FILE
from pipeline.training.records import TrainSummary
from pipeline.training.vectors import load_vectors, vectors_digest

log = logging.getLogger(__name__)

STAGE = Stage("train", version=1)


class TrainParameters(BaseModel):
    """What a trained model's key is made of, beside its inputs."""

    model_config = ConfigDict(frozen=True)

    variant: VariantConfig
    """Its name, which depends on what else is swept, and the path of its vectors are no part of the key."""
    device: DeviceKind
    """Kind of device; sums are added in another order on a GPU, so its weights differ."""
    vectors_sha256: str | None
    """Contents of the pre-trained vectors, wherever the file lies."""
    precision: Precision = "float32"
    jit_compile: bool = False
    gpus: int = 1
    """How many share the training: sums are added in another order, dropout falls otherwise."""

    @field_serializer("variant")
    def _what_matters(self, variant: VariantConfig) -> dict[str, object]:
        return variant.model_dump(mode="json", exclude={"varied", "vectors"})

    @model_serializer(mode="wrap")
    def _late_ones_where_they_differ(self, written: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out the parameters that came later where they say what was always so: old models keep their keys."""
        values: dict[str, object] = written(self)
        for name in ("precision", "jit_compile", "gpus"):
            if values[name] == type(self).model_fields[name].default:
                del values[name]
        return values


def train(
    encoded: ArtifactReference,
    vocabulary: ArtifactReference,
    variant: VariantConfig,
    hardware: HardwareConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Fit one variant. A training that was killed goes on after its last finished epoch.

    Args:
        encoded: Artifact of ``encode``.
        vocabulary: Artifact of ``fit_vocabulary`` that it was made with.
        variant: What to train.
        hardware: Where to train.
        store: Where the artifacts lie.

    Returns:
        The artifact with ``model.keras``, ``epochs.jsonl``, ``tensorboard/`` and a ``TrainSummary``.

    Raises:
        DeviceError: There is no device as asked for.
        TrainingError: The data cannot be trained on, or the loss diverged.
        ConfigurationError: The pre-trained vectors do not fit.
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
    """Return what is known of a variant that ``train`` would not have to fit again, or ``None``.

    Raises:
        DeviceError: There is no device as asked for.
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
    # Both import Keras, which must not happen before the device is settled.
    from pipeline.training.model import build_model
    from pipeline.training.replicas import strategy_for
    from pipeline.training.trainer import fit

    variant = parameters.variant
    sizes = store.summary(encoded, EncodingSummary)
    words = Vocabulary.load(store.folder(vocabulary) / VOCABULARY_FILE)
    if words.size != sizes.vocabulary_size:
        raise ArtifactError(
            f"{encoded} was encoded with {sizes.vocabulary_size} word ids, but {vocabulary} has {words.size}. Encode "
            "again with this vocabulary."
        )
    vectors = None
    if variant.vectors is not None:
        vectors = load_vectors(
            variant.vectors,
            words.words,
            first_id=words.first_word_id,
            embedding_dim=variant.embedding_dim,
            seed=variant.seed,
        )
    training, validation = (load_sequences(store, encoded, part) for part in ("train", "validation"))
    with strategy_for(parameters.gpus).scope():
        model = build_model(
            variant,
            words.size,
            vectors,
            max_length=sizes.max_length,
            precision=parameters.precision,
            cudnn=not parameters.jit_compile,
        )
    log.info(
        "%s: %d weights, %d training and %d validation rows, batches of %d, on %s",
        variant.name,
        model.count_params(),
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
        durable=work.checkpoint_dir,
        checkpointed=lambda: work.save_checkpoint(CHECKPOINT_FILE),
        artifact=work.folder,
        precision=parameters.precision,
        jit_compile=parameters.jit_compile,
    )
    result.network.save(work.folder / MODEL_FILE)
    summary = TrainSummary(
        variant=variant,
        weights=model.count_params(),
        epochs=result.epochs,
        best_epoch=result.best_epoch,
        restored_epoch=result.restored_epoch,
        stopped_early=result.stopped_early,
        resumed_from_epoch=result.resumed_from_epoch,
        device=device,
        seconds=round(time.perf_counter() - started, 3),
        label_entropy=label_entropy(training.label),
    )
    log.info(
        "%s: ends with the weights of epoch %d of %d (validation loss %.4f, AUC %.4f)%s",
        variant.name,
        result.restored_epoch,
        len(result.epochs),
        result.epochs[result.restored_epoch - 1].validation_loss,
        result.epochs[result.restored_epoch - 1].validation_auc,
        ", stopped early" if result.stopped_early else "",
    )
    return Outcome(summary)
