"""The stages in their order: what the DAG's tasks and the command line both call.

Each method of :class:`Workflow` is one step; it takes references, returns a reference and finds its part of
the configuration by itself. Heavy libraries load inside the steps that need them, so importing this module
is cheap.
"""

from __future__ import annotations

import getpass
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from pipeline.config import RunConfig, VariantConfig
from pipeline.errors import ArtifactError, ContractViolationError, DataLeakageError, PipelineError
from pipeline.references import DataReferences, ModelReferences, RunReferences, VariantReferences
from pipeline.settings import load_settings
from pipeline.store import ArtifactReference, ArtifactStore, Record

if TYPE_CHECKING:
    from pipeline.behavioral_tests import TextScorer
    from pipeline.profiling import ProfiledDump
    from pipeline.promotion import AcceptanceResult, GateDecision
    from pipeline.promotion.champions import ChampionChange, ChampionModel
    from pipeline.tracking import MirroredChampion, TrackedRun
    from pipeline.training.records import DeviceRecord

log = logging.getLogger(__name__)

NOBODY = "somebody without a name"


def default_store() -> ArtifactStore:
    """Return the store named by ``REVIEW_SENTIMENT_STORE``, or the folder ``.store`` where the process runs."""
    return ArtifactStore(load_settings().store)


class RunResult(Record):
    """What a run ends with."""

    run_name: str
    report: str
    """Path or URL of the report."""
    refusal: str | None
    """Why the run stopped before training, if it did."""


Step = Callable[[DataReferences], ArtifactReference]
Gate = Callable[[ArtifactReference], None]


@dataclass(frozen=True)
class Workflow:
    """The steps of one run.

    Attributes:
        config: Everything that the run was told.
        store: Where the artifacts lie.
        run_name: The run's name, under which its choice of dumps is kept.
    """

    config: RunConfig
    store: ArtifactStore
    run_name: str = field(default_factory=lambda: f"shell__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}")

    def fetch(self) -> ArtifactReference:
        """Fetch the raw files and keep them as they came; see :func:`pipeline.dataset.take`.

        Raises:
            NothingNewError: There is no new dump and no other reason to train.
            ConfigurationError: A dump or a vectors file lies outside the deployment's allowed roots.
        """
        from pipeline.dataset import take
        from pipeline.sources.allowed_roots import require_allowed_vectors

        require_allowed_vectors(self.config.training.vectors)
        return take(self.config, self.store, self.run_name).fetched

    def ingest(self, fetched: ArtifactReference) -> ArtifactReference:
        """Read the raw files into one typed table."""
        from pipeline.readers import ingest

        return ingest(fetched, self.config.data, self.store)

    def validate_raw(self, ingested: ArtifactReference) -> ArtifactReference:
        """Quarantine bad rows and hold the rest against the contract."""
        from pipeline.validation import validate_raw

        return validate_raw(ingested, self.config.validation, self.store)

    def enforce_contract(self, validated: ArtifactReference) -> None:
        """Stop here if the contract is broken.

        Raises:
            ContractViolationError: With the broken expectations, the observed figures and the next step.
        """
        from pipeline.validation import enforce_contract

        enforce_contract(validated, self.store)

    def clean(self, validated: ArtifactReference) -> ArtifactReference:
        """Drop neutral and repeated reviews, label the rest and normalize their text."""
        from pipeline.cleaning import clean

        return clean(validated, self.config.text, self.store, processes=self.config.hardware.num_workers)

    def validate_clean(self, cleaned: ArtifactReference) -> ArtifactReference:
        """Hold the clean reviews against their contract."""
        from pipeline.validation import validate_clean

        return validate_clean(cleaned, self.config.validation, self.store)

    def profile(self, data: DataReferences) -> ArtifactReference:
        """Describe the clean reviews, beside what the champion was trained on, or the dump before."""
        from pipeline.profiling import ProfiledDump, previous_dump, profile

        dump = ProfiledDump(
            fetched=data.fetched, validated_raw=_there(data.validated_raw), cleaned=_there(data.cleaned)
        )
        return profile(dump, self._champions_reviews(data) or previous_dump(self.store, data.fetched), self.store)

    def _champions_reviews(self, data: DataReferences) -> ProfiledDump | None:
        """Return what a dump of the collection is held against: the reviews that the champion was trained on."""
        from pipeline.profiling import ProfiledDump

        present = self._champion() if self.config.collects else None
        if present is None or present.model.demo != self.is_demo(data.fetched):
            return None
        model = present.model
        return ProfiledDump(fetched=model.fetched, validated_raw=model.validated_raw, cleaned=model.cleaned)

    def enforce_drift_limits(self, data: DataReferences) -> None:
        """Stop here if a dump of the collection lies too far from what the champion was trained on.

        Raises:
            DriftError: With the figures, the limits and the next step.
        """
        from pipeline.dataset import enforce_drift_limits

        if self._champions_reviews(data) is not None:
            enforce_drift_limits(_there(data.profiled), self.config.drift, self.store)

    def collect(self, data: DataReferences) -> ArtifactReference:
        """Add the run's dumps to the collection and lay the window's reviews together; an experiment does neither."""
        from pipeline.dataset import (
            DatasetPart,
            accepted_batches,
            choose_window,
            dump_batch_of,
            ingested_rows,
            merge,
            record_batch,
            taking,
        )

        cleaned = _there(data.cleaned)
        taken = taking(self.store, self.run_name) if self.config.collects else None
        if taken is None:
            return cleaned
        if taken.new:
            rows = self.store.manifest(cleaned).rows
            kept = None if rows is None else rows.kept
            record_batch(self.store, dump_batch_of(taken, self.store, validated_raw=data.validated_raw, rows=kept))
        if self.config.dataset.window == "these" and self.config.dataset.as_of is None:
            return cleaned
        # Not what was taken after this run: a run that is cleared trains on what it trained on.
        known = [batch for batch in accepted_batches(self.store) if batch.received_at <= taken.received_at]
        window = choose_window(known, self.config.dataset, demo=self.is_demo(data.fetched))
        if [batch.fetched for batch in window] == [data.fetched]:
            return cleaned
        portions = []
        for batch in window:
            validated = _there(batch.validated_raw)
            rows_before = ingested_rows(validated, self.store)
            portions.append(DatasetPart(batch=batch, cleaned=self.clean(validated), ingested_rows=rows_before))
        return merge(portions, self.store, deduplicate=self.config.text.deduplicate)

    def _champion(self) -> ChampionChange | None:
        """Return the champion that this run found: a change that it made itself does not count."""
        from pipeline.promotion.champions import champion_changes

        changes = champion_changes(self.store)
        return next((change for change in changes if change.run_name != self.run_name), None)

    def split(self, cleaned: ArtifactReference) -> ArtifactReference:
        """Deal the reviews to training, validation and test."""
        from pipeline.splitting import split

        return split(cleaned, self.config.split, self.store)

    def fit_vocabulary(self, cleaned: ArtifactReference, parts: ArtifactReference) -> ArtifactReference:
        """Choose the words that the models may know."""
        from pipeline.encoding import fit_vocabulary

        return fit_vocabulary(cleaned, parts, self.config.vocabulary, self.store)

    def check_leakage(self, cleaned: ArtifactReference, parts: ArtifactReference) -> ArtifactReference:
        """Count what the test part shares with the other two."""
        from pipeline.splitting import check_leakage

        leak = self.config.vocabulary.fit_on == "all"
        return check_leakage(cleaned, parts, leak, self.config.split, self.store)

    def enforce_no_leakage(self, leaks: ArtifactReference) -> None:
        """Stop here if the split breaks its promise.

        Raises:
            DataLeakageError: With the figures.
        """
        from pipeline.splitting import enforce_no_leakage

        enforce_no_leakage(leaks, self.store)

    def encode(
        self, cleaned: ArtifactReference, parts: ArtifactReference, vocabulary: ArtifactReference
    ) -> ArtifactReference:
        """Turn words into sequences of word ids."""
        from pipeline.encoding import encode

        return encode(cleaned, parts, vocabulary, self.config.encoding, self.store)

    def baselines(self, cleaned: ArtifactReference, parts: ArtifactReference) -> ArtifactReference:
        """Judge always-majority and TF-IDF with logistic regression on the same rows."""
        from pipeline.evaluation import baselines

        return baselines(cleaned, parts, self.config.evaluation, self.store)

    def preflight(self, data: DataReferences) -> DeviceRecord:
        """Name the device that training will use and run one LSTM step on it, unless nothing is left to train."""
        from pipeline.training import find_trained, preflight

        hardware, encoded, vocabulary = self.config.hardware, _there(data.encoded), _there(data.vocabulary)
        trained = [find_trained(encoded, vocabulary, variant, hardware, self.store) for variant in self.config.variants]
        if all(trained) and trained[0] is not None:
            log.info("Every variant is trained already; the device is not asked.")
            return trained[0].device
        return preflight(hardware)

    def train(self, data: DataReferences, variant: VariantConfig) -> VariantReferences:
        """Fit one variant; an interrupted training goes on at its last epoch."""
        from pipeline.training import train

        trained = train(_there(data.encoded), _there(data.vocabulary), variant, self.config.hardware, self.store)
        return VariantReferences(name=variant.name, trained=trained)

    def evaluate(self, data: DataReferences, variant: VariantReferences) -> VariantReferences:
        """Judge one trained variant on the test part, once."""
        from pipeline.evaluation import evaluate
        from pipeline.scoring import predict
        from pipeline.training import hide_gpus_unless_wanted

        hide_gpus_unless_wanted(self.config.hardware)

        predicted = predict(variant.trained, _there(data.encoded), self.store)
        evaluated = evaluate(
            predicted,
            data.reviews,
            _there(data.vocabulary),
            config=self.config.evaluation,
            store=self.store,
            model=variant.name,
            title=self.variant(variant.name).title,
        )
        return variant.model_copy(update={"predicted": predicted, "evaluated": evaluated})

    def export(self, data: DataReferences, variant: VariantReferences) -> VariantReferences:
        """Export one judged variant as a model from raw text to probability."""
        from pipeline.evaluation import EvaluationSummary
        from pipeline.scoring import export
        from pipeline.training import hide_gpus_unless_wanted

        hide_gpus_unless_wanted(self.config.hardware)
        exported = export(
            variant.trained,
            _there(data.vocabulary),
            data.reviews,
            _there(data.encoded),
            _there(variant.predicted),
            text=self.config.text,
            encoding=self.config.encoding,
            threshold=self.store.summary(_there(variant.evaluated), EvaluationSummary).threshold,
            title=self.variant(variant.name).title,
            store=self.store,
        )
        return variant.model_copy(update={"exported": exported})

    def run_behavioral_tests(self, data: DataReferences, variant: VariantReferences) -> VariantReferences:
        """Test one exported variant with texts written for that purpose, and take its worst mistakes apart."""
        from pipeline.behavioral_tests import run_behavioral_tests
        from pipeline.training import hide_gpus_unless_wanted

        hide_gpus_unless_wanted(self.config.hardware)
        exported = _there(variant.exported)

        def load() -> TextScorer:
            from pipeline.scoring import load_scorer

            return load_scorer(str(exported), self.store)

        behavioral_tests = run_behavioral_tests(
            exported,
            _there(variant.evaluated),
            data.reviews,
            load,
            self.store,
            model=variant.name,
            include_summary=self.config.text.include_summary,
        )
        return variant.model_copy(update={"behavioral_tests": behavioral_tests})

    def run_baseline_behavioral_tests(self, data: DataReferences, baselines: ArtifactReference) -> ArtifactReference:
        """Test the baseline that counts words in the same way: what an LSTM buys shows on negations."""
        from pipeline.behavioral_tests import run_baseline_behavioral_tests

        return run_baseline_behavioral_tests(baselines, data.reviews, self.store)

    def compare(
        self, data: DataReferences, variants: Sequence[VariantReferences], baselines: ArtifactReference
    ) -> ArtifactReference:
        """Compare the variants with each other and with the baselines, row by row."""
        from pipeline.evaluation import compare

        return compare(
            {variant.name: _there(variant.predicted) for variant in variants},
            {variant.name: _there(variant.evaluated) for variant in variants},
            baselines,
            cleaned=data.reviews,
            config=self.config.evaluation,
            store=self.store,
        )

    def check_acceptance(
        self,
        data: DataReferences,
        variants: Sequence[VariantReferences],
        baselines: ArtifactReference,
        comparison: ArtifactReference,
    ) -> ArtifactReference:
        """Say whether the best variant may be used, and why."""
        from pipeline.promotion import check_acceptance

        return check_acceptance(
            {variant.name: _there(variant.evaluated) for variant in variants},
            baselines,
            _there(data.leaks),
            comparison,
            self.store,
            demo=self.is_demo(data.fetched),
            margin=self.config.promotion.baseline_margin,
        )

    def challenge(
        self, data: DataReferences, variants: Sequence[VariantReferences], acceptance: ArtifactReference
    ) -> ArtifactReference | None:
        """Let this run's best model and the champion score the same reviews; ``None`` where there is none to ask."""
        from pipeline.promotion import challenge
        from pipeline.scoring import load_scorer
        from pipeline.training import hide_gpus_unless_wanted

        present, challenger = self._champion(), self._challenger(data, variants, acceptance)
        if present is None or present.model.demo != challenger.demo or present.model.exported == challenger.exported:
            return None
        hide_gpus_unless_wanted(self.config.hardware)
        return challenge(
            challenger,
            present.model,
            self.config.evaluation,
            self.store,
            lambda exported: load_scorer(str(self.store.folder(exported))),
        )

    def gate(
        self,
        data: DataReferences,
        variants: Sequence[VariantReferences],
        acceptance: ArtifactReference,
        head_to_head: ArtifactReference | None,
    ) -> ArtifactReference:
        """Decide whether this run's best model takes the champion's place; from now on its window counts as judged."""
        from pipeline.dataset import read_window, record_evaluated
        from pipeline.promotion import gate

        decided = gate(
            self._challenger(data, variants, acceptance),
            self._champion(),
            acceptance,
            head_to_head,
            config=self.config.promotion,
            store=self.store,
        )
        if self.config.collects:
            merged = data.reviews
            fetched = [data.fetched]
            if merged != data.cleaned:
                fetched = [dump.fetched for dump in read_window(merged, self.store).dumps]
            record_evaluated(self.store, fetched, self.run_name)
        return decided

    def decision(self, gate_result: ArtifactReference) -> GateDecision:
        """Return the gate's decision behind a reference."""
        from pipeline.promotion import GateDecision

        return self.store.summary(gate_result, GateDecision)

    def promote(
        self, gate_result: ArtifactReference, *, who: str | None, approved: bool = False
    ) -> ChampionChange | None:
        """Put the challenger into service if the gate, or the person whom it asked, says so.

        Args:
            gate_result: The gate's decision.
            who: The person who forced or approved it, if one did.
            approved: Whether a person who was asked said yes.

        Raises:
            ChampionChangedError: Another run was first.
        """
        from pipeline.promotion import promote

        by_person = self.decision(gate_result).forced or approved
        name = (who or NOBODY) if by_person else "the gate"
        return promote(gate_result, self.store, run_name=self.run_name, who=name, approved=approved)

    def _challenger(
        self, data: DataReferences, variants: Sequence[VariantReferences], acceptance: ArtifactReference
    ) -> ChampionModel:
        from pipeline.promotion.champions import ChampionModel

        decided = self.acceptance(acceptance)
        best = next(variant for variant in variants if variant.name == decided.best_model)
        return ChampionModel(
            name=best.name,
            title=decided.best_title,
            run_name=self.run_name,
            demo=decided.demo,
            exported=_there(best.exported),
            evaluated=_there(best.evaluated),
            behavioral_tests=_there(best.behavioral_tests),
            cleaned=data.reviews,
            parts=_there(data.parts),
            fetched=data.fetched,
            validated_raw=_there(data.validated_raw),
        )

    def track(self, data: DataReferences, models: ModelReferences) -> TrackedRun:
        """Tell MLflow of the run.

        Raises:
            TrackingUnavailableError: Its server is away; the same call later tells the same.
        """
        from pipeline.tracking import track_run

        return track_run(RunReferences(data=data, models=models), self.config, self.run_name, self.store)

    def report(self, references: RunReferences, run_name: str) -> ArtifactReference:
        """Write the report of whatever the run has come to."""
        from pipeline.reporting import report

        return report(references, self.config, run_name, self.store)

    def publish(self, reported: ArtifactReference, run_name: str) -> str:
        """Put the report where people look for it and return its place."""
        from pipeline.reporting import publish

        return publish(reported, run_name, self.store)

    def variant(self, name: str) -> VariantConfig:
        """Return the variant of that name."""
        return next(variant for variant in self.config.variants if variant.name == name)

    def is_demo(self, fetched: ArtifactReference) -> bool:
        """Return whether the run reads the generated demo dump."""
        from pipeline.sources import FetchSummary

        return self.store.summary(fetched, FetchSummary).demo

    def refusal(self, data: DataReferences) -> str | None:
        """Return why training was refused, or ``None``: the first broken contract or promise."""
        checks: tuple[tuple[ArtifactReference | None, Gate], ...] = (
            (data.validated_raw, self.enforce_contract),
            (data.validated_clean, self.enforce_contract),
            (data.profiled, lambda _: self.enforce_drift_limits(data)),
            (data.leaks, self.enforce_no_leakage),
        )
        for reference, require in checks:
            if reference is not None:
                try:
                    require(reference)
                except (ContractViolationError, DataLeakageError) as error:
                    return str(error)
        return None

    def _refuse_intake(self, data: DataReferences, reason: str) -> None:
        """Keep that the dumps of a run may not be trained on; what was accepted before stays so."""
        from pipeline.dataset import dump_batch_of, record_batch, taking

        taken = taking(self.store, self.run_name) if self.config.collects else None
        if taken is not None and taken.new and data.merged is None:
            refused = dump_batch_of(
                taken, self.store, validated_raw=data.validated_raw, rows=None, refused_because=reason
            )
            record_batch(self.store, refused)

    def publish_report(
        self, run_name: str, data: DataReferences, models: ModelReferences, *, stopped_by: str | None = None
    ) -> RunResult:
        """Write and publish the report of a finished, failed or refused run.

        Args:
            run_name: The run's name; hostile text is made safe.
            data: The artifacts up to the encoded sequences, as far as the run came.
            models: The artifacts from there on.
            stopped_by: Message of an error that stopped the run, where no contract or promise explains it.
        """
        refusal = self.refusal(data)
        if refusal is not None:
            self._refuse_intake(data, refusal)
        refusal = refusal or stopped_by
        if refusal is None and models.acceptance is None:
            missing = [name for name in DataReferences.model_fields if getattr(data, name) is None]
            step = missing[0] if missing else "training or evaluation"
            refusal = f"The run stopped before its end ({step} is missing); the log of the failed task says why."
        references = RunReferences(data=data, models=models, refusal=refusal)
        place = self.publish(self.report(references, run_name), run_name)
        return RunResult(run_name=run_name, report=place, refusal=refusal)

    def data_steps(self, until: str = "encoded") -> DataReferences:
        """Run the steps before training, gates included, up to the reference named ``until``.

        Raises:
            PreparationError: A step failed or a gate said no; it carries the references so far, for the report.
        """
        data = DataReferences(fetched=self.fetch())
        try:
            for name, step, gate in self._data_plan():
                if getattr(data, until) is not None:
                    break
                reference = step(data)
                data = data.model_copy(update={name: reference})
                if gate is not None:
                    gate(reference)
        except PipelineError as error:
            raise PreparationError(error, data) from error
        return data

    def _data_plan(self) -> tuple[tuple[str, Step, Gate | None], ...]:
        """Return each step with the reference that it makes and the gate behind it, in order."""
        return (
            ("ingested", lambda data: self.ingest(data.fetched), None),
            ("validated_raw", lambda data: self.validate_raw(_there(data.ingested)), self.enforce_contract),
            ("cleaned", lambda data: self.clean(_there(data.validated_raw)), None),
            ("validated_clean", lambda data: self.validate_clean(_there(data.cleaned)), self.enforce_contract),
            ("profiled", self.profile, None),
            ("merged", self._collected, None),
            ("parts", lambda data: self.split(data.reviews), None),
            ("leaks", lambda data: self.check_leakage(data.reviews, _there(data.parts)), self.enforce_no_leakage),
            ("vocabulary", lambda data: self.fit_vocabulary(data.reviews, _there(data.parts)), None),
            ("encoded", lambda data: self.encode(data.reviews, _there(data.parts), _there(data.vocabulary)), None),
        )

    def _collected(self, data: DataReferences) -> ArtifactReference:
        self.enforce_drift_limits(data)
        return self.collect(data)

    def run(self, run_name: str) -> RunResult:
        """Run the whole workflow in this process and publish the report, also of a refused run.

        Raises:
            PipelineError: Something else than a contract or a promise stopped the run.
        """
        if run_name != self.run_name:
            return replace(self, run_name=run_name).run(run_name)
        try:
            data = self.data_steps()
        except PreparationError as error:
            if error.data.ingested is not None:
                published = self.publish_report(run_name, error.data, ModelReferences(), stopped_by=str(error))
                log.warning("The report of the refused run: %s", published.report)
            raise error.cause from error
        models = ModelReferences()
        try:
            for models in self._model_steps(data):
                log.debug("So far: %s", models)
        except PipelineError as error:
            published = self.publish_report(run_name, data, models, stopped_by=str(error))
            log.warning("The report of the broken-off run: %s", published.report)
            raise
        result = self.publish_report(run_name, data, models)
        change = self.promote(_there(models.gate_result), who=user_name())
        if change is not None:
            log.info("The champion is now %s.", change.model.title)
        return result

    def _model_steps(self, data: DataReferences) -> Iterator[ModelReferences]:
        """Train, judge, export, compare and decide, yielding what there is after each step."""
        baselines = self.baselines(data.reviews, _there(data.parts))
        models = ModelReferences(
            baselines=baselines, baseline_behavioral_tests=self.run_baseline_behavioral_tests(data, baselines)
        )
        yield models
        models = models.model_copy(update={"device": self.preflight(data)})
        yield models
        for variant in self.config.variants:
            trained = self.train(data, variant)
            judged = self.export(data, self.evaluate(data, trained))
            behavioral_tests = self.run_behavioral_tests(data, judged)
            models = models.model_copy(update={"variants": (*models.variants, behavioral_tests)})
            yield models
        comparison = self.compare(data, models.variants, baselines)
        acceptance = self.check_acceptance(data, models.variants, baselines, comparison)
        models = models.model_copy(update={"comparison": comparison, "acceptance": acceptance})
        yield models
        head_to_head = self.challenge(data, models.variants, acceptance)
        gate_result = self.gate(data, models.variants, acceptance, head_to_head)
        yield models.model_copy(update={"head_to_head": head_to_head, "gate_result": gate_result})

    def told_of_clean(self, cleaned: ArtifactReference) -> dict[str, str | int]:
        """Return what an event says of clean reviews."""
        from pipeline.cleaning import CleanSummary

        summary = self.store.summary(cleaned, CleanSummary)
        return {
            "artifact": str(cleaned),
            "positive": summary.positive,
            "negative": summary.negative,
            "normalization": summary.normalization,
        }

    def told_of_model(
        self, acceptance: ArtifactReference, variants: Sequence[VariantReferences]
    ) -> dict[str, str | float | None]:
        """Return what an event says of a run's best model."""
        from pipeline.evaluation import EvaluationSummary

        decided = self.acceptance(acceptance)
        best = next(variant for variant in variants if variant.name == decided.best_model)
        scores = self.store.summary(_there(best.evaluated), EvaluationSummary).scores
        return {
            "acceptance": decided.decision,
            "sentence": decided.sentence,
            "model": decided.best_title,
            "balanced_accuracy": round(scores.balanced_accuracy.value, 4),
            "roc_auc": round(scores.roc_auc.value, 4),
            "exported": None if best.exported is None else str(best.exported),
        }

    def acceptance(self, reference: ArtifactReference) -> AcceptanceResult:
        """Return the verdict behind a reference."""
        from pipeline.promotion import AcceptanceResult

        return self.store.summary(reference, AcceptanceResult)


def roll_back_champion(store: ArtifactStore, *, who: str, why: str, run_name: str) -> ChampionChange:
    """Put the model that served before the present champion back into service.

    Raises:
        NoChampionError: There is none to go back to.
        ChampionChangedError: Somebody else was faster.
    """
    from pipeline.promotion import roll_back

    change = roll_back(store, who=who, why=why, run_name=run_name)
    log.info("The champion is now %s of run %s.", change.model.title, change.model.run_name)
    return change


def mirrored_champion(store: ArtifactStore) -> MirroredChampion:
    """Let MLflow's registry say which model is the champion.

    Raises:
        TrackingUnavailableError: Its server is away; the same call later does the same.
    """
    from pipeline.tracking import mirror_champion

    return mirror_champion(store)


class PreparationError(PipelineError):
    """The steps before training stopped; carries what there is, so that a report can be made of it.

    Attributes:
        cause: The error itself.
        data: The references so far.
    """

    def __init__(self, cause: PipelineError, data: DataReferences) -> None:
        """Keep the cause and the references."""
        super().__init__(str(cause))
        self.cause = cause
        self.data = data


class LatestReport(Record):
    """What was published last (``reports/latest.json``)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_name: str
    folder: str
    """Below the store's root, so that a store may be moved."""
    artifact: str
    """The report's reference, ``report/KEY``."""


def latest_report(store: ArtifactStore) -> LatestReport | None:
    """Return what was published last, or ``None`` if nothing was.

    Raises:
        ArtifactError: The record is damaged.
    """
    path = store.root / "reports" / "latest.json"
    if not path.exists():
        return None
    try:
        return LatestReport.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged; the next run writes it anew.") from error


def latest_model(store: ArtifactStore) -> str:
    """Return the reference ``export/KEY`` of the best variant of the newest report.

    Raises:
        ArtifactError: There is no report, or it ends without a judged model.
    """
    latest = latest_report(store)
    if latest is None:
        raise ArtifactError(f"The store {store.url} holds no report yet; `python -m pipeline run` makes one.")
    stage, _, key = latest.artifact.partition("/")
    reported = ArtifactReference(stage=stage, key=key)
    best = json.loads((store.folder(reported) / "report.json").read_text(encoding="utf-8")).get("best_variant")
    exported = store.manifest(reported).inputs.get(f"exported {best}")
    if exported is None:
        raise ArtifactError(
            f"The newest report, of run {latest.run_name}, ends without a model. Name an export of an earlier run."
        )
    return f"{exported.stage}/{exported.key}"


def user_name() -> str:
    """Return who runs this process; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return NOBODY


def _there(reference: ArtifactReference | None) -> ArtifactReference:
    if reference is None:
        raise PipelineError("A step was called before the steps that it builds on; run them first.")
    return reference
