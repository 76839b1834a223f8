"""Checks a contract with Great Expectations. Only this module imports it, inside functions: the import takes 3–7 s.

The context is in memory, without network access and telemetry. Only its pages reach the artifact.
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

from pipeline.errors import quoted
from pipeline.validation.contracts import Expectation, FrameName, Observation
from pipeline.validation.data_docs import write_data_docs
from pipeline.validation.records import ContractResult, ExpectationResult

log = logging.getLogger(__name__)

FIXED_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""The time of every run of Great Expectations: fixed, so that the same data give the same pages."""
SITE = "site"
SAMPLES: dict[FrameName, int] = {"columns": 0, "dump": 0, "reviews": 10, "languages": 0}
"""Unexpected values on a page, by frame: figures only, never text. Of missing columns there are none, because Great
Expectations lists them in the order of a set, which differs between runs; the index lists them instead."""


def check_contract(
    data_set: str,
    contract: tuple[Expectation, ...],
    frames: Mapping[FrameName, pa.Table],
    data_docs: Path | None,
) -> ContractResult:
    """Check every expectation and write the Data Docs.

    Args:
        data_set: ``raw`` or ``clean``.
        contract: The expectations.
        frames: The frames by name; all columns have a fixed width.
        data_docs: Folder for ``index.html`` and one page per frame; ``None`` for no pages.
    """
    names = tuple(dict.fromkeys(expectation.frame for expectation in contract))
    with _quiet(), tempfile.TemporaryDirectory(prefix="great-expectations-") as scratch:
        context = _context(Path(scratch))
        results: dict[int, ExpectationResult] = {}
        for name in names:
            numbered = {number: one for number, one in enumerate(contract) if one.frame == name}
            results |= _check_frame(context, f"{data_set} {name}", numbered, frames[name])
        ordered = tuple(results[number] for number in range(len(contract)))
        result = ContractResult(success=all(one.success for one in ordered), expectations=ordered)
        if data_docs is not None:
            context.build_data_docs(site_names=[SITE])
            pages = {name: _page(Path(scratch), f"{data_set} {name}") for name in names}
            write_data_docs(data_set, result, tuple(one.frame for one in contract), pages, data_docs)
    return result


def _check_frame(
    context: Any,  # noqa: ANN401 - a data context; its type is in the library
    suite: str,
    expectations: Mapping[int, Expectation],
    frame: pa.Table,
) -> dict[int, ExpectationResult]:
    """Check the expectations on one frame and return the results by number.

    Not a Checkpoint: it passes one data frame to all its validations, but each of these has its own.
    """
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.run_identifier import RunIdentifier

    asset = context.data_sources.add_pandas(suite).add_dataframe_asset(suite)
    checks = []
    for number, expectation in expectations.items():
        check = getattr(gx.expectations, "".join(part.capitalize() for part in expectation.kind.split("_")))
        checks.append(check(**expectation.arguments, notes=expectation.title, meta={"number": number}))
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=suite,
            data=asset.add_batch_definition_whole_dataframe("all rows"),
            suite=context.suites.add(gx.ExpectationSuite(name=suite, expectations=checks)),
        )
    )
    samples = SAMPLES[next(iter(expectations.values())).frame]
    validated = validation.run(
        # Arrow's own types keep large ids exact next to missing ones; NumPy would make them floats.
        batch_parameters={"dataframe": frame.to_pandas(types_mapper=pd.ArrowDtype)},
        result_format={"result_format": "BASIC", "partial_unexpected_count": samples},
        run_id=RunIdentifier(run_name=suite, run_time=FIXED_TIME),
    )
    found = {result.expectation_config.meta["number"]: result.to_json_dict() for result in validated.results}
    return {number: _result(expectation, found[number], frame) for number, expectation in expectations.items()}


def _result(expectation: Expectation, found: Mapping[str, Any], frame: pa.Table) -> ExpectationResult:
    failure = _failure(found["exception_info"])
    if failure is None:
        observed = expectation.observed(Observation(found["result"], frame))
    else:
        log.error("Great Expectations could not check %s: %s", expectation.title, failure)
        observed = f"could not be checked: {failure}"
    return ExpectationResult(
        name=expectation.kind,
        title=expectation.title,
        column=expectation.arguments.get("column"),
        success=failure is None and bool(found["success"]),
        observed=observed,
        expected=expectation.expected,
        advice=expectation.advice,
    )


def _failure(exception_info: Mapping[str, Any]) -> str | None:
    """Return the message of an exception inside Great Expectations: it reports one, or one per metric."""
    infos = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    messages = [info.get("exception_message") for info in infos if info.get("raised_exception")]
    return quoted(messages[0], 200) if messages else None


def _context(scratch: Path) -> Any:  # noqa: ANN401 - a data context; its type is in the library
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
    """Silence Great Expectations' log (over 200 lines) and its warnings about its own deprecated calls."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _page(site: Path, suite: str) -> str:
    (page,) = (site / "validations" / suite).rglob("*.html")
    return page.read_text(encoding="utf-8")
