"""Mails and chat messages: who gets what, that nothing in them acts, and that nothing about them fails a run."""

from __future__ import annotations

import email
import email.policy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dags.webhook import Mailbox, Webhook, listening, receiving

HOSTILE = (
    "Read <script>alert(1)</script> & {{ 7 * 7 }} {% raw %} <!channel> @here\r\nBcc: x@evil.example \u202e\x1b[31m"
)
CONTEXT = {"dag": SimpleNamespace(dag_id="train_review_sentiment"), "run_id": "manual__2026-01-01T00:00:00+00:00"}


@pytest.fixture
def notifications(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, in a deployment that has an address and no receivers yet."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
    from pipeline.airflow import notifications

    return notifications


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A webhook that the deployment names."""
    with listening() as found:
        monkeypatch.setenv("REVIEW_SENTIMENT_NOTIFY_WEBHOOK_CONN", "chat")
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "password": found.url}))
        yield found


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server that the deployment names."""
    with receiving() as found:
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org", "retry_limit": 0}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": found.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("REVIEW_SENTIMENT_NOTIFY_EMAIL", " ann@example.org, bob@example.org,")
        yield found


def test_nothing_is_sent_unless_the_deployment_names_a_receiver(notifications, monkeypatch) -> None:
    for channel in ("_mail", "_post"):
        monkeypatch.setattr(notifications, channel, lambda *_: pytest.fail("something was sent"))
    notifications.notify_decision(CONTEXT, "Promoted", "It is better.")
    notifications.notify_decision(CONTEXT, "Not promoted", "It is worse.")
    notifications.notify_failure(CONTEXT)


def test_a_promotion_is_told_with_figures_and_links(notifications, webhook: Webhook, mailbox: Mailbox) -> None:
    figures = ("Balanced accuracy 0.900 (0.880–0.920)", "ROC-AUC 0.950", "Negative reviews found 88.0 %")
    notifications.notify_decision(CONTEXT, "Promoted", "It is better.", figures)
    (message,) = webhook.messages
    run = "manual__2026-01-01T00%3A00%3A00%2B00%3A00"
    assert message["text"].splitlines() == [
        "*Promoted*: It is better.",
        *(f"• {figure}" for figure in figures),
        "*Run*: train_review_sentiment / manual__2026-01-01T00:00:00+00:00",
        f"*Report*: https://airflow.example/review-sentiment/runs/{run}/",
        f"*In Airflow*: https://airflow.example/dags/train_review_sentiment/runs/{run}",
    ]
    ((receivers, sent),) = mailbox.mails
    assert receivers == ["ann@example.org", "bob@example.org"]
    mail = email.message_from_bytes(sent, policy=email.policy.default)
    assert mail["Subject"] == "Review sentiment: promoted (manual__2026-01-01T00:00:00+00:00)"
    body = html_of(mail)
    assert f'<a href="https://airflow.example/review-sentiment/runs/{run}/">' in body
    assert all(figure in body for figure in figures)


def test_texts_from_outside_stay_text(notifications, webhook: Webhook, mailbox: Mailbox) -> None:
    notifications.notify_decision({**CONTEXT, "run_id": f"run {HOSTILE}"}, "Not promoted", HOSTILE, [HOSTILE])
    text = webhook.messages[0]["text"]
    assert "<" not in text
    assert "@here" not in text
    assert not {"\u202e", "\x1b", "\r"} & set(text)
    ((receivers, sent),) = mailbox.mails
    assert receivers == ["ann@example.org", "bob@example.org"]
    mail = email.message_from_bytes(sent, policy=email.policy.default)
    assert mail["Bcc"] is None
    body = html_of(mail)
    assert "Read &lt;script&gt;alert(1)&lt;/script&gt; &amp; {{ 7 * 7 }} {% raw %}" in body
    assert "<script" not in body
    assert "\u202e" not in body


def test_messages_are_of_bounded_length(notifications, webhook: Webhook, mailbox: Mailbox) -> None:
    notifications.notify_decision(CONTEXT, "Not promoted", "&" * 100_000, ["x" * 100_000] * 100)
    assert len(webhook.messages[0]["text"]) < 6_000
    assert len(mailbox.mails[0][1]) < 12_000


def test_a_failure_without_a_task_is_told_by_its_reason(notifications, webhook: Webhook) -> None:
    notifications.notify_failure({**CONTEXT, "reason": "timed_out"})
    assert webhook.messages[0]["text"].startswith("*Failed*: The run failed: timed_out.")


def test_a_refused_run_is_told_with_what_its_tasks_said(notifications, webhook: Webhook) -> None:
    from pipeline.airflow.notes import NOTE_KEY

    left = {
        "enforce_contract": {"kind": "refused", "sentence": "enforce_contract: Too few rows."},
        "publish_report": {"kind": "stopped", "sentence": "Training was refused.", "figures": ["ROC-AUC 0.900"]},
    }

    def pull(*, task_ids: str, key: str, map_indexes: int = -1) -> dict[str, Any] | None:
        assert (key, map_indexes) == (NOTE_KEY, -1)
        return left.get(task_ids)

    failed = SimpleNamespace(task_id="enforce_contract", map_index=-1, xcom_pull=pull)
    notifications.notify_failure({**CONTEXT, "ti": failed})
    text = webhook.messages[0]["text"]
    assert text.startswith("*Refused*: enforce_contract: Too few rows.\n• ROC-AUC 0.900\n")
    assert "*Report*: https://airflow.example/review-sentiment/runs/" in text
    del left["publish_report"]
    left["enforce_contract"]["kind"] = "failed"
    notifications.notify_failure({**CONTEXT, "ti": failed})
    assert webhook.messages[1]["text"].startswith("*Failed*: enforce_contract: Too few rows.")
    # No report was made, so none is linked.
    assert "*Report*" not in webhook.messages[1]["text"]


@pytest.mark.parametrize(
    ("connection", "problem"),
    [
        ({"password": "http://127.0.0.1:1/services/hush-hush"}, "ConnectError"),
        ({"password": "hush-hush"}, "holds no http(s) address"),
        ({"password": "http://127.0.0.1:hush-hush/"}, "InvalidURL"),
        ({"extra": {"url": "http://127.0.0.1:1/services/hush-hush"}}, "ConnectError"),
        (None, "No webhook message was sent"),
    ],
)
def test_a_webhook_that_cannot_be_told_harms_nobody(
    notifications, monkeypatch, caplog, connection: dict[str, Any] | None, problem: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("REVIEW_SENTIMENT_NOTIFY_WEBHOOK_CONN", "chat")
    if connection is None:
        monkeypatch.delenv("AIRFLOW_CONN_CHAT", raising=False)
    else:
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", **connection}))
    notifications.notify_decision(CONTEXT, "Promoted", "It is better.")
    assert problem in caplog.text
    assert "the run is not affected" in caplog.text
    assert "hush-hush" not in caplog.text


@pytest.mark.parametrize("status", [200, 302, 403, 500])
def test_the_webhooks_address_is_in_no_log(notifications, webhook: Webhook, caplog, status: int) -> None:
    for name in ("", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    webhook.status = status
    notifications.notify_decision(CONTEXT, "Promoted", "It is better.")
    # A redirect is not followed: the message would go to whom nobody named.
    assert len(webhook.messages) == 1
    assert ("the server answered" in caplog.text) == (status != 200)
    assert "hush-hush" not in caplog.text
    assert logging.getLogger("httpx").level == logging.DEBUG


def test_a_mail_that_cannot_be_sent_harms_nobody_and_the_webhook_is_told(
    notifications, webhook: Webhook, mailbox: Mailbox, monkeypatch, caplog
) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_NOTIFY_EMAIL", "ann@example.org, no address")
    notifications.notify_decision(CONTEXT, "Promoted", "It is better.")
    assert "1 entries that are not mail addresses" in caplog.text
    monkeypatch.setenv("REVIEW_SENTIMENT_NOTIFY_EMAIL", "ann@example.org")
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT")
    notifications.notify_decision(CONTEXT, "Promoted", "It is better.")
    assert "No mail was sent through smtp_default (AirflowException: 'SMTP connection is not found.')" in caplog.text
    assert mailbox.mails == []
    assert len(webhook.messages) == 2


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("", None),
        ("airflow.example", None),
        ("javascript:alert(1)//", None),
        ("http://[bad", None),
        ("https://someone:secret@airflow.example:8443/prefix/?x", "https://airflow.example:8443/prefix/a"),
    ],
)
def test_links_lead_to_airflows_own_address(notifications, monkeypatch, base: str, expected: str | None) -> None:
    from pipeline.airflow.links import page_address

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert page_address("a") == expected


def html_of(mail: Any) -> str:
    body = mail.get_body(("html",))
    return str(body.get_content())
