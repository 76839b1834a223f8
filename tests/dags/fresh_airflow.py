"""Programs in processes that have loaded Airflow and have met nothing of this project, nor anything heavy.

To load Airflow takes seconds: it is done once, and each program runs in a fork.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Self

HEAVY = frozenset(
    {"tensorflow", "keras", "pandas", "pyarrow", "numpy", "sklearn", "onnxruntime", "great_expectations", "mlflow",
     "nltk", "matplotlib"}
)  # fmt: skip


class FreshAirflow:
    """Runs one program after the other."""

    def __init__(self) -> None:
        """Start the process whose forks run them, in the environment of now."""
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, __file__], stdin=pipe, stdout=pipe, text=True)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.process.communicate()

    def run(self, program: str, **environment: str) -> str:
        """Run Python code with these environment variables as well; return the last line that it printed."""
        self.process.stdin.write(json.dumps([program, environment]) + "\n")
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.startswith('{"status"'):
                assert json.loads(line) == {"status": 0}, program
                return printed[-1]
            printed.append(line.strip())
        raise AssertionError("Airflow cannot be loaded, or loads something heavy by itself.")


def main() -> None:
    """Load Airflow and serve."""
    import pydantic  # noqa: F401

    ours = {"pipeline", "review_sentiment"}
    assert not (HEAVY | ours) & {name.partition(".")[0] for name in sys.modules}
    # Where this file lies, and where a program's own folder would stand.
    sys.path.pop(0)
    for line in sys.stdin:
        program, environment = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.update(environment)
            exec(program, {"__name__": "__main__"})  # noqa: S102 - the tests' own
            sys.stdout.flush()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(json.dumps({"status": status}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
