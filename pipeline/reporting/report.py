"""The stage ``report``: renders page, JSON, message and model card from the same frozen contents."""

from __future__ import annotations

from pydantic import BaseModel

from pipeline.config import RunConfig
from pipeline.reporting.gathering import gather
from pipeline.reporting.history import published_run
from pipeline.reporting.html import render_html
from pipeline.reporting.message import render_message
from pipeline.reporting.model_card import render_model_card
from pipeline.reporting.publishing import DATA, MESSAGE, MODEL_CARD, PAGE, RUN
from pipeline.reporting.records import ReportSummary
from pipeline.run_state import RunState
from pipeline.sources.naming import without_secrets
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.training.records import DeviceRecord

STAGE = Stage("report", version=4)


class ReportParams(BaseModel):
    """Parameters of the report besides its input artifacts."""

    run_name: str
    config: RunConfig
    device: DeviceRecord | None
    refusal: str | None
    variants: tuple[str, ...]


def report(state: RunState, config: RunConfig, run_name: str, store: ArtifactStore) -> ArtifactReference:
    """Write the report of a run that is complete, refused or unfinished.

    Logins and queries are removed from the addresses of the configuration, because reports are shared.

    Args:
        state: The artifacts of the run.
        config: The configuration of the run.
        run_name: The run's name; untrusted text.
        store: The artifact store.

    Returns:
        An artifact with ``report.html``, ``report.json``, ``report.md``, ``model_card.md``, ``run.json``; its summary
        is a ``ReportSummary``.

    Raises:
        ArtifactError: An artifact is missing or has another schema.
    """
    # Arguments of a shell with a broken locale have lone surrogates, which cannot be written to a file.
    name = run_name.encode("utf-8", "backslashreplace").decode()
    config = _without_secrets(config)

    def build(work: Workspace) -> Outcome:
        contents = gather(state, config, store, name)
        (work.folder / PAGE).write_text(render_html(contents), encoding="utf-8")
        (work.folder / DATA).write_text(contents.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (work.folder / MESSAGE).write_text(render_message(contents), encoding="utf-8")
        (work.folder / MODEL_CARD).write_text(render_model_card(contents), encoding="utf-8")
        run = published_run(contents, state.inputs())
        (work.folder / RUN).write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return Outcome(
            ReportSummary(
                outcome=contents.outcome,
                headline=contents.headline,
                demo=contents.demo,
                warnings=len(contents.warnings),
                serious_warnings=sum(warning.serious for warning in contents.warnings),
            )
        )

    return store.produce(
        STAGE,
        inputs=state.inputs(),
        params=ReportParams(
            run_name=name,
            config=config,
            device=state.device,
            refusal=state.refusal,
            variants=tuple(variant.name for variant in state.variants),
        ),
        build=build,
    )


def _without_secrets(config: RunConfig) -> RunConfig:
    dumps = tuple(map(without_secrets, config.data.dumps))
    return config.model_copy(update={"data": config.data.model_copy(update={"dumps": dumps})})
