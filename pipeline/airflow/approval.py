"""The one step at which a run may wait for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from pipeline.airflow.retraining import config_of
from pipeline.store import ArtifactReference
from pipeline.workflow import Workflow, default_store

SHOWN_RULES = 12


class ApprovePromotion(ApprovalOperator):
    """Asks a person where the gate says so, with its figures before them; without an answer in time the champion stays.

    Waiting takes no worker slot. A "no" skips what comes after; where nobody need be asked, the task ends at once.
    """

    def __init__(self, *, gate_result: Any, **kwargs: Any) -> None:  # noqa: ANN401 - an XCom, known at run time
        """Take the gate's decision; the question is put together when the run has come to it."""
        super().__init__(
            subject="May the challenger take the champion's place?",
            defaults=self.REJECT,
            doc_md=type(self).__doc__,
            # Waiting has a bound of its own, which each run brings.
            execution_timeout=None,
            **kwargs,
        )
        self.gate_result = gate_result

    template_fields = (*ApprovalOperator.template_fields, "gate_result")

    def execute(self, context: Any) -> Any:  # noqa: ANN401 - Airflow's own signature
        """Put the question, or end where there is none."""
        run = context["dag_run"]
        steps = Workflow(config_of(run, context["params"]), default_store(), run.run_id)
        decision = steps.decision(ArtifactReference.model_validate(self.gate_result))
        if decision.decision != "needs_person":
            return {}
        rules = "\n".join(
            f"- {'passed' if rule.passed else '**failed**'}: {rule.sentence}" for rule in decision.rules[:SHOWN_RULES]
        )
        self.subject = f"May {decision.challenger.title} take the champion's place?"
        self.body = (
            f"{decision.sentence}\n\nChampion now: {decision.champion_title or 'none'}.\n\n{rules}\n\n"
            "The run's tab *Evaluation report* has every figure. Without an answer the champion stays."
        )
        self.response_timeout = timedelta(hours=steps.config.promotion.approval_hours)
        return super().execute(context)
