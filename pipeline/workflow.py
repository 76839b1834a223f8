"""The stages in their order: what the DAG's tasks and the command line both call.

Each method of :class:`Workflow` is one step; it takes references, returns a reference and finds its part of
the configuration by itself. Heavy libraries load inside the steps that need them, so importing this module
is cheap.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from pipeline.config import RunConfig, VariantConfig
from pipeline.errors import ArtifactError, ContractBrokenError, LeakError, PipelineError
from pipeline.references import DataReferences, ModelReferences, RunReferences, VariantReferences
from pipeline.store import ArtifactReference, ArtifactStore, Record

if TYPE_CHECKING:
    from pipeline.examination import TextScorer
    from pipeline.promotion import Verdict
    from pipeline.training.records import DeviceRecord

log = logging.getLogger(__name__)

STORE_VARIABLE = "REVIEW_SENTIMENT_STORE"
DEFAULT_STORE = ".store"


def default_store() -> ArtifactStore:
    """Return the store named by ``REVIEW_SENTIMENT_STORE``, or the folder ``.store`` where the process runs."""
    return ArtifactStore(os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)


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
    """

    config: RunConfig
    store: ArtifactStore

    def land(self) -> ArtifactReference:
        """Fetch the raw files and keep them as they came."""
        from pipeline.ingest import land

        return land(self.config.data, self.store)

    def ingest(self, landed: ArtifactReference) -> ArtifactReference:
        """Read the raw files into one typed table."""
        from pipeline.ingest import ingest

        return ingest(landed, self.config.data, self.store)

    def validate_raw(self, ingested: ArtifactReference) -> ArtifactReference:
        """Quarantine bad rows and hold the rest against the contract."""
        from pipeline.validation import validate_raw

        return validate_raw(ingested, self.config.validation, self.store)

    def require_contract(self, validated: ArtifactReference) -> None:
        """Stop here if the contract is broken.

        Raises:
            ContractBrokenError: With the broken expectations, the observed figures and the next step.
        """
        from pipeline.validation import require_contract

        require_contract(validated, self.store)

    def clean(self, validated: ArtifactReference) -> ArtifactReference:
        """Drop neutral and repeated reviews, label the rest and normalise their text."""
        from pipeline.cleaning import clean

        return clean(validated, self.config.text, self.store, processes=self.config.hardware.text_processes)

    def validate_clean(self, cleaned: ArtifactReference) -> ArtifactReference:
        """Hold the clean reviews against their contract."""
        from pipeline.validation import validate_clean

        return validate_clean(cleaned, self.config.validation, self.store)

    def profile(self, data: DataReferences) -> ArtifactReference:
        """Describe the clean reviews, beside those of the dump before, where the store knows one."""
        from pipeline.profiling import ProfiledDump, previous_dump, profile

        dump = ProfiledDump(landed=data.landed, validated_raw=_there(data.validated_raw), cleaned=_there(data.cleaned))
        return profile(dump, previous_dump(self.store, data.landed), self.store)

    def split(self, cleaned: ArtifactReference) -> ArtifactReference:
        """Deal the reviews to training, validation and test."""
        from pipeline.splitting import split

        return split(cleaned, self.config.split, self.store)

    def fit_vocabulary(self, cleaned: ArtifactReference, parts: ArtifactReference) -> ArtifactReference:
        """Choose the words that the models may know."""
        from pipeline.vocabulary import fit_vocabulary

        return fit_vocabulary(cleaned, parts, self.config.vocabulary, self.store)

    def check_leaks(self, cleaned: ArtifactReference, parts: ArtifactReference) -> ArtifactReference:
        """Count what the test part shares with the other two."""
        from pipeline.splitting import check_leaks

        leak = self.config.vocabulary.fit_on == "all"
        return check_leaks(cleaned, parts, leak, self.config.split, self.store)

    def require_no_leak(self, leaks: ArtifactReference) -> None:
        """Stop here if the split breaks its promise.

        Raises:
            LeakError: With the figures.
        """
        from pipeline.splitting import require_no_leak

        require_no_leak(leaks, self.store)

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
            _there(data.cleaned),
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
            _there(data.cleaned),
            _there(data.encoded),
            _there(variant.predicted),
            text=self.config.text,
            encoding=self.config.encoding,
            threshold=self.store.summary(_there(variant.evaluated), EvaluationSummary).threshold,
            title=self.variant(variant.name).title,
            store=self.store,
        )
        return variant.model_copy(update={"exported": exported})

    def examine(self, data: DataReferences, variant: VariantReferences) -> VariantReferences:
        """Test one exported variant with texts written for that purpose, and take its worst mistakes apart."""
        from pipeline.examination import examine
        from pipeline.training import hide_gpus_unless_wanted

        hide_gpus_unless_wanted(self.config.hardware)
        exported = _there(variant.exported)

        def load() -> TextScorer:
            from pipeline.scoring import load_scorer

            return load_scorer(str(exported), self.store)

        examined = examine(
            exported,
            _there(variant.evaluated),
            _there(data.cleaned),
            load,
            self.store,
            model=variant.name,
            join_summary=self.config.text.join_summary,
        )
        return variant.model_copy(update={"examined": examined})

    def examine_baseline(self, data: DataReferences, baselines: ArtifactReference) -> ArtifactReference:
        """Test the baseline that counts words in the same way: what an LSTM buys shows on negations."""
        from pipeline.examination import examine_baseline

        return examine_baseline(baselines, _there(data.cleaned), self.store)

    def compare(
        self, data: DataReferences, variants: Sequence[VariantReferences], baselines: ArtifactReference
    ) -> ArtifactReference:
        """Compare the variants with each other and with the baselines, row by row."""
        from pipeline.evaluation import compare

        return compare(
            {variant.name: _there(variant.predicted) for variant in variants},
            {variant.name: _there(variant.evaluated) for variant in variants},
            baselines,
            cleaned=_there(data.cleaned),
            config=self.config.evaluation,
            store=self.store,
        )

    def decide(
        self,
        data: DataReferences,
        variants: Sequence[VariantReferences],
        baselines: ArtifactReference,
        comparison: ArtifactReference,
    ) -> ArtifactReference:
        """Say whether the best variant may be used, and why."""
        from pipeline.promotion import decide

        return decide(
            {variant.name: _there(variant.evaluated) for variant in variants},
            baselines,
            _there(data.leaks),
            comparison,
            self.store,
            demo=self.is_demo(data.landed),
        )

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

    def is_demo(self, landed: ArtifactReference) -> bool:
        """Return whether the run reads the generated demo dump."""
        from pipeline.ingest import LandSummary

        return self.store.summary(landed, LandSummary).demo

    def refusal(self, data: DataReferences) -> str | None:
        """Return why training was refused, or ``None``: the first broken contract or promise."""
        checks: tuple[tuple[ArtifactReference | None, Gate], ...] = (
            (data.validated_raw, self.require_contract),
            (data.validated_clean, self.require_contract),
            (data.leaks, self.require_no_leak),
        )
        for reference, require in checks:
            if reference is not None:
                try:
                    require(reference)
                except (ContractBrokenError, LeakError) as error:
                    return str(error)
        return None

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
        refusal = self.refusal(data) or stopped_by
        if refusal is None and models.verdict is None:
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
        data = DataReferences(landed=self.land())
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
            ("ingested", lambda data: self.ingest(data.landed), None),
            ("validated_raw", lambda data: self.validate_raw(_there(data.ingested)), self.require_contract),
            ("cleaned", lambda data: self.clean(_there(data.validated_raw)), None),
            ("validated_clean", lambda data: self.validate_clean(_there(data.cleaned)), self.require_contract),
            ("profiled", self.profile, None),
            ("parts", lambda data: self.split(_there(data.cleaned)), None),
            ("leaks", lambda data: self.check_leaks(_there(data.cleaned), _there(data.parts)), self.require_no_leak),
            ("vocabulary", lambda data: self.fit_vocabulary(_there(data.cleaned), _there(data.parts)), None),
            (
                "encoded",
                lambda data: self.encode(_there(data.cleaned), _there(data.parts), _there(data.vocabulary)),
                None,
            ),
        )

    def run(self, run_name: str) -> RunResult:
        """Run the whole workflow in this process and publish the report, also of a refused run.

        Raises:
            PipelineError: Something else than a contract or a promise stopped the run.
        """
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
        return self.publish_report(run_name, data, models)

    def _model_steps(self, data: DataReferences) -> Iterator[ModelReferences]:
        """Train, judge, export, compare and decide, yielding what there is after each step."""
        baselines = self.baselines(_there(data.cleaned), _there(data.parts))
        models = ModelReferences(baselines=baselines, baseline_examined=self.examine_baseline(data, baselines))
        yield models
        models = models.model_copy(update={"device": self.preflight(data)})
        yield models
        for variant in self.config.variants:
            trained = self.train(data, variant)
            judged = self.export(data, self.evaluate(data, trained))
            examined = self.examine(data, judged)
            models = models.model_copy(update={"variants": (*models.variants, examined)})
            yield models
        comparison = self.compare(data, models.variants, baselines)
        verdict = self.decide(data, models.variants, baselines, comparison)
        yield models.model_copy(update={"comparison": comparison, "verdict": verdict})

    def told_of_clean(self, cleaned: ArtifactReference) -> dict[str, str | int]:
        """Return what an event says of clean reviews."""
        from pipeline.cleaning import CleanSummary

        summary = self.store.summary(cleaned, CleanSummary)
        return {
            "artifact": str(cleaned),
            "positive": summary.positive,
            "negative": summary.negative,
            "normalisation": summary.normalisation,
        }

    def told_of_model(
        self, verdict: ArtifactReference, variants: Sequence[VariantReferences]
    ) -> dict[str, str | float | None]:
        """Return what an event says of a run's best model."""
        from pipeline.evaluation import EvaluationSummary

        decided = self.verdict(verdict)
        best = next(variant for variant in variants if variant.name == decided.best_model)
        scores = self.store.summary(_there(best.evaluated), EvaluationSummary).scores
        return {
            "verdict": decided.decision,
            "sentence": decided.sentence,
            "model": decided.best_title,
            "balanced_accuracy": round(scores.balanced_accuracy.value, 4),
            "roc_auc": round(scores.roc_auc.value, 4),
            "exported": None if best.exported is None else str(best.exported),
        }

    def verdict(self, reference: ArtifactReference) -> Verdict:
        """Return the verdict behind a reference."""
        from pipeline.promotion import Verdict

        return self.store.summary(reference, Verdict)


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


def _there(reference: ArtifactReference | None) -> ArtifactReference:
    if reference is None:
        raise PipelineError("A step was called before the steps that it builds on; run them first.")
    return reference
