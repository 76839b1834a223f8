"""An export scores without TensorFlow, as it does with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.cleaning.rules import joined
from pipeline.errors import ArtifactError, PipelineError
from pipeline.scoring import Scorer
from pipeline.scoring.light import LightScorer
from pipeline.store import ArtifactStore
from tests.unit.scoring.conftest import World, build_world

pytest.importorskip("tensorflow")
CHECKOUT = Path(__file__).resolve().parents[3]


def texts_of(world: World) -> list[str]:
    """Return every review as the model was trained on it, and some that no training saw."""
    read = world.text.include_summary
    texts = [joined(review["summary"], review["text"]) if read else review["text"] for review in world.reviews]
    return [*texts, "", "<br />", "unheard of words only", "love " * 300]


@pytest.mark.parametrize("kind", ["world", "article_world"])
def test_probabilities_are_those_of_tensorflow(kind: str, request: pytest.FixtureRequest) -> None:
    world: World = request.getfixturevalue(kind)
    folder, texts = world.store.folder(world.export()), texts_of(world)
    expected = Scorer.load(folder).probabilities(texts)
    np.testing.assert_allclose(LightScorer.load(folder).probabilities(texts), expected, atol=1e-5, rtol=0)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "elu", "selu", "gelu"])
def test_deeper_networks_and_other_activations(activation: str, tmp_path: Path) -> None:
    world = build_world(
        ArtifactStore(str(tmp_path)),
        "default",
        slice(0, 12),
        directions=("bi" if activation == "gelu" else "uni",),
        layers=(2,),
        activation=(activation,),
    )
    folder, texts = world.store.folder(world.export()), texts_of(world)
    expected = Scorer.load(folder).probabilities(texts)
    np.testing.assert_allclose(LightScorer.load(folder).probabilities(texts), expected, atol=1e-5, rtol=0)


def test_neither_tensorflow_nor_keras_is_loaded(exported: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.scoring.light import LightScorer\n"
        f"LightScorer.load(Path({str(exported)!r})).probabilities(['love it'])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'pandas', 'sklearn'}))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_damaged_export_is_named(exported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    (copy / "weights.npz").write_bytes(b"PK not a zip")
    with pytest.raises(ArtifactError, match="damaged"):
        LightScorer.load(copy)
    (copy / "weights.npz").unlink()
    with pytest.raises(ArtifactError, match=r"weights\.npz; export the model again"):
        LightScorer.load(copy)


def test_a_single_string_is_refused(exported: Path) -> None:
    with pytest.raises(PipelineError, match=r"goes in as \[review\]"):
        LightScorer.load(exported).probabilities("good")
