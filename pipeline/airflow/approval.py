"""The manual approval of a promotion."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from pipeline.airflow.links import page_address, report_page
from pipeline.airflow.retraining import config_of
from pipeline.errors import ArtifactError
from pipeline.run_state import RunState
from pipeline.steps import Run
from pipeline.workflow import default_store, gate_decision

if TYPE_CHECKING:
    from pipeline.promotion import GateDecision
    from pipeline.reporting.approval import ApprovalQuestion

log = logging.getLogger(__name__)


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
        state = RunState.model_validate(self.state)
        decision = gate_decision(run, state)
        if decision.decision != "needs_approval":
            return {}
        question = _question(run, state, decision)
        self.subject, self.body = question.subject, question.body
        self.response_timeout = timedelta(hours=run.config.promotion.approval_hours)
        return super().execute(context)


def _question(run: Run, state: RunState, decision: GateDecision) -> ApprovalQuestion:
    from pipeline.evaluation import EvaluationSummary
    from pipeline.promotion.champions import champion
    from pipeline.reporting.approval import approval_question
    from pipeline.reporting.gathering import gather

    current = champion(run.store)
    figures = None
    if current is not None:
        try:
            figures = run.store.summary(current.model.evaluated, EvaluationSummary)
        except ArtifactError as error:
            log.warning("The figures of the champion are missing in the question: %s", error)
    page = report_page(run.name)
    return approval_question(
        decision,
        gather(state, run.config, run.store, run.name),
        figures,
        # Relative to the server if its address is not known here.
        report_url=page_address(page) or f"/{page}",
        hours=run.config.promotion.approval_hours,
    )
