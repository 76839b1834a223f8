"""The stages of the workflow, each declared once.

The runner, the command line, the DAG's tasks and their documentation, and the list in ``docs/reference/stages.md`` are
made from this table. ``docs/how-to/develop.md`` shows how to add a stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from pipeline import steps
from pipeline.errors import ConfigurationError, quoted
from pipeline.run_state import RunState, VariantState
from pipeline.steps import Run
from pipeline.store import ArtifactReference
from pipeline.training.records import DeviceRecord

RunStep = Callable[[Run, RunState], ArtifactReference | DeviceRecord | None]
VariantStep = Callable[[Run, RunState, VariantState], ArtifactReference]


@dataclass(frozen=True, kw_only=True)
class StageCheck:
    """A check after a stage that can stop the run.

    Attributes:
        name: Task id in the DAG.
        help: What it does, in one line.
        function: ``module:function`` that takes the stage's artifact and the store, or a function of the run. It raises
            a :class:`pipeline.errors.PipelineError` if the run may not go on.
    """

    name: str
    help: str
    function: str | Callable[[Run, RunState], None]

    def enforce(self, run: Run, state: RunState, stage: str) -> None:
        """Raise if the artifact of ``stage`` does not pass."""
        if isinstance(self.function, str):
            _function(self.function)(state[stage], run.store)
        else:
            self.function(run, state)


@dataclass(frozen=True, kw_only=True)
class _Spec:
    """What every stage declares.

    Attributes:
        name: Its name: task id and key of the run's state; the command line writes it with dashes.
        help: What it does, in one line.
        inputs: Stages whose artifacts it reads.
        sections: Sections of :class:`pipeline.config.RunConfig` that it reads.
        check: The check after it, which can stop the run.
        on_gpu: Whether its task belongs on a GPU worker.
        timeout_hours: After so many hours its task is stopped.
    """

    name: str
    help: str
    inputs: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    check: StageCheck | None = None
    on_gpu: bool = False
    timeout_hours: int = 1


@dataclass(frozen=True, kw_only=True)
class StageSpec(_Spec):
    """A stage that runs once.

    Attributes:
        run: ``module:function`` that takes the artifacts of ``inputs``, the configuration's ``sections`` and the store,
            in this order; or a function of the run for a stage that needs more.
    """

    run: str | RunStep

    def execute(self, run: Run, state: RunState) -> RunState:
        """Run the stage and return the state with its result.

        Raises:
            StageOrderError: A stage that it needs has not run.
        """
        artifacts = [state[name] for name in self.inputs]
        if isinstance(self.run, str):
            sections = [getattr(run.config, section) for section in self.sections]
            result: ArtifactReference | DeviceRecord | None = _function(self.run)(*artifacts, *sections, run.store)
        else:
            result = self.run(run, state)
        if isinstance(result, DeviceRecord):
            return state.model_copy(update={"device": result})
        return state if result is None else state.with_artifact(self.name, result)


@dataclass(frozen=True, kw_only=True)
class VariantStageSpec(_Spec):
    """A stage that runs once for each variant."""

    run: VariantStep

    def execute(self, run: Run, state: RunState) -> RunState:
        """Run the stage for every variant and return the state with its results."""
        known = {variant.name: variant for variant in state.variants}
        variants = [
            self.execute_for(known.get(config.name) or VariantState.of(config), run, state)
            for config in run.config.variants
        ]
        return state.model_copy(update={"variants": tuple(variants)})

    def execute_for(self, variant: VariantState, run: Run, state: RunState) -> VariantState:
        """Run the stage for one variant and return the variant's state with its result."""
        return variant.with_artifact(self.name, self.run(run, state, variant))


STAGES: tuple[StageSpec | VariantStageSpec, ...] = (
    StageSpec(
        name="fetch",
        help="Fetch the raw files and keep them unchanged",
        run=steps.fetch,
        sections=("data", "dataset"),
        timeout_hours=3,
    ),
    StageSpec(
        name="ingest",
        help="Read the raw files into one typed table",
        run="pipeline.readers:ingest",
        inputs=("fetch",),
        sections=("data",),
    ),
    StageSpec(
        name="validate_raw",
        help="Quarantine bad rows and check the rest against the data contract",
        run="pipeline.validation:validate_raw",
        inputs=("ingest",),
        sections=("validation",),
        check=StageCheck(
            name="enforce_raw_contract",
            help="Stop the run if the raw reviews violate the data contract",
            function="pipeline.validation:enforce_contract",
        ),
    ),
    StageSpec(
        name="clean",
        help="Drop neutral and duplicate reviews, label the rest and normalize their text",
        run=steps.clean,
        inputs=("validate_raw",),
        sections=("text", "hardware"),
    ),
    StageSpec(
        name="validate_clean",
        help="Check the clean reviews against their data contract",
        run="pipeline.validation:validate_clean",
        inputs=("clean",),
        sections=("validation",),
        check=StageCheck(
            name="enforce_clean_contract",
            help="Stop the run if the clean reviews violate their data contract",
            function="pipeline.validation:enforce_contract",
        ),
    ),
    StageSpec(
        name="profile",
        help="Describe the clean reviews and measure drift against the previous ones",
        run=steps.profile,
        inputs=("fetch", "validate_raw", "clean"),
        check=StageCheck(
            name="enforce_drift_limits",
            help="Stop the run if the reviews drifted too far from the champion's training data",
            function=steps.enforce_drift_limits,
        ),
    ),
    StageSpec(
        name="build_dataset",
        help="Register the batch and merge the reviews of the training window",
        run=steps.build_dataset,
        inputs=("fetch", "validate_raw", "clean"),
        sections=("dataset",),
    ),
    StageSpec(
        name="split",
        help="Assign the reviews to the train, validation and test splits",
        run="pipeline.splitting:split",
        inputs=("build_dataset",),
        sections=("split",),
    ),
    StageSpec(
        name="check_leakage",
        help="Count what the test split shares with the other two",
        run=steps.check_leakage,
        inputs=("build_dataset", "split"),
        sections=("split", "vocabulary"),
        check=StageCheck(
            name="enforce_no_leakage",
            help="Stop the run if the test split shares reviews with the others",
            function="pipeline.splitting:enforce_no_leakage",
        ),
    ),
    StageSpec(
        name="fit_vocabulary",
        help="Count the words and keep the frequent ones",
        run="pipeline.encoding:fit_vocabulary",
        inputs=("build_dataset", "split"),
        sections=("vocabulary",),
    ),
    StageSpec(
        name="encode",
        help="Turn words into sequences of word ids",
        run="pipeline.encoding:encode",
        inputs=("build_dataset", "split", "fit_vocabulary"),
        sections=("encoding",),
    ),
    StageSpec(
        name="baselines",
        help="Evaluate the baselines: majority class, TF-IDF, NB-SVM and VADER",
        run="pipeline.evaluation:baselines",
        inputs=("build_dataset", "split"),
        sections=("evaluation",),
    ),
    StageSpec(
        name="run_baseline_behavioral_tests",
        help="Run the behavioral tests on the TF-IDF baseline",
        run="pipeline.behavioral_tests:run_baseline_behavioral_tests",
        inputs=("baselines", "build_dataset"),
    ),
    StageSpec(
        name="preflight",
        help="Name the training device and run one LSTM step on it",
        run=steps.preflight,
        inputs=("encode", "fit_vocabulary"),
        sections=("training", "hardware"),
        on_gpu=True,
        timeout_hours=12,
    ),
    VariantStageSpec(
        name="train",
        help="Train one variant, or resume it after its last epoch",
        run=steps.train,
        inputs=("encode", "fit_vocabulary"),
        sections=("training", "hardware"),
        on_gpu=True,
        timeout_hours=12,
    ),
    VariantStageSpec(
        name="predict",
        help="Predict the validation and test splits",
        run=steps.predict,
        inputs=("encode",),
        on_gpu=True,
        timeout_hours=12,
    ),
    VariantStageSpec(
        name="evaluate",
        help="Evaluate one variant on the test split",
        run=steps.evaluate,
        inputs=("build_dataset", "fit_vocabulary"),
        sections=("evaluation",),
    ),
    VariantStageSpec(
        name="export",
        help="Export one variant as a model from raw text to probability",
        run=steps.export,
        inputs=("build_dataset", "fit_vocabulary", "encode"),
        sections=("text", "encoding", "export"),
        on_gpu=True,
        timeout_hours=12,
    ),
    VariantStageSpec(
        name="run_behavioral_tests",
        help="Run the behavioral tests on one exported variant and explain its worst errors",
        run=steps.run_behavioral_tests,
        inputs=("build_dataset",),
        on_gpu=True,
        timeout_hours=12,
    ),
    StageSpec(
        name="compare",
        help="Compare the variants with each other and with the baselines",
        run=steps.compare,
        inputs=("baselines", "build_dataset"),
        sections=("evaluation",),
    ),
    StageSpec(
        name="check_acceptance",
        help="Check the best variant against the acceptance rules",
        run=steps.check_acceptance,
        inputs=("baselines", "check_leakage", "compare"),
        sections=("promotion",),
    ),
    StageSpec(
        name="compare_to_champion",
        help="Evaluate the best variant and the champion on the same reviews",
        run=steps.compare_to_champion,
        inputs=("check_acceptance",),
        sections=("evaluation",),
        on_gpu=True,
        timeout_hours=12,
    ),
    StageSpec(
        name="gate",
        help="Decide whether the best variant replaces the champion",
        run=steps.gate,
        inputs=("check_acceptance",),
        sections=("promotion",),
    ),
)
"""In the order in which they run. The stages of a variant follow each other."""

STAGE_NAMES = tuple(spec.name for spec in STAGES)


def stage(name: str) -> StageSpec | VariantStageSpec:
    """Return a stage by its name; ``-`` and ``_`` are the same.

    Raises:
        ConfigurationError: There is no such stage.
    """
    wanted = name.replace("-", "_")
    for spec in STAGES:
        if spec.name == wanted:
            return spec
    raise ConfigurationError(f"There is no stage {quoted(name)}. The stages are: {', '.join(STAGE_NAMES)}.")


def _function(path: str) -> Callable[..., ArtifactReference]:
    """Import ``module:function``; a DAG file imports this module, so nothing heavy may load with it."""
    module, _, name = path.partition(":")
    function: Callable[..., ArtifactReference] = getattr(import_module(module), name)
    return function
