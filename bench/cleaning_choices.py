"""What each choice of the ``default`` normalization is worth: TF-IDF with logistic regression on real reviews.

Words and pairs of words; split by product, several times; the threshold is chosen on the validation part for the
best balanced accuracy, the figures are the test part's. Every variant sees the same splits, so the differences from
``default`` are paired: mean ± standard error over the splits.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench._shared import DATA
from pipeline.cleaning import rules
from pipeline.cleaning.funnel import run_funnel
from pipeline.cleaning.words import normalize_many
from tests.unit.cleaning.factories import fine_foods

SHIPPED = set(rules.stop_words("default"))
WHOLE_LIST = {word for word in rules.shipped_stop_words() if word.isalpha()}
Variant = Callable[[list[str]], list[str]]


def by_rules(dropped: set[str], **replaced: tuple[str, str] | None) -> Variant:
    """Return ``default`` with other stop words and, by a rule's name (spaces as _), another rule or none."""
    steps = []
    for rule in rules.DEFAULT_RULES:
        pattern, replacement = rule.pattern, rule.replacement
        if rule.name.replace(" ", "_") in replaced:
            other = replaced[rule.name.replace(" ", "_")]
            if other is None:
                continue
            pattern, replacement = other
        steps.append((re.compile(pattern, re.ASCII), replacement))

    def words(texts: list[str]) -> list[str]:
        cleaned = []
        for whole in texts:
            text = rules.ascii_lower(whole)
            for pattern, replacement in steps:
                text = pattern.sub(replacement, text)
            cleaned.append(" ".join(word for word in text.split() if word not in dropped))
        return cleaned

    return words


def digits(how: Variant, pattern: str, replacement: str) -> Variant:
    """Return a variant that first treats digits in another way."""
    return lambda texts: how([re.sub(pattern, replacement, text) for text in texts])


def variants() -> dict[str, tuple[Variant, bool]]:
    """Return each variant by its name, and whether it reads the summary."""
    ours = by_rules(SHIPPED)
    lost = {"not,_without_its_apostrophe": None}
    return {
        "`default`": (ours, True),
        "negations dropped too (NLTK's whole list)": (by_rules(WHOLE_LIST), True),
        "NLTK's list without no, nor, not": (by_rules(WHOLE_LIST - rules.NEGATIONS), True),
        "no stop word dropped": (by_rules(set()), True),
        "summary not read": (ours, False),
        "tokens with a digit dropped": (digits(ours, r"\S*\d\S*", " "), True),
        "each number one word": (digits(ours, r"\d+(?:[.,]\d+)*", " digits "), True),
        "tags leave no space": (by_rules(SHIPPED, HTML_tags=(r"<[a-z/!?][^<>]*>", "")), True),
        "dont stays dont": (by_rules(SHIPPED, **lost), True),
        "`article`, summary read": (lambda texts: normalize_many(texts, "article"), True),
        "`article`, summary not read": (lambda texts: normalize_many(texts, "article"), False),
    }


def kept(folder: Path) -> pa.Table:
    """Return the reviews that the funnel keeps, with their label."""
    table = fine_foods(folder, "fine_foods_a", "fine_foods_b")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "reviews.parquet")
        pq.write_table(table, path)
        result = run_funnel(path, deduplicate=True)
    return table.append_column("label", pa.array(result.labels)).take(pa.array(result.order))


def scores(words: list[str], labels: np.ndarray, products: np.ndarray, splits: int) -> np.ndarray:
    """Return balanced accuracy and area under the ROC curve of each split's test part, float64 ``[splits, 2]``."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score, roc_curve

    # Words are separated by one space each, so splitting is all there is to do.
    counter = CountVectorizer(ngram_range=(1, 2), min_df=2, tokenizer=str.split, token_pattern=None, lowercase=False)
    counts = counter.fit_transform(words)
    results = []
    for seed in range(splits):
        part = np.random.default_rng(seed).random(products.max() + 1)[products]
        train, validation, test = part < 0.8, (part >= 0.8) & (part < 0.9), part >= 0.9
        weights = TfidfTransformer(sublinear_tf=True).fit(counts[train])
        model = LogisticRegression(C=10, solver="liblinear").fit(weights.transform(counts[train]), labels[train])
        guess = {
            name: model.predict_proba(weights.transform(counts[rows]))[:, 1]
            for name, rows in (("validation", validation), ("test", test))
        }
        false_positive, true_positive, thresholds = roc_curve(labels[validation], guess["validation"])
        called = guess["test"] >= thresholds[np.argmax(true_positive - false_positive)]
        actual = labels[test].astype(bool)
        balanced = (called[actual].mean() + (~called[~actual]).mean()) / 2
        results.append((balanced, roc_auc_score(actual, guess["test"])))
    return np.array(results)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real dumps")
    parser.add_argument("--splits", type=int, default=10)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"no real reviews in {arguments.data}; name their folder with --data")

    table = kept(arguments.data)
    labels = table["label"].to_numpy()
    products = table["product_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    alone = table["text"].to_pylist()
    both = [rules.joined(summary, text) for summary, text in zip(table["summary"].to_pylist(), alone, strict=True)]
    print(f"{len(labels):,} reviews, {labels.mean():.1%} positive, {arguments.splits} splits by product")
    print("| variant | balanced accuracy | difference | area under ROC | difference | words a review |")
    print("|---|---|---|---|---|---|")
    standard = None
    for name, (words_of, summary) in variants().items():
        words = words_of(both if summary else alone)
        result = scores(words, labels, products, arguments.splits)
        standard = result if standard is None else standard
        change = 100 * (result - standard)
        error = change.std(axis=0, ddof=1) / np.sqrt(len(change))
        mean, change = 100 * result.mean(axis=0), change.mean(axis=0)
        length = np.mean([text.count(" ") + 1 for text in words])
        print(
            f"| {name} | {mean[0]:.2f} | {change[0]:+.2f} ± {error[0]:.2f} | {mean[1]:.2f} | "
            f"{change[1]:+.2f} ± {error[1]:.2f} | {length:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
