"""The manual approval of a promotion."""

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
    """Asks a user to approve a promotion if the gate requires it; without an answer in time the champion is kept.

    Waiting takes no worker slot. A rejection skips the promotion. Without a question the task ends at once.
    """

    def __init__(self, *, state: Any, **kwargs: Any) -> None:  # noqa: ANN401 - an XCom, known at run time
        """Take the state with the gate's decision, which is read when the task runs."""
        super().__init__(
            subject="Promote the challenger?",
            defaults=self.REJECT,
            doc_md=type(self).__doc__,
            # The time limit is a parameter of the run.
            execution_timeout=None,
            **kwargs,
        )
        self.state = state

    template_fields = (*ApprovalOperator.template_fields, "state")

    def execute(self, context: Any) -> Any:  # noqa: ANN401 - Airflow's own signature
        """Ask the question, or end if there is none."""
        dag_run = context["dag_run"]
        run = Run(config_of(dag_run, context["params"]), default_store(), dag_run.run_id)
        decision = gate_decision(run, RunState.model_validate(self.state))
        if decision.decision != "needs_approval":
            return {}
        rules = "\n".join(
            f"- {'passed' if rule.passed else '**failed**'}: {rule.sentence}" for rule in decision.rules[:MAX_RULES]
        )
        self.subject = f"Promote {decision.challenger.title}?"
        self.body = (
            f"{decision.sentence}\n\nCurrent champion: {decision.champion_title or 'none'}.\n\n{rules}\n\n"
            "See the tab *Evaluation report* of the run. Without an answer the champion is kept."
        )
        self.response_timeout = timedelta(hours=run.config.promotion.approval_hours)
        return super().execute(context)
