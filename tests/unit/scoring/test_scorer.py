"""The scorer finds an export by its names, and says what is wrong with what is not one."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest

from pipeline.errors import ArtifactError, PipelineError
from pipeline.scoring import Scorer, load_scorer
from pipeline.store import ArtifactStore

pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def scorer(exported) -> Scorer:
    return Scorer.load(exported)


def test_probabilities_are_float32_in_the_order_given(scorer):
    texts = ["awful " * 12, "love", "great coffee, great tea", "", "love"]
    together = scorer.probabilities(texts)
    assert together.dtype == np.float32
    assert together.shape == (5,)
    alone = np.concatenate([scorer.probabilities([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6, rtol=0)
    assert together[1] == together[4]
    assert together[0] != together[1]


def test_no_reviews_give_no_probabilities(scorer):
    assert scorer.probabilities([]).shape == (0,)


def test_more_reviews_than_a_batch_keep_their_places(scorer, monkeypatch):
    texts = [f"love {'tea ' * (number % 5)}" for number in range(23)]
    expected = scorer.probabilities(texts)
    monkeypatch.setattr("pipeline.scoring.scorer.BATCH_ROWS", 4)
    np.testing.assert_allclose(scorer.probabilities(texts), expected, atol=1e-6, rtol=0)


def test_the_summary_is_read_before_the_text(scorer):
    apart = scorer.probabilities(["this coffee"], ["awful"])
    assert apart == pytest.approx(scorer.probabilities(["awful this coffee"]), abs=1e-7)
    assert abs(apart - scorer.probabilities(["this coffee"]))[0] > 1e-4


def test_a_model_trained_without_summaries_leaves_them_and_says_so(article_exported, caplog):
    scorer = Scorer.load(article_exported)
    assert scorer.probabilities(["great tea"], ["awful"]) == scorer.probabilities(["great tea"])
    assert "trained without summaries" in caplog.text


def test_half_a_surrogate_pair_is_no_word(scorer):
    assert scorer.probabilities(["love\ud83d tea"]) == scorer.probabilities(["love tea"])


def test_an_endless_text_is_cut_at_the_end_that_is_not_read(scorer, caplog):
    short = "love great tea, great coffee, great bread, love sauce, great chips"
    text = f"awful {'x' * 200_000} {short}"
    assert scorer.probabilities([text])[0] == pytest.approx(scorer.probabilities([short])[0], abs=1e-6)
    assert "100000 are read" in caplog.text


@pytest.mark.parametrize("texts", ["a single review", b"bytes", [b"bytes"], [None], [1]])
def test_what_is_no_list_of_strings_is_refused(scorer, texts):
    with pytest.raises(PipelineError, match="list of strings"):
        scorer.probabilities(texts)


def test_texts_and_summaries_must_match(scorer):
    with pytest.raises(PipelineError, match="2 reviews but 1 summaries"):
        scorer.probabilities(["a", "b"], ["c"])


def test_an_export_is_found_by_any_of_its_names(world, exported):
    key = exported.name
    names = [str(exported), str(exported / "model.keras"), str(exported / "saved_model")]
    for name in names:
        assert load_scorer(name).card.variant == world.variant.name
    for name in [f"export/{key}", f"export/{key[:12]}", key[:6], "latest"]:
        assert load_scorer(name, world.store).threshold == 0.4


def test_unknown_names_are_answered_with_known_ones(world, exported, store):
    with pytest.raises(ArtifactError, match=exported.name[:12]):
        load_scorer("export/ffffffffff", world.store)
    with pytest.raises(ArtifactError, match="is no folder and no export's key"):
        load_scorer("export/", world.store)
    with pytest.raises(ArtifactError, match="holds no exported model"):
        load_scorer("latest", store)
    with pytest.raises(ArtifactError, match="There is no export at"):
        load_scorer("nowhere")


def test_a_trained_model_that_reads_ids_is_refused(world):
    file = world.store.folder(world.trained) / "model.keras"
    with pytest.raises(ArtifactError, match=r"model\.json missing"):
        load_scorer(str(file))


def test_a_folder_without_a_model_is_refused(tmp_path, exported):
    with pytest.raises(ArtifactError, match=r"model\.json and model\.keras missing"):
        Scorer.load(tmp_path)
    with pytest.raises(ArtifactError, match="There is no folder"):
        Scorer.load(tmp_path / "absent")
    shutil.copy(exported / "model.json", tmp_path)
    (tmp_path / "model.keras").write_bytes(b"not a zip file")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        Scorer.load(tmp_path)


@pytest.mark.parametrize("change", [{"threshold": 2}, {"schema_version": 2}, {"unknown": 1}])
def test_a_damaged_card_is_refused_by_field(tmp_path, exported, change):
    card = json.loads((exported / "model.json").read_text()) | change
    (tmp_path / "model.json").write_text(json.dumps(card))
    shutil.copy(exported / "model.keras", tmp_path)
    with pytest.raises(ArtifactError, match=next(iter(change))):
        Scorer.load(tmp_path)


def test_a_model_with_code_inside_is_refused(tmp_path, exported):
    import keras

    inputs = keras.Input((), dtype="string")
    hostile = keras.Model(inputs, keras.layers.Lambda(lambda text: text)(inputs))
    hostile.save(tmp_path / "model.keras")
    shutil.copy(exported / "model.json", tmp_path)
    assert b"Lambda" in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        Scorer.load(tmp_path)


def test_the_package_is_light():
    import subprocess
    import sys

    code = "import sys, pipeline.scoring; print(sorted({'tensorflow', 'keras', 'pandas', 'nltk'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_interrupted_export_is_not_the_latest(world, exported, tmp_path):
    folder = tmp_path / "artifacts" / "export" / ("0" * 32)
    shutil.copytree(exported, folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="holds no exported model"):
        load_scorer("latest", ArtifactStore(str(tmp_path)))
