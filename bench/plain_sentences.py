"""How many of 100 plain sentences a model classifies as a person would, by kind.

  python bench/plain_sentences.py MODEL      champion, latest or export/KEY, as in `review-sentiment score`

The sentences of tests/data/plain_sentences.csv were written for this and are used for nothing else: do not choose
parameters by them. Kinds: praise and complaint without a negation, a complaint that is negated ("not bad"), and praise
that is negated ("not good"). The store is REVIEW_SENTIMENT_STORE.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter

from bench._shared import ROOT
from pipeline.scoring import load_scorer
from pipeline.workflow import default_store, latest_model

SENTENCES = ROOT / "tests" / "data" / "plain_sentences.csv"


def main() -> None:
    """Print the share of right answers of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="latest")
    name = parser.parse_args().model
    store = default_store()
    scorer = load_scorer(latest_model(store) if name == "latest" else name, store)
    with SENTENCES.open(encoding="utf-8", newline="") as stream:
        sentences = list(csv.DictReader(stream))
    scores = scorer.score_texts([sentence["text"] for sentence in sentences])
    right, unsure, cases = Counter[str](), Counter[str](), Counter[str]()
    for sentence, probability, answer in zip(sentences, scores.probability, scorer.answers(scores), strict=True):
        kind = sentence["kind"]
        cases[kind] += 1
        unsure[kind] += answer == "unsure"
        right[kind] += int(probability >= scorer.threshold) == int(sentence["label"])
    print(scorer.model.title)
    for kind, count in cases.items():
        print(f"{kind:20} {right[kind]:3} of {count} right, {unsure[kind]} unsure")
    print(f"{'all':20} {right.total():3} of {cases.total()} right, {unsure.total()} unsure")


if __name__ == "__main__":
    main()
