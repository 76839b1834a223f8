"""RunConfig: names, profiles, variants and error messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import PROFILES, RunConfig
from pipeline.errors import ConfigurationError, quoted


def test_every_parameter_has_a_title_a_description_and_a_name_of_its_own() -> None:
    fields = list(RunConfig.fields())
    names = [name for _, name, _ in fields]
    assert len(names) == len(set(names))
    assert all(field.title and field.description for _, _, field in fields)
    assert len({field.title for _, _, field in fields}) == len(fields)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_configuration_survives_the_flat_form(profile: str) -> None:
    config = RunConfig.from_flat({"profile": profile})
    assert RunConfig.from_flat(config.flat()) == config
    assert config.differences() == {}


def test_empty_means_as_the_profile_says() -> None:
    assert RunConfig.from_flat({"profile": "article", "epochs": None}).training.epochs == 50
    assert RunConfig.from_flat({"profile": "article", "epochs": 3}).differences() == {"epochs": 3}


@pytest.mark.parametrize(
    ("values", "profile"), [({}, "demo"), ({"dumps": ["demo"]}, "demo"), ({"dumps": ["Reviews.csv"]}, "default")]
)
def test_without_a_profile_only_the_demo_dump_is_small(values: dict[str, object], profile: str) -> None:
    assert RunConfig.from_flat(values).profile == profile


@pytest.mark.parametrize(
    ("values", "fragments"),
    [
        ({"epochs": 0}, ["Epochs (epochs): ", "greater than or equal to 1; given: '0'"]),
        ({"epochz": 1}, ["'epochz'"]),
        ({"test_size": 0.6, "validation_size": 0.5}, ["Test size (0.6)", "validation size (0.5)"]),
        ({"directions": ["sideways"]}, ["Directions (directions): ", "'uni', 'bi' or 'none'; given: 'sideways'"]),
        ({"profile": "fast"}, ["'fast'", "default, long_reviews, article, demo"]),
        ({"dumps": []}, ["Dumps (dumps)"]),
        ({"jit_compile": True, "gpus": 2}, ["(jit_compile)", "(gpus) is 2"]),
        ({"precision": "mixed_float16", "gpus": 0}, ["(precision)", "mixed_bfloat16"]),
    ],
)
def test_an_error_names_field_value_and_remedy(values: dict[str, object], fragments: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RunConfig.from_flat(values)
    assert all(fragment in str(caught.value) for fragment in fragments)


def test_a_wrong_choice_in_a_list_gets_one_message() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RunConfig.from_flat({"directions": ["both"]})
    assert str(caught.value) == "Directions (directions): Input should be 'uni', 'bi' or 'none'; given: 'both'."


def test_a_hostile_value_is_shown_bounded_and_printable() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RunConfig.from_flat({"epochs": "\x1b[31m" + "9" * 10_000})
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1_300


def test_variants_are_the_product_of_every_swept_list() -> None:
    config = RunConfig.from_flat({"profile": "default", "seeds": [1, 2], "units": [8, 16]})
    names = [variant.name for variant in config.variants]
    assert names[:4] == ["uni-seed1-units8", "uni-seed1-units16", "uni-seed2-units8", "uni-seed2-units16"]
    assert len(names) == len(set(names)) == 8
    assert config.variants[-1].title == "Bidirectional LSTM, seed 2, LSTM units 16"


def test_averaged_vectors_are_not_trained_once_per_value_of_the_lstm() -> None:
    config = RunConfig.from_flat(
        {"profile": "default", "directions": ["uni", "none"], "units": [8, 16], "embedding_dim": [4, 8]}
    )
    without = [variant for variant in config.variants if variant.direction == "none"]
    assert [variant.name for variant in without] == ["none-seed1-embedding_dim4", "none-seed1-embedding_dim8"]
    assert without[0].title == "Averaged vectors, seed 1, Embedding dimension 4"
    assert len(config.variants) == 4 + 2


def test_averaged_vectors_have_no_last_output() -> None:
    with pytest.raises(ConfigurationError, match="set pooling to mean_max, or remove `none`"):
        RunConfig.from_flat({"profile": "article", "directions": ["none"]})


def test_a_long_path_is_shown_by_its_end() -> None:
    path = Path("/") / ("deep/" * 40) / "Reviews.csv"
    assert quoted(path).endswith("Reviews.csv'")
    assert len(quoted(path)) == 82
    assert quoted("x" * 200).startswith("'xxx")


def test_an_unknown_parameter_gets_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match=r"'epoch' does not exist\. Did you mean 'epochs'\? Choose one of"):
        RunConfig.from_flat({"epoch": 3})
    with pytest.raises(ConfigurationError, match=r"'zzz' does not exist\. Choose one of"):
        RunConfig.from_flat({"zzz": 3})


def test_word_dropout_needs_an_unknown_word() -> None:
    every_word = {"fit_on": "all", "max_vocabulary_size": 0, "min_frequency": 1}
    with pytest.raises(ConfigurationError, match="set word_dropout to 0"):
        RunConfig.from_flat({"profile": "default", **every_word})
    assert not RunConfig.from_flat({"profile": "article"}).vocabulary.has_unknown_word
