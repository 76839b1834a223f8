"""The trigger form: choices in words, dates as dates, defaults as they are, the same whatever is in the inbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parameters(airflow_home: Path) -> Any:
    """The module that makes the form."""
    from pipeline.airflow import parameters

    return parameters


def test_every_choice_is_shown_in_words(parameters) -> None:
    seen = 0
    for name, param in parameters.form().items():
        schema = param.schema
        choices = [value for value in schema.get("enum") or schema.get("examples") or [] if value is not None]
        if not choices or name == "profile" or "boolean" in schema["type"]:
            continue
        seen += 1
        # Nothing is left in the code's own spelling, and nothing is named that does not exist.
        assert set(parameters.CHOICES[name]) == set(choices), name
        assert {value: schema["values_display"][value] for value in choices} == parameters.CHOICES[name]
    assert seen >= 12
    assert "enum" not in parameters.form()["directions"].schema


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 0 == False and 1 == True.
        ("gpus", "Default: 1."),
        ("num_workers", "Default: 0."),
        ("required_improvement", "Default: 0.0."),
        ("seeds", "Default: 1."),
        ("allow_cpu", "Enter `on` or `off`. Default: off."),
        ("include_summary", "Default: on. In the profile `article`: off."),
        ("epochs", "Default: 3. In the profile `long_reviews`: 2, `article`: 50, `demo`: 4."),
        ("units", "Default: 128. In the profile `demo`: 32."),
        ("strategy", "Default: Grouped, stratified. In the profile `article`: Of the article."),
        ("directions", "Default: Unidirectional, Bidirectional."),
        ("max_psi", "Default: empty."),
        ("columns", "Default: empty."),
    ],
)
def test_the_form_states_the_default_and_the_values_of_the_profiles(parameters, name: str, expected: str) -> None:
    description = parameters.form()[name].schema["description_md"]
    assert description.endswith(f" {expected}")


def test_a_boolean_is_on_off_or_the_value_of_the_profile(parameters) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    standard = RunConfig().flat()
    booleans = [name for name, value in standard.items() if isinstance(value, bool)]
    assert len(booleans) > 5
    for name in booleans:
        param = parameters.form()[name]
        # Airflow makes a switch of a boolean: one without a value looks as if it were off.
        assert param.schema["type"][0] == "string"
        for given, expected in (("on", True), ("off", False), (True, True), (False, False), (None, standard[name])):
            assert parameters.config_from({name: param.resolve(given)}, None).flat()[name] is expected
        with pytest.raises(ParamValidationError):
            param.resolve("maybe")


def test_dates_are_dates_in_the_form(parameters) -> None:
    form = parameters.form()
    for name, kind in (("window_since", "date"), ("as_of", "date-time")):
        assert form[name].schema["format"] == kind
        assert form[name].schema["type"] == ["string", "null"]
    config = parameters.config_from(
        {"window": "since", "window_since": "2026-02-01", "as_of": "2026-03-01T00:00:00Z"}, {}
    )
    assert config.flat()["window_since"] == "2026-02-01"


@pytest.mark.parametrize(
    ("given", "titles"),
    [
        ({"window": "since"}, ["Window start (window_since)", "window"]),
        ({"test_size": 0.6, "validation_size": 0.6}, ["Test size", "validation size"]),
        ({"window_since": "yesterday"}, ["Window start (window_since)"]),
        ({"as_of": "2026-03-01T00:00:00"}, ["As of (as_of)"]),
        ({"approval_hours": 0}, ["Approval timeout (approval_hours)"]),
        ({"force_promotion_reason": "yes"}, ["Force promotion (reason) (force_promotion_reason)"]),
    ],
)
def test_a_mistake_names_the_field_as_the_form_does(parameters, given: dict[str, Any], titles: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        parameters.config_from(given, None)
    plain = str(error.value).replace("'", "")
    assert all(title in plain for title in titles)


def test_a_new_file_in_the_inbox_makes_no_new_version_of_a_dag(
    airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    def versions() -> dict[str, str]:
        bag = DagBag(dag_folder=str(CHECKOUT / "dags"))
        return {name: SerializedDagModel.hash(DagSerialization.to_dict(dag)) for name, dag in bag.dags.items()}

    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path))
    before = versions()
    (tmp_path / "Reviews.csv").write_text("x", encoding="utf-8")
    assert versions() == before
    assert len(before) > 3
