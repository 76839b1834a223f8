"""The steps that need more of a run than artifacts and one section of its configuration.

:mod:`pipeline.stages` names them in its table. Each takes the run, its state so far and, for a step of a variant,
the variant's state. Heavy libraries are imported where they are used: a DAG file imports this module.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.config import RunConfig, VariantConfig
from pipeline.errors import ArtifactError
from pipeline.run_state import RunState, VariantState
from pipeline.store import ArtifactReference, ArtifactStore

if TYPE_CHECKING:
    from pipeline.behavioral_tests import TextScorer
    from pipeline.profiling import ProfiledDump
    from pipeline.promotion import AcceptanceResult
    from pipeline.promotion.champions import ChampionChange, ChampionModel
    from pipeline.training.records import DeviceRecord

log = logging.getLogger(__name__)


def new_run_name() -> str:
    """Return a name for a run that is started from a shell: the time of its start, in UTC."""
    return f"shell__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}"


@dataclass(frozen=True)
class Run:
    """One run of the workflow.

    Attributes:
        config: All of its parameters.
        store: Where its artifacts are.
        name: Its name; the batch of dumps that it claims is recorded under it.
    """

    config: RunConfig
    store: ArtifactStore
    name: str = field(default_factory=new_run_name)

    def variant(self, name: str) -> VariantConfig:
        """Return the configuration of a variant."""
        return next(variant for variant in self.config.variants if variant.name == name)

    def is_demo(self, state: RunState) -> bool:
        """Return whether the run reads the generated demo dump."""
        from pipeline.sources import FetchSummary

        return self.store.summary(state["fetch"], FetchSummary).demo

    def previous_champion(self) -> ChampionChange | None:
        """Return the champion that this run found: a promotion by this run does not count."""
        from pipeline.promotion.champions import champion_changes

        changes = champion_changes(self.store)
        return next((change for change in changes if change.run_name != self.name), None)

    def acceptance(self, state: RunState) -> AcceptanceResult:
        """Return the result of the acceptance check."""
        from pipeline.promotion import AcceptanceResult

        return self.store.summary(state["check_acceptance"], AcceptanceResult)

    def challenger(self, state: RunState) -> ChampionModel:
        """Return this run's best model as a candidate for production."""
        from pipeline.promotion.champions import ChampionModel

        acceptance = self.acceptance(state)
        best = next(variant for variant in state.variants if variant.name == acceptance.best_model)
        return ChampionModel(
            name=best.name,
            title=acceptance.best_title,
            run_name=self.name,
            demo=acceptance.demo,
            exported=best["export"],
            evaluated=best["evaluate"],
            behavioral_tests=best["run_behavioral_tests"],
            cleaned=state["build_dataset"],
            parts=state["split"],
            fetched=state["fetch"],
            validated_raw=state["validate_raw"],
        )


def fetch(run: Run, state: RunState) -> ArtifactReference:  # noqa: ARG001 - the first step: there is no state yet
    """Fetch the raw files; see :func:`pipeline.dataset.claim_batch`.

    Raises:
        NothingNewError: There is no new dump and no other reason to train.
        ConfigurationError: A dump or the embeddings' file is outside the deployment's allowed roots.
    """
    from pipeline.dataset import claim_batch
    from pipeline.sources.allowed_roots import require_allowed_vectors

    require_allowed_vectors(run.config.training.vectors)
    return claim_batch(run.config, run.store, run.name).fetched


def clean(run: Run, state: RunState) -> ArtifactReference:
    """Clean the validated reviews."""
    return _clean(run, state["validate_raw"])


def _clean(run: Run, validated: ArtifactReference) -> ArtifactReference:
    from pipeline.cleaning import clean as clean_reviews

    return clean_reviews(validated, run.config.text, run.store, processes=run.config.hardware.num_workers)


def profile(run: Run, state: RunState) -> ArtifactReference:
    """Describe the clean reviews, and compare them with the champion's training data or with the previous dump."""
    from pipeline.profiling import ProfiledDump, previous_dump
    from pipeline.profiling import profile as profile_dump

    dump = ProfiledDump(fetched=state["fetch"], validated_raw=state["validate_raw"], cleaned=state["clean"])
    return profile_dump(dump, _champions_reviews(run, state) or previous_dump(run.store, state["fetch"]), run.store)


def enforce_drift_limits(run: Run, state: RunState) -> None:
    """Stop the run if its dumps drifted too far from the champion's training data.

    Raises:
        DriftError: With the figures, the limits and the next step.
    """
    from pipeline.dataset import enforce_drift_limits as enforce

    if _champions_reviews(run, state) is not None:
        enforce(state["profile"], run.config.drift, run.store)


def _champions_reviews(run: Run, state: RunState) -> ProfiledDump | None:
    """Return the reviews that the champion was trained on; ``None`` for a run that adds nothing to the dataset."""
    from pipeline.profiling import ProfiledDump

    champion = run.previous_champion() if run.config.collects else None
    if champion is None or champion.model.demo != run.is_demo(state):
        return None
    model = champion.model
    return ProfiledDump(fetched=model.fetched, validated_raw=model.validated_raw, cleaned=model.cleaned)


def build_dataset(run: Run, state: RunState) -> ArtifactReference:
    """Register the run's batch as accepted and merge the reviews of the training window."""
    from pipeline.dataset import (
        DatasetPart,
        accepted_batches,
        batch_of,
        choose_window,
        find_claim,
        ingested_rows,
        merge,
        record_batch,
    )

    config, store, cleaned = run.config, run.store, state["clean"]
    claim = find_claim(store, run.name) if config.collects else None
    if claim is None:
        return cleaned
    if claim.new:
        rows = store.manifest(cleaned).rows
        kept = None if rows is None else rows.kept
        record_batch(store, batch_of(claim, store, validated_raw=state["validate_raw"], rows=kept))
    if config.dataset.window == "these" and config.dataset.as_of is None:
        return cleaned
    # Not what was received after this run: a run that is cleared trains on the same window again.
    known = [batch for batch in accepted_batches(store) if batch.received_at <= claim.received_at]
    window = choose_window(known, config.dataset, demo=run.is_demo(state))
    if [batch.fetched for batch in window] == [state["fetch"]]:
        return cleaned
    parts = []
    for batch in window:
        if batch.validated_raw is None:
            raise ArtifactError(f"The accepted batch {batch.key} has no validated rows; restore the store's registry.")
        rows_before = ingested_rows(batch.validated_raw, store)
        parts.append(DatasetPart(batch=batch, cleaned=_clean(run, batch.validated_raw), ingested_rows=rows_before))
    return merge(parts, store, deduplicate=config.text.deduplicate)


def check_leakage(run: Run, state: RunState) -> ArtifactReference:
    """Count what the test split shares with the other two; a vocabulary of all rows is leakage by configuration."""
    from pipeline.splitting import check_leakage as check

    by_configuration = run.config.vocabulary.fit_on == "all"
    return check(state["build_dataset"], state["split"], by_configuration, run.config.split, run.store)


def preflight(run: Run, state: RunState) -> DeviceRecord:
    """Name the device that training will use and run one LSTM step on it, unless every variant is trained already."""
    from pipeline.training import find_trained
    from pipeline.training import preflight as check_device

    hardware, encoded, vocabulary = run.config.hardware, state["encode"], state["fit_vocabulary"]
    trained = [find_trained(encoded, vocabulary, variant, hardware, run.store) for variant in run.config.variants]
    if all(trained) and trained[0] is not None:
        log.info("Every variant is trained already; the device is not checked.")
        return trained[0].device
    return check_device(hardware)


def train(run: Run, state: RunState, variant: VariantState) -> ArtifactReference:
    """Train one variant; an interrupted training resumes after its last epoch."""
    from pipeline.training import train as train_variant

    config = run.variant(variant.name)
    return train_variant(state["encode"], state["fit_vocabulary"], config, run.config.hardware, run.store)


def predict(run: Run, state: RunState, variant: VariantState) -> ArtifactReference:
    """Predict the validation and test splits with one trained variant."""
    from pipeline.scoring import predict as predict_splits

    _limit_device(run)
    return predict_splits(variant["train"], state["encode"], run.store)


def evaluate(run: Run, state: RunState, variant: VariantState) -> ArtifactReference:
    """Evaluate one variant on the test split."""
    from pipeline.evaluation import evaluate as evaluate_predictions

    return evaluate_predictions(
        variant["predict"],
        state["build_dataset"],
        state["fit_vocabulary"],
        config=run.config.evaluation,
        store=run.store,
        variant=run.variant(variant.name),
    )


def export(run: Run, state: RunState, variant: VariantState) -> ArtifactReference:
    """Export one evaluated variant as a model from raw text to probability."""
    from pipeline.evaluation import EvaluationSummary
    from pipeline.scoring import export as export_model

    _limit_device(run)
    return export_model(
        variant["train"],
        state["fit_vocabulary"],
        state["build_dataset"],
        state["encode"],
        variant["predict"],
        text=run.config.text,
        encoding=run.config.encoding,
        answers=run.config.export,
        threshold=run.store.summary(variant["evaluate"], EvaluationSummary).threshold,
        title=run.variant(variant.name).title,
        store=run.store,
    )


def run_behavioral_tests(run: Run, state: RunState, variant: VariantState) -> ArtifactReference:
    """Run the behavioral tests on one exported variant and explain its worst errors."""
    from pipeline.behavioral_tests import run_behavioral_tests as run_tests

    _limit_device(run)

    def load() -> TextScorer:
        from pipeline.scoring import load_scorer

        return load_scorer(str(variant["export"]), run.store)

    return run_tests(
        variant["export"],
        variant["evaluate"],
        state["build_dataset"],
        load,
        run.store,
        model=variant.name,
        include_summary=run.config.text.include_summary,
    )


def compare(run: Run, state: RunState) -> ArtifactReference:
    """Compare the variants with each other and with the baselines, on the same rows."""
    from pipeline.evaluation import compare as compare_models

    return compare_models(
        {variant.name: variant["predict"] for variant in state.variants},
        {variant.name: variant["evaluate"] for variant in state.variants},
        state["baselines"],
        cleaned=state["build_dataset"],
        config=run.config.evaluation,
        store=run.store,
    )


def check_acceptance(run: Run, state: RunState) -> ArtifactReference:
    """Check the best variant against the acceptance rules."""
    from pipeline.promotion import check_acceptance as check

    return check(
        {variant.name: variant["evaluate"] for variant in state.variants},
        state["baselines"],
        state["check_leakage"],
        state["compare"],
        run.store,
        demo=run.is_demo(state),
        margin=run.config.promotion.baseline_margin,
    )


def compare_to_champion(run: Run, state: RunState) -> ArtifactReference | None:
    """Evaluate the best variant and the champion on the same reviews; ``None`` without a champion to compare with."""
    from pipeline.promotion import compare_to_champion as compare_models
    from pipeline.scoring import load_scorer

    champion, challenger = run.previous_champion(), run.challenger(state)
    if champion is None or champion.model.demo != challenger.demo or champion.model.exported == challenger.exported:
        return None
    _limit_device(run)
    return compare_models(
        challenger,
        champion.model,
        run.config.evaluation,
        run.store,
        lambda exported: load_scorer(str(run.store.folder(exported)), run.store),
    )


def gate(run: Run, state: RunState) -> ArtifactReference:
    """Decide whether the best variant replaces the champion, and record the training window as evaluated."""
    from pipeline.dataset import read_window, record_evaluated
    from pipeline.promotion import gate as decide

    decided = decide(
        run.challenger(state),
        run.previous_champion(),
        state["check_acceptance"],
        state.get("compare_to_champion"),
        config=run.config.promotion,
        store=run.store,
    )
    if run.config.collects:
        window = read_window(state["build_dataset"], run.store).dumps if state.is_merged else ()
        record_evaluated(run.store, [dump.fetched for dump in window] or [state["fetch"]], run.name)
    return decided


def _limit_device(run: Run) -> None:
    """Hide the GPUs from TensorFlow where the run is to use the CPU."""
    from pipeline.training import hide_gpus_unless_wanted

    hide_gpus_unless_wanted(run.config.hardware)
