"""Run the DAG ``train_review_sentiment`` in this process, without a server, and print the result (``make run``)."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

from scripts import airflow_environment
from scripts.airflow_environment import CHECKOUT


def main() -> int:
    """Return 0 if the run succeeded, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", default="", help="a path or URL, `kaggle` or `demo`; several separated by commas")
    parser.add_argument("--profile", default="", help="default, article or demo")
    parser.add_argument("--conf", default="{}", help="further parameters as JSON, e.g. '{\"epochs\": 3}'")
    options = parser.parse_args()
    try:
        conf = json.loads(options.conf)
    except json.JSONDecodeError as error:
        parser.error(f"--conf is not JSON: {error}")
    if not isinstance(conf, dict):
        parser.error(f"--conf takes a JSON object such as '{{\"epochs\": 3}}', not {options.conf}")
    dumps = _dumps(options.dump)
    conf |= {"dumps": dumps} if dumps else {}
    conf |= {"profile": options.profile} if options.profile else {}

    airflow_environment.prepare(CHECKOUT / ".airflow")
    os.environ.setdefault("REVIEW_SENTIMENT_STORE", str(CHECKOUT / ".store"))

    # Airflow reads the environment when it is imported.
    from airflow.dag_processing.dagbag import DagBag

    from pipeline.cli import show_latest
    from pipeline.errors import PipelineError
    from pipeline.workflow import default_store, latest_report

    # Hide Airflow's deprecation warnings, show the progress of the stages.
    warnings.simplefilter("ignore")
    _show_progress()
    bag = DagBag(dag_folder=str(CHECKOUT / "dags"))
    if bag.import_errors:
        print(*bag.import_errors.values(), sep="\n", file=sys.stderr)
        return 1
    run = bag.dags["train_review_sentiment"].test(run_conf=conf)
    try:
        latest = latest_report(default_store())
        if latest is not None and latest.run_name == run.run_id:
            show_latest(default_store())
    except PipelineError as error:
        print(f"The report cannot be shown: {error}", file=sys.stderr)
    failed = [ti for ti in run.get_task_instances() if ti.state == "failed"]
    if failed:
        names = ", ".join(sorted({ti.task_id for ti in failed}))
        print(f"\nThe run failed in: {names}. The message is above, after the name of the task.", file=sys.stderr)
    return 0 if run.state == "success" else 1


def _show_progress() -> None:
    """Print the log lines of the stages, in addition to Airflow's warnings and errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", datefmt="%H:%M:%S"))
    steps = logging.getLogger("pipeline")
    steps.setLevel(logging.INFO)
    steps.addHandler(handler)
    steps.propagate = False


def _dumps(text: str) -> list[str]:
    """Split at commas, unless the whole text is an existing path; make local paths absolute."""
    if not text:
        return []
    names = [text] if Path(text).exists() else [part.strip() for part in text.split(",") if part.strip()]
    return [str(Path(name).resolve()) if Path(name).exists() else name for name in names]


if __name__ == "__main__":
    sys.exit(main())
