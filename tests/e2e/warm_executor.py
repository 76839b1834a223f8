"""Airflow's LocalExecutor, whose tasks find the heavy libraries loaded; each is still a process of its own.

Half of the processor time of a tiny run goes into loading TensorFlow, Great Expectations and MLflow, anew for every
task. The workers are forked from the scheduler, so that what it has loaded costs them nothing.
"""

from __future__ import annotations

from importlib import import_module

from airflow.executors.local_executor import LocalExecutor

LIBRARIES = (
    "pyarrow.parquet", "sklearn.linear_model", "great_expectations", "mlflow", "tensorflow",
)  # fmt: skip
"""Loaded, not used: TensorFlow must not have computed anything when a process forks."""


class WarmLocalExecutor(LocalExecutor):
    """Loads ``LIBRARIES`` before the workers are forked."""

    def start(self) -> None:
        """Load, then do as Airflow does."""
        for name in LIBRARIES:
            import_module(name)
        super().start()
