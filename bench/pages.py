"""How fast the pages in Airflow's UI answer: 200 runs, 500 batches, 100,000 quarantined rows in the store."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

USER, PASSWORD = "bench", "no secret: this server ends with the benchmark"
PAGES = (
    "/",
    "/?page=20",
    "/history",
    "/history?compare=run-7&compare=run-8",
    "/compare?first=run-7&second=run-8",
    "/score",
    "/training",
    "/runs/run-7/",
    "/runs/run-7/quarantine",
    "/runs/run-7/quarantine?reason=bad_score&page=900",
)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000, help="rows in quarantine")
    parser.add_argument("--changes", type=int, default=30, help="of champion")
    parser.add_argument("--batches", type=int, default=500, help="and as many files in the inbox")
    parser.add_argument("--requests", type=int, default=40, help="of each page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        from scripts import airflow_environment

        airflow_environment.prepare(home / "airflow")
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps({USER: PASSWORD}))
        os.environ |= {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__API_AUTH__JWT_SECRET": "only for this benchmark " * 4,
            "REVIEW_SENTIMENT_STORE": str(home / "store"),
            "REVIEW_SENTIMENT_INBOX": str(home / "inbox"),
        }
        _fill(home / "store", options.runs, options.rows)
        _retrain(home / "store", home / "inbox", options.changes, options.batches)

        from airflow.api_fastapi.app import create_app
        from fastapi.testclient import TestClient

        with TestClient(create_app(), base_url="http://localhost") as client:
            token = client.post("/auth/token", json={"username": USER, "password": PASSWORD}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            print(
                f"{options.runs} runs, {options.rows:,} rows in quarantine, {options.changes} changes of champion, "
                f"{options.batches} batches; milliseconds of {options.requests} requests"
            )
            for page in PAGES:
                taken, busy = [], []
                for _ in range(options.requests):
                    start, work = time.perf_counter(), time.process_time()
                    answer = client.get("/review-sentiment" + page)
                    taken.append(1000 * (time.perf_counter() - start))
                    # What other processes of this machine take away does not count here.
                    busy.append(1000 * (time.process_time() - work))
                    assert answer.status_code == 200, (page, answer.status_code)  # noqa: S101
                print(
                    f"  {page:<55} median {np.median(taken):6.1f}   95 % {np.quantile(taken, 0.95):6.1f}   "
                    f"of processor {np.median(busy):6.1f}"
                )


def _fill(folder: Path, runs: int, rows: int) -> None:
    from pipeline.store import ArtifactStore, Record
    from tests.factories import place
    from tests.plugins.conftest import published

    class Nothing(Record):
        pass

    store = ArtifactStore(str(folder))
    table = pa.table(
        {
            "row": np.arange(rows),
            "file": ["Reviews.csv"] * rows,
            "line": np.arange(rows) + 2,
            "reason": np.array(["bad_score", "empty_text", "bad_time"])[np.arange(rows) % 3],
            "detail": [f"score is {row}" for row in range(rows)],
            "raw": ["x" * 400] * rows,
        }
    )
    quarantine = place(store, "validate_raw", Nothing(), tables={"quarantine.parquet": table})
    for number in range(runs):
        published(store, f"run-{number}", report="<p>a report</p>" * 20_000, day=number, validated_raw=quarantine)


def _retrain(folder: Path, inbox: Path, changes: int, batches: int) -> None:
    from pipeline.store import ArtifactStore
    from tests.plugins.conftest import served, took

    store = ArtifactStore(str(folder))
    for number in range(1, changes + 1):
        served(store, number, f"run-{number}")
    inbox.mkdir()
    for number in range(batches):
        took(store, number, f"dump-{number}.csv")
        (inbox / f"dump-{number}.csv").write_text("text")


if __name__ == "__main__":
    main()
