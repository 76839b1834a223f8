"""Time and memory of fetching and ingesting a large CSV, compared with reading it whole with pandas.

Ingest is measured twice: as it is, and with every record read on its own, as those of irregular blocks are. Each way
runs in its own process, so that its peak resident memory is measured separately.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

from bench._shared import DATA, in_new_process, peak_megabytes

WAYS = {
    "fetch": "fetch: copy the bytes into the store, with a digest",
    "ingest": "ingest: typed rows, line numbers, problems, Parquet",
    "careful": "ingest, every record on its own",
    "pandas": "pandas.read_csv of the whole file, then to_parquet (zstd)",
}


def main() -> None:
    """Generate the file, run each way in a child process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300, help="size of the CSV (default: 300)")
    parser.add_argument("--gzip", action="store_true", help="compress it; the size is that of the text before")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        dump = Path(folder) / ("Reviews.csv.gz" if arguments.gzip else "Reviews.csv")
        source, size = write_dump(dump, arguments.megabytes * 1_000_000)
        print(f"{size / 1e6:.0f} MB of CSV, {source}; each way in its own process\n")
        results = {way: in_new_process(measure, way, dump, Path(folder) / way) for way in WAYS}
    base = results["pandas"]
    print(f"{'way':<54}{'s':>7}{'MB/s':>7}{'rows/s':>10}{'peak MB':>9}{'time ×':>8}{'memory ×':>10}")
    for way, title in WAYS.items():
        result = results[way]
        rows = f"{result['rows'] / result['seconds']:,.0f}" if result["rows"] else ""
        print(
            f"{title:<54}{result['seconds']:>7.1f}{size / 1e6 / result['seconds']:>7.0f}{rows:>10}"
            f"{result['peak_bytes'] / 1e6:>9.0f}{result['seconds'] / base['seconds']:>8.2f}"
            f"{result['peak_bytes'] / base['peak_bytes']:>10.2f}"
        )
    faster = results["careful"]["seconds"] / results["ingest"]["seconds"]
    print(f"\ningest is {faster:.1f} times as fast as with every record on its own")
    print(f"rows: {results['ingest']['rows']:,} ingested, of which {results['ingest']['problems']:,} with a problem")


def write_dump(path: Path, size: int) -> tuple[str, int]:
    """Write a CSV of about ``size`` bytes by repeating reviews; return its content in words and its exact size."""
    from pipeline.sources.demo import write_demo_dump

    real = sorted(DATA.glob("fine_foods_?.csv.gz"))
    if real:
        texts = [gzip.decompress(file.read_bytes()) for file in real]
        source = "20,174 real reviews repeated"
    else:
        demo = path.with_name("demo.csv")
        write_demo_dump(demo)
        texts = [demo.read_bytes()]
        source = "6,000 generated reviews repeated"
    header, _, _ = texts[0].partition(b"\n")
    body = b"".join(text.partition(b"\n")[2] for text in texts)
    written = len(header) + 1
    with gzip.open(path, "wb", compresslevel=6) if path.suffix == ".gz" else path.open("wb") as sink:
        sink.write(header + b"\n")
        while written < size:
            sink.write(body)
            written += len(body)
    return source, written


def measure(way: str, dump: Path, store_folder: Path) -> dict[str, float]:
    """Run one way in this process and return seconds, rows, problem rows and the peak memory in bytes."""
    rows = problems = 0
    store_folder.mkdir()
    if way == "pandas":
        import pandas as pd

        clock = time.perf_counter()
        frame = pd.read_csv(dump, keep_default_na=False, on_bad_lines="skip")
        frame.to_parquet(store_folder / "pandas.parquet", compression="zstd")
        rows = len(frame)
    else:
        from pipeline.config import DataConfig
        from pipeline.readers import IngestSummary, check_dump, ingest
        from pipeline.readers.regular import RegularReader
        from pipeline.sources import fetch
        from pipeline.store import ArtifactStore

        store, config = ArtifactStore(str(store_folder)), DataConfig(dumps=(str(dump),))
        clock = time.perf_counter()
        fetched = fetch(config, store, check_dump)
        if way != "fetch":
            clock = time.perf_counter()
            each_alone = mock.patch.object(RegularReader, "read", find_nothing_regular)
            with each_alone if way == "careful" else nullcontext():
                ingested = ingest(fetched, config, store)
            summary = store.summary(ingested, IngestSummary)
            rows, problems = summary.rows, summary.problem_rows
    seconds = time.perf_counter() - clock
    peak = peak_megabytes() * 2**20
    return {"seconds": seconds, "rows": rows, "problems": problems, "peak_bytes": peak}


def find_nothing_regular(*_: object, **__: object) -> None:
    """Take the place of ``RegularReader.read``; a ``Mock`` would keep every block that it is given."""


if __name__ == "__main__":
    main()
