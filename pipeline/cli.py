"""The command line: every stage, the whole run, and the models that come out of it.

The options are generated from ``RunConfig``. A stage command runs that stage and whatever it builds on; what
the store already holds is reused, so ``clean`` after ``ingest`` only cleans.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from pydantic import ConfigDict
from pydantic.fields import FieldInfo

from pipeline.config import PROFILES, RunConfig, read_settings
from pipeline.errors import ArtifactError, NothingNewError, PipelineError
from pipeline.retention import (
    KNOBS,
    RetentionPolicy,
    clean_up,
    figures_as_text,
    plan_clean_up,
    policy_from,
    result_as_text,
)
from pipeline.settings import variable
from pipeline.store import ArtifactReference, ArtifactStore, Record
from pipeline.workflow import (
    PreparationError,
    RunResult,
    Workflow,
    default_store,
    latest_model,
    latest_report,
    roll_back_champion,
    user_name,
)

DATA_STAGES = {
    "fetch": ("fetched", "fetch the raw files and keep them as they came"),
    "ingest": ("ingested", "read the raw files into one typed table"),
    "validate-raw": ("validated_raw", "quarantine bad rows, hold the rest against the contract"),
    "clean": ("cleaned", "drop neutral and repeated reviews, label and normalize the rest"),
    "validate-clean": ("validated_clean", "hold the clean reviews against their contract"),
    "profile": ("profiled", "describe the clean reviews, beside those of the dump before"),
    "collect": ("merged", "lay the reviews of the window together"),
    "split": ("parts", "deal the reviews to training, validation and test"),
    "check-leaks": ("leaks", "count what the test part shares with the other two"),
    "vocabulary": ("vocabulary", "choose the words that the models may know"),
    "encode": ("encoded", "turn words into sequences of word ids"),
}
"""Command → the reference it ends with, and what it does; in the order of the data."""

MODEL_STAGES = {
    "baselines": "judge always-majority and TF-IDF with logistic regression",
    "train": "fit every variant, or go on with an interrupted fit",
    "evaluate": "judge every variant on the test part",
    "export": "export every variant as a model from raw text to probability",
    "run_behavioral_tests": "test every exported variant with texts written for that purpose",
}

VARIANT_STAGES = ("train", "evaluate", "export", "run_behavioral_tests")
"""The steps of one variant, each on the result of the one before."""

SHOWN_WIDTH = 100
SHOWN_REVIEW = 100
"""Characters of a review that ``predict`` repeats beside its probability."""

EPILOG = """examples:
  python -m pipeline run                                     a generated demo dump, small models
  python -m pipeline run --dumps Reviews.csv                 your reviews, the recommended settings
  python -m pipeline run --dumps a.csv.gz b.csv.gz --profile article
  python -m pipeline clean --dumps Reviews.csv               up to the clean reviews, then stop
  python -m pipeline train --dumps Reviews.csv --epochs 3 --directions bi --units 64 128
  python -m pipeline clean-up                                what takes room for nothing; --yes removes it
  python -m pipeline predict latest "Not good at all."       score a review with the newest model
  python -m pipeline score champion --dumps New.csv          a prediction for every review of a dump

exit status: 0 done · 1 unexpected error · 2 wrong parameters · 3 unreadable dump · 4 data refused
             5 training impossible · 6 missing or damaged artifact · 130 interrupted (run again to resume)
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its status; a user's mistake ends in a sentence, not in a traceback."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S"
    )
    for noisy in ("httpx", "matplotlib", "fontTools", "great_expectations", "botocore", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        options.command(options)
    except NothingNewError as reason:
        print(reason)
    except PipelineError as stopped:
        error = stopped.cause if isinstance(stopped, PreparationError) else stopped
        if options.verbose:
            logging.getLogger(__name__).exception("In full:")
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on where this one stopped.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="From a dump of reviews to a judged sentiment model, one stage at a time or all at once.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--store", help=f"folder or URL of the artifacts (default: ${variable('store')} or ./.store)")
    common.add_argument("--verbose", action="store_true", help="log everything, and tracebacks with errors")
    knobs = _knobs()
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, summary: str, run: Callable[[argparse.Namespace], None], *, configured: bool = True
    ) -> argparse.ArgumentParser:
        parents = [common, knobs] if configured else [common]
        added = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=parents
        )
        added.set_defaults(command=run)
        return added

    whole = command("run", "run every stage and publish the report", _run)
    whole.add_argument("--run-name", help="name of the report's folder (default: the time of the start)")
    for name, (end, summary) in DATA_STAGES.items():
        command(name, summary, lambda options, end=end: _data_stage(options, end))  # type: ignore[misc]
    command("preflight", "name the device that training would use and run one LSTM step on it", _preflight)
    for name, summary in MODEL_STAGES.items():
        command(name, summary, lambda options, name=name: _model_stage(options, name))  # type: ignore[misc]
    command("config", "print the configuration that these options make, as YAML", _config)
    command("summary", "print scores, verdict and place of the newest report", _summary, configured=False)
    command("champion", "tell which model serves, and every change of it", _champion, configured=False)
    back = command("roll-back", "put the model that served before back into service", _roll_back, configured=False)
    back.add_argument("why", metavar="WHY", help="what is wrong with the present champion; it is kept with your name")
    tidy = command("clean-up", "show what nothing in the store needs, or remove it", _clean_up, configured=False)
    tidy.add_argument("--yes", action="store_true", help="remove it; without this it is only shown")
    for name in KNOBS:
        field = RetentionPolicy.model_fields[name]
        tidy.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="NUMBER",
            default=field.default,
            help=f"{field.description} (default: {field.default:g})",
        )
    predict = command("predict", "score review texts with an exported model", _predict, configured=False)
    predict.add_argument("model", metavar="MODEL", help="folder of an export, export/KEY, `latest` or `champion`")
    predict.add_argument("text", metavar="TEXT", nargs="*", help="reviews; without any, one a line from standard input")
    score = command("score", "score every review of a dump and publish the predictions", _score)
    score.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        default="champion",
        help="`champion` (default), `latest`, export/KEY, or the folder of an export",
    )
    score.add_argument("--run-name", help="name of the predictions' folder (default: the time of the start)")
    score.add_argument("--rows-per-shard", type=int, metavar="ROWS", help="rows that a kill may cost (default: 50000)")
    return parser


def _knobs() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--profile", choices=list(PROFILES), help="named set of values (default: demo for the demo dump, else default)"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file with parameters by name; options win over it"
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    defaults = RunConfig().flat()
    for section, name, field in RunConfig.fields():
        group = groups.setdefault(section, parser.add_argument_group(section))
        default = defaults[name]
        shown = " ".join(map(str, default)) if isinstance(default, list) else default
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            default=None,
            help=f"{(field.description or '').replace('%', '%%')} (default: {shown})",
            **_argument_type(field),
        )
    return parser


def _argument_type(field: FieldInfo) -> dict[str, Any]:
    kind = field.annotation
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(kind) is tuple:
        return {"nargs": "+", "metavar": "VALUE"}
    if get_origin(kind) is dict:
        return {"nargs": "+", "action": _Pairs, "metavar": "OURS=THEIRS"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    return {"metavar": "VALUE"}


class _Pairs(argparse.Action):
    """``text=Review score=Stars``, or one YAML file with the same."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        values = [str(value) for value in values or ()]
        if len(values) == 1 and "=" not in values[0]:
            from pipeline.readers import read_column_mapping

            try:
                setattr(namespace, self.dest, read_column_mapping(Path(values[0])))
            except PipelineError as error:
                parser.error(str(error))
            return
        pairs = [value.partition("=") for value in values]
        if any(not separator for _, separator, _ in pairs):
            parser.error(f"{option_string} takes OURS=THEIRS pairs or one YAML file, not {' '.join(values)!r}")
        setattr(namespace, self.dest, {ours: theirs for ours, _, theirs in pairs})


def _configured(options: argparse.Namespace) -> RunConfig:
    values: dict[str, Any] = {}
    if options.config is not None:
        values = read_settings(options.config)
    values |= {name: getattr(options, name) for _, name, _ in RunConfig.fields() if getattr(options, name) is not None}
    if options.profile is not None:
        values["profile"] = options.profile
    return RunConfig.from_flat(values)


def _store(options: argparse.Namespace) -> ArtifactStore:
    return ArtifactStore(options.store) if options.store else default_store()


def _workflow(options: argparse.Namespace) -> Workflow:
    return Workflow(_configured(options), _store(options))


def _run(options: argparse.Namespace) -> None:
    steps = _workflow(options)
    name = options.run_name or f"shell__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}"
    show_result(steps.run(name))


def _data_stage(options: argparse.Namespace, end: str) -> None:
    steps = _workflow(options)
    try:
        data = steps.data_steps(until=end)
    except PreparationError as error:
        refused = getattr(error.data, end)
        if refused is not None:
            _show(steps.store, refused)
        raise
    _show(steps.store, getattr(data, end))


def _preflight(options: argparse.Namespace) -> None:
    from pipeline.training import preflight

    print(preflight(_configured(options).hardware).model_dump_json(indent=2))


def _model_stage(options: argparse.Namespace, name: str) -> None:
    steps = _workflow(options)
    data = steps.data_steps()
    if name == "baselines":
        _show(steps.store, steps.baselines(data.reviews, _given(data.parts)))
        return
    steps.preflight(data)
    for variant in steps.config.variants:
        references = steps.train(data, variant)
        for step in VARIANT_STAGES[1 : VARIANT_STAGES.index(name) + 1]:
            references = getattr(steps, step)(data, references)
        _show(
            steps.store,
            references.behavioral_tests or references.exported or references.evaluated or references.trained,
        )


def _config(options: argparse.Namespace) -> None:
    import yaml

    print(yaml.safe_dump(_configured(options).flat(), sort_keys=False, allow_unicode=True), end="")


def _summary(options: argparse.Namespace) -> None:
    show_latest(_store(options))


def _champion(options: argparse.Namespace) -> None:
    from pipeline.promotion import champion_changes

    changes = champion_changes(_store(options))
    if not changes:
        print("There is no champion yet: no run's model has passed the gate.")
    for change in changes:
        print(f"{change.number:4}  {change.changed_at:%Y-%m-%d %H:%M}  {change.kind:9}  {change.model.title}")
        print(f"      export/{change.model.exported.key[:12]} of run {change.model.run_name}")
        print(textwrap.indent(textwrap.fill(f"{change.who}: {change.why}", SHOWN_WIDTH), "      "))


def _roll_back(options: argparse.Namespace) -> None:
    run_name = f"shell__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}"
    change = roll_back_champion(_store(options), who=user_name(), why=options.why, run_name=run_name)
    print(f"The champion is now {change.model.title} of run {change.model.run_name}.")


def _clean_up(options: argparse.Namespace) -> None:
    policy = policy_from({name: getattr(options, name) for name in KNOBS})
    store = _store(options)
    plan = plan_clean_up(store, policy, datetime.now(UTC))
    print(figures_as_text(plan.figures()))
    if options.yes:
        print(result_as_text(clean_up(store, plan)))
    elif plan.figures().bytes:
        print("Nothing was removed; with --yes it is.")


def _predict(options: argparse.Namespace) -> None:
    from pipeline.scoring import load_scorer

    texts = options.text or [line.rstrip("\n") for line in sys.stdin]
    store = _store(options)
    scorer = load_scorer(latest_model(store) if options.model == "latest" else options.model, store)
    print(f"{scorer.card.title}, threshold {scorer.threshold:.3f}", file=sys.stderr)
    for text, probability in zip(texts, scorer.probabilities(texts), strict=True):
        word = "positive" if probability >= scorer.threshold else "negative"
        shown = "".join(c if c.isprintable() else " " for c in text)
        print(f"{probability:.4f}  {word}  {textwrap.shorten(shown, SHOWN_REVIEW, placeholder='…')}")


def _score(options: argparse.Namespace) -> None:
    from pipeline.readers import check_dump, ingest
    from pipeline.scoring import ROWS_PER_SHARD, choose_model, score_dump
    from pipeline.sources import fetch

    store, data = _store(options), _configured(options).data
    exported = choose_model(latest_model(store) if options.model == "latest" else options.model, store)
    ingested = ingest(fetch(data, store, check_dump), data, store, stars=False)
    name = options.run_name or f"shell__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}"
    rows = ROWS_PER_SHARD if options.rows_per_shard is None else options.rows_per_shard
    published = score_dump(exported, ingested, name, store, rows)
    print(published.summary.model_dump_json(indent=2))
    print(f"Predictions: {published.predictions}")


def show_latest(store: ArtifactStore) -> None:
    """Print the short form and the place of the newest report.

    Raises:
        ArtifactError: No report was published yet, or it is gone.
    """
    latest = latest_report(store)
    if latest is None:
        raise ArtifactError(f"The store {store.url} holds no report yet; `python -m pipeline run` makes one.")
    page = str(store.root / latest.folder / "report.html")
    show_result(RunResult(run_name=latest.run_name, report=page, refusal=None))


def show_result(result: RunResult) -> None:
    """Print the report's short form and its place."""
    from upath import UPath

    short = UPath(result.report).parent / "report.md"
    try:
        print("\n" + short.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"The newest report was at {short}, which cannot be read; run again to make it.") from error
    print(f"Report: {result.report}")


def _show(store: ArtifactStore, reference: ArtifactReference) -> None:
    print(f"\n{reference}: {store.folder(reference)}")
    print(store.summary(reference, _AnySummary).model_dump_json(indent=2))


def _given(reference: ArtifactReference | None) -> ArtifactReference:
    assert reference is not None  # noqa: S101 - data_steps() without `until` ends with every reference
    return reference


class _AnySummary(Record):
    """Whatever figures a stage left; only for showing them."""

    model_config = ConfigDict(extra="allow", frozen=True)
