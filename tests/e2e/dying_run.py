"""Run the workflow in processes that are killed after each change that they make to the store, until one gets through.

``python dying_run.py CONFIGURATION`` reads runs from its input, each a line such as ``{"store": "/a/store", "name":
"first", "killed": true}``, and answers with a line that says how many processes were killed and how the last one ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Loaded once, before the processes part; nothing of them is used here.
import great_expectations  # noqa: F401
import sklearn.linear_model  # noqa: F401
import tensorflow  # noqa: F401, ICN001

import pipeline.dataset.registry
import pipeline.promotion.champions
import pipeline.reporting.publishing
from pipeline.config import RunConfig
from pipeline.steps import Run
from pipeline.store import ArtifactStore
from pipeline.workflow import run_workflow

MOST_PROCESSES = 200
CHANGES: tuple[tuple[Any, str], ...] = (
    (ArtifactStore, "_publish"),
    (pipeline.dataset.registry, "_write"),
    (pipeline.promotion.champions, "_created"),
    (pipeline.reporting.publishing, "_publish_folder"),
    (pipeline.reporting.publishing, "_write_latest"),
)
"""What makes a change visible: each process is allowed one, and dies with the next on its lips."""
RECORDS = ("artifacts/*/*", "champions/*", "collection/*/*")
"""What grows by such a change, below the store; a report that is published again does not."""


def main() -> None:
    """Answer every line of the input."""
    config = RunConfig.from_flat(json.loads(sys.argv[1]))
    for line in sys.stdin:
        told = json.loads(line)
        sys.stdout.write(json.dumps(_run(config, told["store"], told["name"], killed=told["killed"])) + "\n")
        sys.stdout.flush()


def _run(config: RunConfig, url: str, run_name: str, *, killed: bool) -> dict[str, int]:
    """Fork, let the child die, and go on until a child ends by itself."""
    dead, allowed, records = 0, 1, -1
    while dead < MOST_PROCESSES:
        child = os.fork()
        if not child:
            if killed:
                _die_after(allowed)
            run_workflow(Run(config, ArtifactStore(url), run_name))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return {"killed": dead, "status": os.waitstatus_to_exitcode(status)}
        dead += 1
        # A change that each process makes anew (the report is published again) must not keep it from the next.
        before, records = records, sum(len(list(Path(url).glob(pattern))) for pattern in RECORDS)
        allowed = 1 if records > before else allowed + 1
    raise RuntimeError(f"{MOST_PROCESSES} processes did not suffice.")


def _die_after(allowed: int) -> None:
    made = []

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **named: Any) -> Any:
            if len(made) >= allowed:
                os.kill(os.getpid(), signal.SIGKILL)
            result = change(*arguments, **named)
            made.append(change)
            return result

        return changed

    for home, name in CHANGES:
        setattr(home, name, dying(getattr(home, name)))


if __name__ == "__main__":
    main()
