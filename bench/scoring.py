"""Scoring speed from raw reviews to predictions, compared with ``Model.predict`` on padded arrays, in one run.

Network: that of docs/explanation/replicated_experiment.md: Embedding(32), two LSTMs of 128 units, Dense(32), Dense(1),
one direction. Reviews: real ones with their raw text resampled, if they are next to the checkout; else demo reviews.

Ways:
  padded      Keras's ``Model.predict`` over arrays padded to 150, batches of 1,024, TensorFlow's default threads, no
              text work: 1.0 in the ratios.
  keras       ``model.keras`` reads the raw text itself, with TensorFlow's string operations, sorted by length.
  tensorflow  ``Scorer`` with the network in TensorFlow, as on a GPU.
  onnx        ``Scorer`` with the network in ONNX Runtime.
  text        The text work of ``Scorer`` alone, up to word ids.
  torch       PyTorch's nn.LSTM over word ids (no text work), sorted by length and packed, batches of 1,024, two of them
              in parallel with one thread each; with ``--torch-python PYTHON``.

Each way has its own process, because threads are set once per process. All are warmed up and then take turns, because
the machine may be shared. ``CPU`` is processor time, which depends less on other load than the clock.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench._shared import (
    DATA,
    MAX_LENGTH,
    REAL_FILES,
    VOCABULARY,
    Tasks,
    Worker,
    padded,
    padded_network,
    real_records,
    serve,
    take_turns,
)

BATCH = 1024
PADDED_SHARE = 4
"""The padded way scores this many times fewer rows per round."""


def raw_reviews(folder: Path, rows: int) -> tuple[str, list[str]]:
    """Return the source of the reviews and their raw texts."""
    generator = np.random.default_rng(1)
    if all((folder / name).is_file() for name in REAL_FILES):
        source, texts = "real reviews, resampled", [record["Text"] for record in real_records(folder)]
    else:
        from pipeline.sources.demo import write_demo_dump

        source = "generated demo reviews (no real reviews next to the checkout)"
        with tempfile.TemporaryDirectory() as scratch:
            write_demo_dump(path := Path(scratch) / "demo.csv")
            with path.open(encoding="utf-8", newline="") as stream:
                texts = [record["Text"] or "" for record in csv.DictReader(stream)]
    return source, [texts[place] for place in generator.integers(0, len(texts), rows)]


def make_export(folder: Path, texts: list[str]) -> None:
    """Write an export with random weights, and the reviews' word ids, into a folder."""
    from pipeline.cleaning import normalize_many
    from pipeline.config import RunConfig
    from pipeline.encoding import Vocabulary
    from pipeline.scoring import ExportedModel, Scorer
    from pipeline.scoring.model import build_model as with_text
    from pipeline.scoring.onnx_model import network_to_onnx
    from pipeline.scoring.text_rules import current_text_rules
    from pipeline.training.model import build_model

    distinct = list(dict.fromkeys(" ".join(normalize_many(texts, "article")).split()))
    # As many words as the full data set has, so that the embedding fits the caches as badly as a real one.
    words = distinct + [f"filler{number:06}".translate(str.maketrans("0123456789", "abcdefghij"))
                        for number in range(VOCABULARY - 1 - len(distinct))]  # fmt: skip
    vocabulary = Vocabulary(tuple(words), (1,) * len(words), None)
    variant = RunConfig.from_flat({"profile": "article", "directions": ("uni",), "padding": "masked"}).variants[0]
    exported = ExportedModel(
        variant="uni-seed1", title="One way", threshold=0.5, normalization="article",
        text_rules=current_text_rules("article"), include_summary=False, max_length=MAX_LENGTH, keep="last",
        padding="masked", vocabulary_words=len(words), libraries={},
    )  # fmt: skip
    network = build_model(variant, vocabulary.size)
    with_text(network, exported, vocabulary, empty_id=1).save(folder / "model.keras")
    (folder / "model.onnx").write_bytes(network_to_onnx(network))
    vocabulary.save(folder / "vocabulary.json")
    (folder / "model.json").write_text(exported.model_dump_json())
    np.savez(folder / "weights.npz", *network.get_weights())
    sequences, _ = Scorer.load(folder).encode(texts)
    np.savez(folder / "ids.npz", offsets=sequences.offsets, ids=sequences.ids)
    (folder / "texts.json").write_text(json.dumps(texts))


# ---- The workers ----


def prepared(way: str, folder: Path) -> Tasks:
    """Return the task of one way, warmed up; each turn writes its probabilities into the folder."""
    score = {"padded": _padded, "keras": _keras, "torch": _torch}.get(way, lambda at: _scorer(at, way))(folder)

    def scored() -> float:
        rows, probability = score()
        if probability is not None:
            np.save(folder / f"{way}.npy", probability)
        return rows

    scored()
    return {"score": scored}


Score = Callable[[], tuple[int, Any]]


def _ids(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = np.load(folder / "ids.npz")
    return arrays["offsets"], arrays["ids"], np.diff(arrays["offsets"])


def _padded(folder: Path) -> Score:
    offsets, ids, lengths = _ids(folder)
    rows = np.random.default_rng(2).permutation(len(lengths))[: max(BATCH, len(lengths) // PADDED_SHARE)]
    model, filled = padded_network(), padded(offsets, ids, rows)

    def score() -> tuple[int, Any]:
        model.predict(filled, batch_size=BATCH, verbose=0)
        return len(filled), None

    return score


def _keras(folder: Path) -> Score:
    import tensorflow as tf

    from pipeline.scoring.model import load_exported
    from pipeline.training.device import use_device

    use_device("cpu")
    model, texts = load_exported(folder / "model.keras"), json.loads((folder / "texts.json").read_text())
    traced = tf.function(
        lambda reviews: model(reviews, training=False), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    texts = texts[: len(texts) // 2]
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]

    def score() -> tuple[int, Any]:
        probability = np.empty(len(texts), np.float32)

        def fill(rows: list[int]) -> None:
            probability[rows] = traced(tf.constant([texts[row] for row in rows])).numpy()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fill, batches))
        return len(texts), probability

    return score


def _scorer(folder: Path, way: str) -> Score:
    from pipeline.scoring import scorer as module
    from pipeline.scoring.networks import KERAS_FILE, tensorflow_network

    if way == "tensorflow":
        module.load_network = lambda at, _: tensorflow_network(at / KERAS_FILE)
    scorer, texts = module.Scorer.load(folder), json.loads((folder / "texts.json").read_text())
    if way == "text":
        return lambda: (len(scorer.encode(texts)[0]), None)
    if not scorer.runtime.startswith(way):
        raise SystemExit(f"This would measure {scorer.runtime}, not {way}; run on a machine without a GPU.")
    return lambda: (len(texts), scorer.probabilities(texts))


def _torch(folder: Path) -> Score:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence

    offsets, ids, lengths = _ids(folder)
    # In the order of the layers: embedding; kernel, recurrent kernel and bias of each LSTM; kernel and bias of Dense.
    weights = np.load(folder / "weights.npz")
    embedding, *recurrent, kernel, bias, output_kernel, output_bias = (
        torch.from_numpy(weights[name]) for name in weights.files
    )
    lstm = torch.nn.LSTM(32, 128, 2, batch_first=True)
    with torch.no_grad():
        for number in (0, 1):
            input_kernel, recurrent_kernel, lstm_bias = recurrent[3 * number : 3 * number + 3]
            getattr(lstm, f"weight_ih_l{number}").copy_(input_kernel.T)
            getattr(lstm, f"weight_hh_l{number}").copy_(recurrent_kernel.T)
            getattr(lstm, f"bias_ih_l{number}").copy_(lstm_bias)
            getattr(lstm, f"bias_hh_l{number}").zero_()
    order = np.argsort(-lengths, kind="stable")
    torch.set_num_threads(1)

    def score() -> tuple[int, Any]:
        probability = np.empty(len(order), np.float32)

        def fill(start: int) -> None:
            rows = order[start : start + BATCH]
            read = np.maximum(lengths[rows], 1)
            filled = padded(offsets, ids, rows, int(read.max()))
            filled[lengths[rows] == 0, 0] = 1
            with torch.inference_mode():
                signal = torch.nn.functional.embedding(torch.from_numpy(filled), embedding)
                _, (state, _) = lstm(pack_padded_sequence(signal, torch.from_numpy(read), batch_first=True))
                hidden = torch.relu(state[-1] @ kernel + bias)
                logit = hidden @ output_kernel + output_bias
                probability[rows] = torch.sigmoid(logit)[:, 0].numpy()

        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(fill, range(0, len(order), BATCH)):
                pass
        return len(order), probability

    return score


# ---- The comparison ----


def compare(workers: dict[str, Worker], rounds: int, folder: Path) -> None:
    """Give every way its turns and print the table."""
    turns = take_turns(workers, [(way, "score") for way in workers], rounds)
    print(
        f"{'':12} {'reviews/s':>8} {'ratio':>5}   {'per CPU s':>8} {'ratio':>5}   largest difference of a probability"
    )
    for (way, task), done in turns.items():
        print(f"{way:12} {done.shown(turns['padded', task])}   {_difference(folder, way)}")


def _difference(folder: Path, way: str) -> str:
    """Return the largest difference between a way's probabilities and those of ``tensorflow``."""
    mine, theirs = folder / f"{way}.npy", folder / "tensorflow.npy"
    if not mine.exists():
        return ""
    probability = np.load(mine)
    if way == "keras":
        # Its patterns approximate the article's HTML parser, so a few texts are read differently.
        differences = np.abs(probability - np.load(theirs)[: len(probability)])
        return f"{np.percentile(differences, 99):.1e} (99 % of the rows)"
    return f"{np.abs(probability - np.load(theirs)).max():.1e}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", help="a Python with PyTorch and NumPy; without it PyTorch is not measured")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        way, folder = json.loads(options.worker)
        serve(lambda: prepared(way, Path(folder)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-scoring-") as scratch:
        folder = Path(scratch)
        source, texts = raw_reviews(DATA, options.rows)
        make_export(folder, texts)
        lengths = _ids(folder)[2]
        print(
            f"{len(texts):,} reviews ({source}), mean {lengths.mean():.1f} words, {options.rounds} rounds", flush=True
        )
        pythons = dict.fromkeys(("padded", "keras", "tensorflow", "onnx", "text"), sys.executable)
        if options.torch_python:
            pythons["torch"] = options.torch_python
        workers = {way: Worker(python, __file__, [way, scratch]) for way, python in pythons.items()}
        compare(workers, options.rounds, folder)


if __name__ == "__main__":
    main()
