"""The command line: runs, scoring, the champion, the store.

The options are generated from :class:`pipeline.config.RunConfig`, the stages come from :mod:`pipeline.stages`.
"""

from __future__ import annotations

import argparse
import codecs
import logging
import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

from pydantic import ConfigDict
from pydantic.fields import FieldInfo

from pipeline.benchmarks import BENCHMARKS, benchmark_as_text, run_benchmark
from pipeline.config import PROFILES, RunConfig, read_settings
from pipeline.errors import ArtifactError, ConfigurationError, NothingNewError, PipelineError, TrainingError
from pipeline.retention import (
    PARAMETERS,
    RetentionPolicy,
    clean_up,
    figures_as_text,
    plan_clean_up,
    policy_from,
    result_as_text,
)
from pipeline.run_state import RunState
from pipeline.settings import variable
from pipeline.stages import STAGES
from pipeline.steps import Run, new_run_name
from pipeline.store import ArtifactStore, Record
from pipeline.workflow import (
    RunResult,
    RunStoppedError,
    default_store,
    latest_model,
    latest_report,
    roll_back_champion,
    run_stages,
    run_workflow,
    user_name,
)

LINE_WIDTH = 100
"""Characters of a line of wrapped text."""
SHOWN_REVIEW = 100
"""Characters of a review that ``score`` repeats after its probability."""
TRAINING_MODULES = ("tensorflow", "keras", "onnx", "mlflow")
"""Modules of the extra ``train``."""
NOISY_LOGGERS = ("httpx", "matplotlib", "fontTools", "great_expectations", "botocore", "absl")

EPILOG = """examples:
  review-sentiment run                                       a generated demo dump, small models
  review-sentiment run --dumps Reviews.csv                   your reviews, the recommended settings
  review-sentiment run --dumps a.csv.gz b.csv.gz --profile article
  review-sentiment run --dumps Reviews.csv --until clean     up to the clean reviews, then stop
  review-sentiment run --dumps Reviews.csv --from train      only if the store holds every artifact before training
  review-sentiment run --dumps Reviews.csv --epochs 3 --directions bi --units 64 128
  review-sentiment score "Not good at all."                  score a review with the champion
  review-sentiment score --dumps New.csv                     score every review of a dump
  review-sentiment benchmark imdb --dumps imdb.jsonl         repeat a published comparison
  review-sentiment clean-up                                  list unreferenced artifacts; --yes deletes them

exit status: 0 done · 1 unexpected error · 2 wrong parameters · 3 unreadable dump · 4 data refused
             5 training impossible · 6 missing or damaged artifact · 130 interrupted (run again to resume)
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its status; a user's mistake ends in a message, not in a traceback."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S"
    )
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        options.command(options)
    except NothingNewError as reason:
        print(reason)
    except PipelineError as stopped:
        error = stopped.cause if isinstance(stopped, RunStoppedError) else stopped
        if options.verbose:
            logging.getLogger(__name__).exception("In full:")
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except ModuleNotFoundError as missing:
        if missing.name not in TRAINING_MODULES:
            raise
        print(
            f"\nThis command needs {missing.name}. Install it with: pip install 'review-sentiment[train]'",
            file=sys.stderr,
        )
        sys.exit(TrainingError.exit_status)
    except BrokenPipeError:
        # The reader of the output, `head` for example, has ended; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("\nInterrupted. The same command resumes where this one stopped.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="review-sentiment",
        description="Train a sentiment model on review dumps, evaluate it, promote it if it is better, score reviews.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {metadata.version('review-sentiment')}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--store", help=f"folder or URL of the artifacts (default: ${variable('store')} or ./.store)")
    common.add_argument("--verbose", action="store_true", help="log everything, and tracebacks with errors")
    parameters, reading = _parameters(), _parameters("data")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(
        name: str, summary: str, run: Callable[[argparse.Namespace], None], *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}."
        added = commands.add_parser(name, help=summary, description=description, parents=[common, *parents])
        added.set_defaults(command=run)
        return added

    stages = [spec.name.replace("_", "-") for spec in STAGES]
    run = command("run", "run the stages and publish the report", _run, parameters)
    run.add_argument("--until", metavar="STAGE", choices=stages, help="stop after this stage and print its summary")
    run.add_argument(
        "--from",
        dest="start",
        metavar="STAGE",
        choices=stages,
        help="compute from this stage on; fail if the store lacks an earlier artifact",
    )
    run.add_argument("--run-name", help="name of the run and of its report's folder (default: the time of the start)")
    score = command("score", "score texts, or every review of a dump", _score, reading)
    score.add_argument(
        "text", metavar="TEXT", nargs="*", help="reviews; without any and without --dumps: lines of stdin"
    )
    score.add_argument(
        "--model", default="champion", help="`champion` (default), `latest`, export/KEY, or the folder of an export"
    )
    score.add_argument("--run-name", help="name of the predictions' folder (default: the time of the start)")
    score.add_argument(
        "--rows-per-shard", type=int, metavar="ROWS", help="rows per shard; an interrupted shard is scored again"
    )
    score.add_argument(
        "--allow-demo-model", action="store_true", help="let a model of generated demo reviews score a real dump"
    )
    benchmark = command(
        "benchmark", "train on a published benchmark and print its figures next to ours", _benchmark, parameters
    )
    benchmark.add_argument("name", metavar="NAME", choices=list(BENCHMARKS), help=" or ".join(BENCHMARKS))
    command("champion", "print the champion and every change of it", _champion)
    back = command("roll-back", "make the previous champion the champion again", _roll_back)
    back.add_argument("why", metavar="REASON", help="what is wrong with the champion; recorded with your name")
    command("summary", "print scores, decision and place of the newest report", _summary)
    command("stages", "list the stages of a run", _stages)
    command("config", "print the configuration that these options make, as YAML", _config, parameters)
    tidy = command("clean-up", "list the artifacts that nothing references, or delete them", _clean_up)
    tidy.add_argument("--yes", action="store_true", help="delete them")
    for name in PARAMETERS:
        field = RetentionPolicy.model_fields[name]
        tidy.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="NUMBER",
            default=field.default,
            help=f"{field.description} (default: {field.default:g})",
        )
    return parser


def _parameters(*sections: str) -> argparse.ArgumentParser:
    """Return the options of the configuration's sections; of all sections if none is named."""
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
        if sections and section not in sections:
            continue
        group = groups.setdefault(section, parser.add_argument_group(section))
        default = defaults[name]
        text = " ".join(map(str, default)) if isinstance(default, list) else default
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            default=None,
            help=f"{(field.description or '').replace('%', '%%')} (default: {text})",
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
        return {"nargs": "+", "action": _Pairs, "metavar": "NAME=VALUE"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    return {"metavar": "VALUE"}


class _Pairs(argparse.Action):
    """``text=Review score=Stars``; for the column mapping also one YAML file with the same."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        values = [str(value) for value in values or ()]
        if self.dest == "columns" and len(values) == 1 and "=" not in values[0]:
            from pipeline.readers import read_column_mapping

            try:
                setattr(namespace, self.dest, read_column_mapping(Path(values[0])))
            except PipelineError as error:
                parser.error(str(error))
            return
        pairs = [value.partition("=") for value in values]
        if any(not separator for _, separator, _ in pairs):
            file = " or one YAML file" if self.dest == "columns" else ""
            parser.error(f"{option_string} takes NAME=VALUE pairs{file}, not {' '.join(values)!r}")
        setattr(namespace, self.dest, {name: value for name, _, value in pairs})


def _configured(options: argparse.Namespace) -> RunConfig:
    return RunConfig.from_flat(_values(options))


def _values(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the configuration file and of the options, by name."""
    values: dict[str, Any] = {}
    if options.config is not None:
        values = read_settings(options.config)
    given = {name: getattr(options, name, None) for _, name, _ in RunConfig.fields()}
    values |= {name: value for name, value in given.items() if value is not None}
    if options.profile is not None:
        values["profile"] = options.profile
    return values


def _store(options: argparse.Namespace) -> ArtifactStore:
    return ArtifactStore(options.store) if options.store else default_store()


def _run(options: argparse.Namespace) -> None:
    run = Run(_configured(options), _store(options), options.run_name or new_run_name())
    if options.until is None:
        show_result(run_workflow(run, start=options.start))
        return
    try:
        *_, state = run_stages(run, start=options.start, until=options.until)
    except RunStoppedError as error:
        _print_stage(options.until, error.state, run.store)
        raise
    _print_stage(options.until, state, run.store)


def _print_stage(option: str, state: RunState, store: ArtifactStore) -> None:
    """Print the summaries of a stage's artifacts: several for a stage that runs for each variant."""
    name = option.replace("-", "_")
    if name == "preflight" and state.device is not None:
        print(state.device.model_dump_json(indent=2))
    for produced in (state, *state.variants):
        if (reference := produced.get(name)) is not None:
            print(f"\n{reference}: {store.folder(reference)}")
            print(store.summary(reference, _AnySummary).model_dump_json(indent=2))


def _score(options: argparse.Namespace) -> None:
    if options.text and options.dumps:
        raise ConfigurationError("`score` takes texts or --dumps, not both.")
    store = _store(options)
    model = latest_model(store) if options.model == "latest" else options.model
    if options.dumps:
        _score_dump(options, model, store)
    else:
        given = [os.fsencode(text) for text in options.text]
        _score_texts(_decoded(given or sys.stdin.buffer.read().splitlines()), model, store)


def _decoded(given: Sequence[bytes]) -> list[str]:
    """Return lines as text, each in its own encoding, as those of a dump."""
    from pipeline.readers.encodings import UNREADABLE, decode

    lines = [decode(line.removeprefix(codecs.BOM_UTF8)) for line in given]
    damaged = sum(re.search(UNREADABLE, line) is not None for line in lines)
    if damaged:
        print(f"{damaged:,} of {len(lines):,} lines have a character that could not be read.", file=sys.stderr)
    return lines


def _score_texts(texts: Sequence[str], model: str, store: ArtifactStore) -> None:
    from pipeline.scoring import load_scorer

    scorer = load_scorer(model, store)
    print(f"{scorer.model.title}, threshold {scorer.threshold:.3f}", file=sys.stderr)
    scores = scorer.score_texts(texts)
    for text, probability, answer in zip(texts, scores.probability, scorer.answers(scores), strict=True):
        shown = "     –" if answer == "unknown" else f"{probability:.4f}"
        printable = "".join(character if character.isprintable() else " " for character in text)
        print(f"{shown}  {answer:8}  {textwrap.shorten(printable, SHOWN_REVIEW, placeholder='…')}")


def _score_dump(options: argparse.Namespace, model: str, store: ArtifactStore) -> None:
    from pipeline.readers import check_dump, ingest
    from pipeline.scoring import ROWS_PER_SHARD, choose_model, score_dump
    from pipeline.sources import fetch

    data = _configured(options).data
    exported = choose_model(model, store)
    ingested = ingest(fetch(data, store, check_dump), data, store, stars=False)
    rows = ROWS_PER_SHARD if options.rows_per_shard is None else options.rows_per_shard
    published = score_dump(
        exported,
        ingested,
        options.run_name or new_run_name(),
        store,
        rows,
        allow_demo_model=options.allow_demo_model,
    )
    print(published.summary.model_dump_json(indent=2))
    print(f"Predictions: {published.predictions}")


def _benchmark(options: argparse.Namespace) -> None:
    benchmark = BENCHMARKS[options.name]
    run = Run(benchmark.configuration(_values(options)), _store(options))
    print(benchmark_as_text(run_benchmark(benchmark, run)))


def _stages(_: argparse.Namespace) -> None:
    for spec in STAGES:
        print(f"{spec.name.replace('_', '-'):31}  {spec.help}")


def _config(options: argparse.Namespace) -> None:
    import yaml

    print(yaml.safe_dump(_configured(options).flat(), sort_keys=False, allow_unicode=True), end="")


def _summary(options: argparse.Namespace) -> None:
    show_latest(_store(options))


def _champion(options: argparse.Namespace) -> None:
    from pipeline.promotion import champion_changes

    changes = champion_changes(_store(options))
    if not changes:
        print("There is no champion yet: no model has passed the gate.")
    for change in changes:
        print(f"{change.number:4}  {change.changed_at:%Y-%m-%d %H:%M}  {change.kind:9}  {change.model.title}")
        print(f"      export/{change.model.exported.key[:12]} of run {change.model.run_name}")
        print(textwrap.indent(textwrap.fill(f"{change.who}: {change.why}", LINE_WIDTH), "      "))


def _roll_back(options: argparse.Namespace) -> None:
    change = roll_back_champion(_store(options), who=user_name(), why=options.why, run_name=new_run_name())
    print(f"The champion is now {change.model.title} of run {change.model.run_name}.")


def _clean_up(options: argparse.Namespace) -> None:
    policy = policy_from({name: getattr(options, name) for name in PARAMETERS})
    store = _store(options)
    plan = plan_clean_up(store, policy, datetime.now(UTC))
    print(figures_as_text(plan.figures()))
    if options.yes:
        print(result_as_text(clean_up(store, plan)))
    elif plan.figures().bytes:
        print("Nothing was deleted; --yes deletes them.")


def show_latest(store: ArtifactStore) -> None:
    """Print the short form and the place of the newest report.

    Raises:
        ArtifactError: No report was published yet, or its files are missing.
    """
    latest = latest_report(store)
    if latest is None:
        raise ArtifactError(f"The store {store.url} holds no report yet; `review-sentiment run` makes one.")
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


class _AnySummary(Record):
    """The figures of any stage, to print them."""

    model_config = ConfigDict(extra="allow", frozen=True)
