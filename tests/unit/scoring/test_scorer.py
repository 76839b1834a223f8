"""The scorer gives what the exported Keras model computes from raw text, with either runtime."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError, PipelineError
from pipeline.scoring import Scorer, networks
from pipeline.scoring.model import load_exported
from pipeline.scoring.scorer import Scores
from pipeline.store import ArtifactStore
from tests.unit.scoring.factories import HOSTILE_TEXTS, World, build_world, keras_probabilities

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def scorer(exported: Path) -> Scorer:
    return Scorer.load(exported)


def copy_of(folder: Path, target: Path) -> Path:
    return shutil.copytree(folder, target)


def use_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load networks as on a GPU."""
    monkeypatch.setattr(
        networks, "load_network", lambda folder, _: networks.tensorflow_network(folder / networks.KERAS_FILE)
    )
    monkeypatch.setattr("pipeline.scoring.scorer.load_network", networks.load_network)


# ---- The same probabilities ----


@pytest.mark.parametrize("kind", ["world", "article_world"])
@pytest.mark.parametrize("runtime", ["onnxruntime", "tensorflow"])
def test_hostile_texts(
    kind: str, runtime: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    world: World = request.getfixturevalue(kind)
    folder = world.store.folder(world.export())
    texts = [*world.texts, *HOSTILE_TEXTS]
    if kind == "article_world":
        # Patterns stand in for an HTML parser and differ on broken markup; docs/how-to/score_reviews.md.
        texts = [text for text in texts if "<" not in text and "&" not in text and "\x1c" not in text]
    if runtime == "tensorflow":
        use_tensorflow(monkeypatch)
    scorer = Scorer.load(folder)
    assert scorer.runtime.startswith(runtime)
    expected = keras_probabilities(folder, texts)
    np.testing.assert_allclose(scorer.probabilities(texts), expected, atol=1e-5, rtol=0)
    # Random weights and labels: calibration moves their probabilities close to one half.
    assert np.ptp(expected) > (0.02 if kind == "world" else 0.1)


@pytest.mark.parametrize(
    ("direction", "activation"),
    [("uni", "relu"), ("uni", "sigmoid"), ("uni", "elu"), ("uni", "selu"), ("bi", "gelu")],
)
def test_two_layers_and_every_activation(direction: str, activation: str, tmp_path: Path) -> None:
    world = build_world(
        ArtifactStore(str(tmp_path)), "default", slice(0, 12),
        directions=(direction,), layers=(2,), activation=(activation,),
    )  # fmt: skip
    folder, texts = world.store.folder(world.export()), [*world.texts, *HOSTILE_TEXTS]
    expected = keras_probabilities(folder, texts)
    np.testing.assert_allclose(Scorer.load(folder).probabilities(texts), expected, atol=1e-5, rtol=0)


def test_real_reviews(scorer: Scorer, exported: Path, shared_data: Path) -> None:
    with gzip.open(shared_data / "fine_foods_b.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        records = list(csv.DictReader(stream))[:3_000]
    texts, summaries = ([record[name] for record in records] for name in ("Text", "Summary"))
    expected = keras_probabilities(
        exported, [f"{summary} {text}" for summary, text in zip(summaries, texts, strict=True)]
    )
    np.testing.assert_allclose(scorer.probabilities(texts, summaries), expected, atol=1e-5, rtol=0)


def test_word_ids(scorer: Scorer, exported: Path, shared_data: Path) -> None:
    import tensorflow as tf

    with gzip.open(shared_data / "fine_foods_a.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        texts = [f"{record['Summary']} {record['Text']}" for record in csv.DictReader(stream)][:2_000]
    texts += [text for text in HOSTILE_TEXTS if len(text) <= 100_000]
    served = tf.saved_model.load(str(exported / "saved_model")).signatures["word_ids"]
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    expected = served(review=tf.constant(encoded))["word_ids"].numpy()
    sequences, _ = scorer.encode(texts)
    for number, row in enumerate(expected):
        found = sequences.ids[sequences.offsets[number] : sequences.offsets[number + 1]]
        np.testing.assert_array_equal(found, row[row != 0], err_msg=repr(texts[number][:80]))


def test_an_export_keeps_its_own_text_rules(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["I love this tea", "NOT good at all", *HOSTILE_TEXTS]
    # The project's rules have changed: today every word is dropped.
    monkeypatch.setattr("pipeline.scoring.text_rules.stop_words", lambda _: ("love",))
    monkeypatch.setattr("pipeline.scoring.scorer.normalize_many", lambda texts, _: ["" for _ in texts])
    scorer = Scorer.load(exported)
    np.testing.assert_allclose(scorer.probabilities(texts), keras_probabilities(exported, texts), atol=1e-5, rtol=0)
    assert "other text rules" in caplog.text


# ---- What goes in and comes out ----


def test_probabilities_are_float32_in_the_order_of_the_texts(scorer: Scorer) -> None:
    texts = ["awful " * 12, "love", "great coffee, great tea", "", "love"]
    together = scorer.probabilities(texts)
    assert together.dtype == np.float32
    alone = np.concatenate([scorer.probabilities([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6, rtol=0)
    assert together[1] == together[4] != together[0]


def test_no_reviews(scorer: Scorer) -> None:
    assert scorer.probabilities([]).shape == (0,)


def test_batches_and_windows_keep_the_order(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{'awful' if number % 3 else 'love'} {'tea ' * (number % 7)}" for number in range(40)]
    expected = scorer.probabilities(texts)
    monkeypatch.setattr("pipeline.scoring.scorer.WINDOW_ROWS", 17)
    monkeypatch.setattr("pipeline.scoring.networks.BATCH_ROWS", 4)
    np.testing.assert_allclose(scorer.probabilities(texts), expected, atol=1e-6, rtol=0)


def test_the_summary_is_read_before_the_text(scorer: Scorer) -> None:
    apart = scorer.probabilities(["this coffee"], ["awful"])
    assert apart == pytest.approx(scorer.probabilities(["awful this coffee"]), abs=1e-7)
    assert abs(apart - scorer.probabilities(["this coffee"]))[0] > 1e-4


def test_a_model_trained_without_summaries_ignores_them(
    article_exported: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scorer = Scorer.load(article_exported)
    assert scorer.probabilities(["great tea"], ["awful"]) == scorer.probabilities(["great tea"])
    assert "trained without summaries" in caplog.text


def test_a_long_text_is_cut_at_the_end_that_is_not_read(scorer: Scorer, caplog: pytest.LogCaptureFixture) -> None:
    short = "love great tea, great coffee, great bread, love sauce, great chips"
    text = f"awful {'x' * 200_000} {short}"
    assert scorer.probabilities([text])[0] == pytest.approx(scorer.probabilities([short])[0], abs=1e-6)
    assert "100000 are read" in caplog.text


@pytest.mark.parametrize("texts", ["a single review", b"bytes", [b"bytes"], [None], [1]])
def test_only_a_list_of_strings_is_accepted(scorer: Scorer, texts: object) -> None:
    with pytest.raises(PipelineError, match="list of strings"):
        scorer.probabilities(texts)
    with pytest.raises(PipelineError, match="list of strings"):
        scorer.probabilities(["a"], texts)


def test_texts_and_summaries_must_match(scorer: Scorer) -> None:
    with pytest.raises(PipelineError, match="2 reviews but 1 summaries"):
        scorer.probabilities(["a", "b"], ["c"])


@pytest.mark.parametrize(("kind", "chinese"), [("exported", 1), ("article_exported", 1)])
def test_unknown_word_share(kind: str, chinese: float, request: pytest.FixtureRequest) -> None:
    scorer = Scorer.load(request.getfixturevalue(kind))
    known = scorer.vocabulary.words[0]
    (scores,) = scorer.score([[known, f"{known} zzzunheard", "zzzunheard zzzofit", "", "\u8336"]])
    np.testing.assert_allclose(scores.unknown_word_share, [0, 0.5, 1, 1, chinese])


# ---- Damaged and hostile exports ----


def test_incomplete_exports_are_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no folder"):
        Scorer.load(tmp_path / "absent")
    for name in ("model.json", "model.keras", "model.onnx", "vocabulary.json"):
        copy = copy_of(exported, tmp_path / name)
        (copy / name).unlink()
        with pytest.raises(ArtifactError, match=f"{name} missing"):
            Scorer.load(copy)


def test_a_damaged_network_is_refused(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copy_of(exported, tmp_path / "copy")
    for name in ("model.onnx", "model.keras"):
        (copy / name).write_bytes(b"PK, but not a zip file")
    with pytest.raises(ArtifactError, match=r"model\.onnx' cannot be loaded"):
        Scorer.load(copy)
    use_tensorflow(monkeypatch)
    with pytest.raises(ArtifactError, match=r"model\.keras' cannot be loaded"):
        Scorer.load(copy)


@pytest.mark.parametrize("change", [{"threshold": 2}, {"schema_version": 1}, {"unknown": 1}])
def test_a_damaged_description_is_refused_by_field(exported: Path, tmp_path: Path, change: dict[str, int]) -> None:
    copy = copy_of(exported, tmp_path / "copy")
    model = json.loads((copy / "model.json").read_text()) | change
    (copy / "model.json").write_text(json.dumps(model))
    with pytest.raises(ArtifactError, match=next(iter(change))):
        Scorer.load(copy)


def test_a_pattern_that_is_not_valid_is_named(exported: Path, tmp_path: Path) -> None:
    copy = copy_of(exported, tmp_path / "copy")
    model = json.loads((copy / "model.json").read_text())
    model["text_rules"]["rules"][0][0] = "(["
    (copy / "model.json").write_text(json.dumps(model))
    with pytest.raises(ArtifactError, match="Text rule 1"):
        Scorer.load(copy).probabilities(["good"])


def test_a_keras_model_with_code_inside_is_refused(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((), dtype="string")
    hostile = keras.Model(inputs, keras.layers.Lambda(lambda text: text)(inputs))
    hostile.save(tmp_path / "model.keras")
    assert b"Lambda" in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_exported(tmp_path / "model.keras")


def test_a_cpu_does_not_load_tensorflow(exported: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.behavioral_tests import word_effects\n"
        "from pipeline.scoring import Scorer\n"
        f"word_effects(Scorer.load(Path({str(exported)!r})), 'love it')\n"
        "heavy = {'tensorflow', 'keras', 'onnx', 'sklearn', 'scipy', 'mlflow', 'matplotlib', 'nltk'}\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & heavy))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# ---- Answers ----


def test_answers_say_how_sure_the_model_can_be(scorer: Scorer) -> None:
    minimum = scorer.model.min_confidence
    scores = Scores(np.float32([0.97, 0.5, 1 - minimum + 0.01, 0.03, 0.97, 0.97]), np.float32([0, 0, 0, 0, 0.6, 1]))
    assert scorer.answers(scores) == ["positive", "unsure", "unsure", "negative", "unsure", "unknown"]


def test_a_text_without_a_known_word_gets_no_answer(scorer: Scorer) -> None:
    texts = ["", "déçu", "great tea", "<br />", "zebra yak gnu love"]
    answers = scorer.answers(scorer.score_texts(texts))
    assert [answer == "unknown" for answer in answers] == [True, True, False, True, False]
    assert answers[4] == "unsure"
