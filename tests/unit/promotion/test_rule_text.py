"""The sentences of decisions and rules: one snapshot of them all, and no rule without a sentence."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from pipeline.config import PromotionConfig
from pipeline.promotion.gate import gate_decision
from pipeline.promotion.records import RuleCode
from pipeline.promotion.rule_text import TEXTS, row_set_sentence
from pipeline.splitting.records import LeakageFigure, LeakageSummary
from tests.unit.evaluation.factories import evaluation
from tests.unit.promotion.factories import (
    BETTER,
    against_tfidf,
    change,
    checked,
    compared_slice,
    counts,
    evidence,
    export,
    head_to_head,
    model,
    row_set,
)

NEW, OLD = "Bidirectional LSTM new", "Bidirectional LSTM old"
DEMO = "The reviews are generated demo data, so this says nothing about real reviews."
LEAKAGE = LeakageSummary(
    figures=(LeakageFigure(kind="near_duplicate", rows=4, share=0.001, guaranteed=True),), vocabulary_leakage=False
)
WORSE_SLICE = BETTER.model_copy(update={"slices": (compared_slice(300, 0, 60),)})


def test_every_rule_has_a_text():
    assert set(TEXTS) == set(get_args(RuleCode))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "bi is accepted: balanced accuracy 0.90 (0.88 to 0.91) on 3,000 test reviews, +0.0 points against TF-IDF.",
        ),
        (
            {"demo": True, "leakage": LEAKAGE},
            (
                "bi is rejected. 4 test reviews are known from training (near duplicate), although "
                "the split guarantees "
                f"none; the scores are too high. {DEMO}"
            ),
        ),
        (
            {"pairs": [against_tfidf(value=-0.02, low=-0.07)]},
            (
                "The evaluation of bi is inconclusive. Balanced accuracy is −2.0 points against TF-IDF with logistic "
                "regression, and −7.0 points at the lower end of the 95 % interval; the margin is −5.0 points."
            ),
        ),
    ],
)
def test_acceptance_sentences(changes: dict[str, Any], sentence: str):
    assert checked(evaluation(title="bi", low=0.88, value=0.9), **changes).sentence == sentence


ALONE: dict[str, Any] = {"head_to_head": None, "champion_behavioral_tests": None}
FEW = row_set(counts(300, 40, 10), counts(5000, 150, 120))


@pytest.mark.parametrize(
    ("champion", "config", "changes", "sentence"),
    [
        (
            change(),
            {},
            {},
            (
                f"{NEW} replaces {OLD}: balanced accuracy +1.8 points (+0.9 points to +2.7 points) on "
                "6,000 reviews that neither "
                "model was trained on."
            ),
        ),
        (None, {}, ALONE, f"{NEW} becomes the first champion."),
        (change(demo=True), {}, ALONE, f"{NEW} replaces {OLD}, which was trained on generated reviews."),
        (
            change(),
            {},
            {"exported": export(largest_difference=0.01)},
            (
                f"{NEW} is rejected. Exported and evaluated predictions differ by up to 0.01 on the "
                "raw text of 900 test "
                f"reviews; 0.0001 is allowed. {OLD} stays in production."
            ),
        ),
        (
            change(),
            {},
            {"head_to_head": head_to_head(WORSE_SLICE)},
            (
                f"{NEW} is rejected. 1 of 1 slices are significantly below the margin of −5.0 points. "
                "The worst is Stars: 1 "
                f"star (300 reviews): accuracy −20.0 points, at best −15.7 points. {OLD} stays in production."
            ),
        ),
        (
            change(),
            {},
            {"head_to_head": head_to_head(FEW)},
            (
                f"{OLD} stays in production. The comparison has 300 negative reviews (the smaller "
                "class); at least 601 are "
                "required for the margin."
            ),
        ),
        (
            None,
            {"approval": "always"},
            ALONE,
            f"{NEW} needs manual approval to become the first champion. Every rule passed.",
        ),
        (
            change(),
            {"approval": "when_inconclusive"},
            {"head_to_head": None},
            (
                f"{NEW} needs manual approval to replace {OLD}. Challenger and champion were not compared on the same "
                "reviews."
            ),
        ),
        (
            change(),
            {"force_promotion_reason": "the old one\nis broken"},
            {"head_to_head": None},
            (
                f"{NEW} is promoted by force: 'the old one\\x0ais broken'. Challenger and champion "
                "were not compared on the "
                "same reviews."
            ),
        ),
    ],
)
def test_gate_sentences(champion: Any, config: dict[str, Any], changes: dict[str, Any], sentence: str):
    decision = gate_decision(model(), champion, evidence(**changes), PromotionConfig(**config))
    assert decision.sentence == sentence


def test_a_demo_challenger_says_so():
    sentence = gate_decision(model(demo=True), change(), evidence(), PromotionConfig()).sentence
    assert sentence == (
        f"{NEW} is rejected. It was trained on generated reviews, the champion on real ones. {OLD} "
        "stays in production. "
        f"{DEMO}"
    )


def test_row_set_sentences():
    assert row_set_sentence(FEW) == "Compared on 5,300 test reviews of the challenger."
    excluded = FEW.model_copy(update={"name": "champion_test", "excluded": 7, "known_to_challenger": 7})
    assert row_set_sentence(excluded) == (
        "Compared on 5,300 test reviews of the champion. 7 more were excluded because the same text is in the training "
        "or validation split of the champion (0) or of the challenger (7)."
    )
