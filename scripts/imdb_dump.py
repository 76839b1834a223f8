"""Write the labeled reviews of the Large Movie Review Dataset (`aclImdb`) as one dump with their official split.

The archive has one file per review, `{train,test}/{pos,neg}/ID_RATING.txt`, with ratings from 1 to 10 without 5 and 6.
Two ratings make one star. Line ID of `{train,test}/urls_{pos,neg}.txt` names the movie, which is the product.
Source: https://ai.stanford.edu/~amaas/data/sentiment/ (README of the archive).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path


def main() -> int:
    """Return 0 if the dump was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the unpacked archive, aclImdb")
    parser.add_argument("dump", type=Path, help="JSON lines to write")
    options = parser.parse_args()
    counts: dict[str, int] = {}
    with options.dump.open("w", encoding="utf-8") as sink:
        for review in reviews(options.folder):
            sink.write(json.dumps(review, ensure_ascii=False) + "\n")
            counts[str(review["split"])] = counts.get(str(review["split"]), 0) + 1
    if set(counts) != {"train", "test"}:
        print(f"{options.folder} has no reviews in train/pos, train/neg, test/pos and test/neg.", file=sys.stderr)
        return 1
    print(f"{options.dump}: {', '.join(f'{rows:,} {split} reviews' for split, rows in counts.items())}")
    return 0


def reviews(folder: Path) -> Iterator[dict[str, str | int]]:
    """Yield the columns `product_id`, `score` (1–5), `split` and `text` of each review, by split, class and id."""
    for split in ("train", "test"):
        for label in ("neg", "pos"):
            movies = re.findall(r"tt\d+", (folder / split / f"urls_{label}.txt").read_text(encoding="utf-8"))
            files = {tuple(map(int, path.stem.split("_"))): path for path in (folder / split / label).glob("*_*.txt")}
            for (number, rating), path in sorted(files.items()):
                yield {
                    "product_id": movies[number],
                    "score": (rating + 1) // 2,
                    "split": split,
                    "text": path.read_text(encoding="utf-8"),
                }


if __name__ == "__main__":
    sys.exit(main())
