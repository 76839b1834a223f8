"""Settings come from the environment when asked for, are checked, and are documented."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.settings import PREFIX, Settings, fields_by_variable, load_settings

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_settings_are_read_when_asked_and_blank_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings() == Settings.model_construct()
    monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", " /data/inbox ")
    assert load_settings().inbox == "/data/inbox"
    for name in fields_by_variable():
        monkeypatch.setenv(name, " ")
    assert load_settings() == Settings.model_construct()


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("sources", "inbox  kaggle ", ("inbox", "kaggle")),
        ("notify_email", " ann@example.org, bob@example.org,", ("ann@example.org", "bob@example.org")),
        ("score_after_promotion", "/data/a.csv, s3://bucket/b.parquet", ("/data/a.csv", "s3://bucket/b.parquet")),
        ("allowed_roots", "/in:s3://b/x:https://host:8443/y:", ("/in", "s3://b/x", "https://host:8443/y")),
    ],
)
def test_lists_have_their_own_separators(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, values: tuple[str, ...]
) -> None:
    monkeypatch.setenv(PREFIX + name.upper(), text)
    assert getattr(load_settings(), name) == values


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("INBOX_SETTLE_SECONDS", "soon"),
        ("INBOX_SETTLE_SECONDS", "-1"),
        ("INBOX_POLL_SECONDS", "nan"),
        ("INBOX_POLL_SECONDS", "1e9"),
        ("TRACKING", "perhaps"),
        ("ALLOW_PRIVATE_ADDRESSES", "some"),
    ],
)
def test_an_invalid_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(PREFIX + name, text)
    with pytest.raises(ConfigurationError, match=f"{PREFIX}{name} is '{text}': Input should be"):
        load_settings()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in fields_by_variable().values())


def test_only_the_settings_module_reads_our_variables_and_the_docs_name_no_other() -> None:
    pattern = re.compile(PREFIX + "[A-Z_]+[A-Z]")
    code = [path for folder in ("pipeline", "dags", "plugins") for path in (CHECKOUT / folder).rglob("*.py")]
    assert not [path for path in code if re.search(rf"environ\b.*{PREFIX}", path.read_text(encoding="utf-8"))]
    for path in [*code, *CHECKOUT.glob("docs/**/*.md")]:
        assert set(pattern.findall(path.read_text(encoding="utf-8"))) <= set(fields_by_variable()), path
