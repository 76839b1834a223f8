"""Great Expectations at work: the one module that imports it, and only inside functions (3–7 s).

The context lives in memory, asks no network and tells nobody; only its pages reach the artifact.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.config import ValidationConfig
from pipeline.errors import quoted
from pipeline.validation.clauses import Clause, FrameName, Observation
from pipeline.validation.data_docs import Page, write_data_docs
from pipeline.validation.records import ContractResult, ExpectationResult

log = logging.getLogger(__name__)

FIXED_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""Great Expectations wants a time for each run; ours says nothing, so that the same data give the same pages."""
SITE = "site"
SAMPLES: dict[FrameName, int] = {"columns": 0, "dump": 0, "reviews": 10}
"""Unexpected values that a page shows: figures only, never text. Missing columns come in the order of a set, which
differs from run to run; the index lists them."""


def hold_contract(
    data_set: str,
    clauses: tuple[Clause, ...],
    config: ValidationConfig,
    frames: Mapping[FrameName, pa.Table],
    data_docs: Path | None,
    *,
    advice: Mapping[Clause, str] | None = None,
) -> ContractResult:
    """Check every clause and write the Data Docs.

    Args:
        data_set: ``raw`` or ``clean``.
        clauses: The contract.
        config: Its limits.
        frames: What the clauses look at, by name; columns of fixed width.
        data_docs: Folder to write ``index.html`` and one page per frame into; ``None`` for no pages.
        advice: What to do about a clause where these data tell more than the clause itself can.
    """
    with _quiet(), tempfile.TemporaryDirectory(prefix="great-expectations-") as scratch:
        context = _context(Path(scratch))
        results: dict[Clause, ExpectationResult] = {}
        for frame in dict.fromkeys(clause.frame for clause in clauses):
            of_frame = tuple(clause for clause in clauses if clause.frame == frame)
            results |= _check(context, data_set, frame, of_frame, config, frames[frame])
        ordered = tuple(
            results[clause].model_copy(update={"advice": (advice or {}).get(clause, clause.advice)})
            for clause in clauses
        )
        contract = ContractResult(success=all(result.success for result in ordered), expectations=ordered)
        if data_docs is not None:
            context.build_data_docs(site_names=[SITE])
            of_clauses = tuple(clause.frame for clause in clauses)
            pages = tuple(
                Page(frame, _only_page(Path(scratch), _suite_name(data_set, frame)))
                for frame in dict.fromkeys(of_clauses)
            )
            write_data_docs(data_set, contract, of_clauses, pages, data_docs)
    return contract


def _check(  # noqa: PLR0917 - one frame's part of the contract
    context: Any,  # noqa: ANN401 - a data context; its type lives in the library
    data_set: str,
    frame: FrameName,
    clauses: tuple[Clause, ...],
    config: ValidationConfig,
    table: pa.Table,
) -> dict[Clause, ExpectationResult]:
    """Run one suite on one frame.

    Not a Checkpoint: it hands the same data frame to all its validations, and each of ours has its own.
    """
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.run_identifier import RunIdentifier

    name = _suite_name(data_set, frame)
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(frame)
    expectations = []
    for number, clause in enumerate(clauses):
        kind = getattr(gx.expectations, "".join(part.capitalize() for part in clause.expectation.split("_")))
        expectations.append(kind(**clause.arguments(config), notes=clause.title, meta={"clause": number}))
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=name,
            data=asset.add_batch_definition_whole_dataframe("all rows"),
            suite=context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations)),
        )
    )
    outcome = validation.run(
        # Arrow's own types keep large ids exact where some are missing; NumPy would make them floats.
        batch_parameters={"dataframe": table.to_pandas(types_mapper=pd.ArrowDtype)},
        result_format={"result_format": "BASIC", "partial_unexpected_count": SAMPLES[frame]},
        run_id=RunIdentifier(run_name=data_set, run_time=FIXED_TIME),
    )
    by_number = {result.expectation_config.meta["clause"]: result for result in outcome.results}
    return {clause: _result(clause, config, by_number[number], table) for number, clause in enumerate(clauses)}


def _result(
    clause: Clause,
    config: ValidationConfig,
    result: Any,  # noqa: ANN401 - an ExpectationValidationResult; its type lives in the library
    frame: pa.Table,
) -> ExpectationResult:
    found = result.to_json_dict()
    failure = _failure(found["exception_info"])
    if failure is None:
        observed = clause.observed(Observation(found["result"], frame))
    else:
        log.error("Great Expectations could not check %s: %s", clause.title, failure)
        observed = f"could not be checked: {failure}"
    return ExpectationResult(
        name=clause.expectation,
        title=clause.title,
        column=clause.arguments(config).get("column"),
        success=failure is None and bool(found["success"]),
        observed=observed,
        expected=clause.expected(config),
        advice=clause.advice,
    )


def _failure(exception_info: Mapping[str, Any]) -> str | None:
    """Return the message of an exception inside Great Expectations, which reports one or one per metric."""
    infos = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    messages = [info.get("exception_message") for info in infos if info.get("raised_exception")]
    return quoted(messages[0], 200) if messages else None


def _context(scratch: Path) -> Any:  # noqa: ANN401 - a data context; its type lives in the library
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(scratch)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            data_docs_sites={SITE: site},
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Great Expectations says of itself: over 200 lines, and deprecations of its own calls."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _suite_name(data_set: str, frame: str) -> str:
    return f"{data_set} {frame}"


def _only_page(site: Path, suite: str) -> str:
    (page,) = (site / "validations" / suite).rglob("*.html")
    return page.read_text(encoding="utf-8")
