"""A model that was trained on generated reviews does not score real ones, and unknown words are warned of."""

from __future__ import annotations

import pytest

from pipeline.scoring import require_fit_model
from pipeline.scoring.dump import DemoModelError, UnknownWords, _warnings
from pipeline.scoring.exports import trained_on_demo
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage
from tests.factories import Given, place
from tests.unit.reporting.factories import ingest_summary, land_summary


def exported(store: ArtifactStore, *dumps: bool) -> ArtifactReference:
    """Place an export whose training data come from dumps that are generated or not."""

    def made(stage: str, inputs: dict[str, ArtifactReference]) -> ArtifactReference:
        summary = Given(label=stage)
        return store.produce(Stage(stage), inputs=inputs, params=summary, build=lambda _: Outcome(summary))

    ingested = {
        str(number): made("ingest", {"fetched": place(store, "fetch", land_summary(demo=demo), label=str(number))})
        for number, demo in enumerate(dumps)
    }
    return made("export", {"trained": made("train", {"encoded": made("encode", ingested)})})


@pytest.mark.parametrize(
    ("dumps", "expected"), [((True,), True), ((False,), False), ((True, False), False), ((), None)]
)
def test_the_raw_files_of_a_model_say_whether_it_is_a_demo(
    store: ArtifactStore, dumps: tuple[bool, ...], expected: bool | None
) -> None:
    assert trained_on_demo(exported(store, *dumps), store) is expected


@pytest.mark.parametrize("demo_model", [True, False])
@pytest.mark.parametrize("demo_dump", [True, False])
@pytest.mark.parametrize("allowed", [True, False])
def test_a_demo_model_is_refused_for_real_reviews(
    store: ArtifactStore, *, demo_model: bool, demo_dump: bool, allowed: bool
) -> None:
    model = exported(store, demo_model)
    dump = place(store, "ingest", ingest_summary(demo=demo_dump))
    if demo_model and not demo_dump and not allowed:
        with pytest.raises(DemoModelError, match=rf"The model {model} was trained on generated .* allow_demo_model"):
            require_fit_model(model, dump, store, allow_demo_model=allowed)
    else:
        require_fit_model(model, dump, store, allow_demo_model=allowed)


@pytest.mark.parametrize(
    ("mean", "demo", "demo_model", "expected"),
    [
        (0.05, False, False, []),
        (0.58, False, False, ["58% of the words are not in the vocabulary of the model (warning above 20%)"]),
        (0.58, False, True, ["The model was trained on generated demo reviews", "58% of the words"]),
        (0.05, True, True, []),
    ],
)
def test_warnings_of_predictions(mean: float, demo: bool, demo_model: bool, expected: list[str]) -> None:
    unknown = UnknownWords(mean=mean, percentile_95=1.0, without_known_word=3)
    found = list(_warnings(unknown, demo=demo, demo_model=demo_model))
    assert len(found) == len(expected)
    for warning, start in zip(found, expected, strict=True):
        assert warning.startswith(start)
    assert list(_warnings(None, demo=demo, demo_model=False)) == []
