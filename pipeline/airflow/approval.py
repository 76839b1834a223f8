"""The one step at which a run may wait for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from pipeline.airflow.retraining import config_of
from pipeline.run_state import RunState
from pipeline.steps import Run
from pipeline.workflow import default_store, gate_decision

MAX_RULES = 12


class ApprovePromotion(ApprovalOperator):
    """Asks a person where the gate says so, with its figures before them; without an answer in time the champion stays.

    Waiting takes no worker slot. A "no" skips what comes after; where nobody need be asked, the task ends at once.
    """

    def __init__(self, *, state: Any, **kwargs: Any) -> None:  # noqa: ANN401 - an XCom, known at run time
        """Take the gate's decision; the question is put together when the run has come to it."""
        super().__init__(
            subject="May the challenger take the champion's place?",
            defaults=self.REJECT,
            doc_md=type(self).__doc__,
            # Waiting has a bound of its own, which each run brings.
            execution_timeout=None,
            **kwargs,
        )
        self.state = state

    template_fields = (*ApprovalOperator.template_fields, "state")

    def execute(self, context: Any) -> Any:  # noqa: ANN401 - Airflow's own signature
        """Put the question, or end where there is none."""
        dag_run = context["dag_run"]
        run = Run(config_of(dag_run, context["params"]), default_store(), dag_run.run_id)
        decision = gate_decision(run, RunState.model_validate(self.state))
        if decision.decision != "needs_person":
            return {}
        rules = "\n".join(
            f"- {'passed' if rule.passed else '**failed**'}: {rule.sentence}" for rule in decision.rules[:MAX_RULES]
        )
        self.subject = f"May {decision.challenger.title} take the champion's place?"
        self.body = (
            f"{decision.sentence}\n\nChampion now: {decision.champion_title or 'none'}.\n\n{rules}\n\n"
            "The run's tab *Evaluation report* has every figure. Without an answer the champion stays."
        )
        self.response_timeout = timedelta(hours=run.config.promotion.approval_hours)
        return super().execute(context)
