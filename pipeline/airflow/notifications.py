"""Mail and chat messages about failed, refused and promoted runs; off unless a receiver is configured.

docs/how-to/send_notifications.md describes the configuration.

Nothing here may fail a run: what cannot be sent is a line in the log. Texts of a run come from outside; in a mail they
are escaped, never rendered as a template, and in a chat they mention no user.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from airflow.sdk import Connection
from airflow.sdk.log import mask_secret

from pipeline.airflow.links import page_address, report_page
from pipeline.airflow.notes import NOTE_KEY
from pipeline.errors import quoted, shortened
from pipeline.settings import load_settings, variable
from pipeline.sources.retry import HTTP_LOGGERS, muted_loggers

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

MAIL_CONNECTION = "smtp_default"
REPORTING_TASK = "publish_report"

MAX_CHARACTERS = 600
"""Of a sentence."""
MAX_FIGURES = 6
WEBHOOK_SECONDS = 10.0
_ADDRESS = re.compile(r"[^\s@,<>\"]+@[^\s@,<>\"]+")


@dataclass(frozen=True)
class Notification:
    """One message about a run.

    ``run`` has the DAG's id and the run's id; ``reported`` says whether the run has a report.
    """

    title: str
    run: tuple[str, str]
    sentence: str
    figures: tuple[str, ...] = ()
    reported: bool = True

    @property
    def subject(self) -> str:
        """One line for a mail's subject."""
        return _line(f"Review sentiment: {self.title.lower()} ({self.run[1]})", 150)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield label and text of each line."""
        yield self.title, _line(self.sentence)
        for figure in self.figures[:MAX_FIGURES]:
            yield "", _line(figure, 120)
        yield "Run", _line(" / ".join(self.run), 300)
        dag_id, run_id = (quote(part, safe="") for part in self.run)
        pages = {"Report": report_page(self.run[1]), "In Airflow": f"dags/{dag_id}/runs/{run_id}"}
        for label, path in pages.items():
            page = page_address(path) if self.reported or label != "Report" else None
            if page is not None:
                yield label, page

    def as_html(self) -> str:
        """Return the mail's body."""
        rows = (_html_line(label, text) for label, text in self.lines())
        return f"<html><body>{''.join(rows)}</body></html>"

    def as_chat(self) -> str:
        """Return the chat message; text of a run cannot become a link, a mention or a command."""
        return "\n".join(f"{f'*{label}*: ' if label else '• '}{_chat(text)}" for label, text in self.lines())


class WebhookError(Exception):
    """An incoming webhook rejected a message. The message does not hold its address, which is a secret."""


def _post(connection_id: str, text: str) -> None:
    """Post ``{"text": …}`` to an incoming webhook of Slack, Mattermost or a compatible chat.

    Raises:
        WebhookError: The connection holds no address, or the server rejected the message.
    """
    connection = Connection.get(connection_id)
    url = str(connection.password or connection.extra_dejson.get("url") or "")
    if not url.lower().startswith(("https://", "http://")):
        raise WebhookError(
            f"the connection {connection_id!r} holds no http(s) address, neither as its password nor as 'url' in its "
            "extra"
        )
    mask_secret(url)
    problem: str | None = None
    try:
        with muted_loggers(*HTTP_LOGGERS):
            answer = httpx.post(url, json={"text": text}, timeout=WEBHOOK_SECONDS, follow_redirects=False)
        if not answer.is_success:
            problem = f"the server answered {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        # The error's text may hold the address.
        problem = type(error).__name__
    if problem is not None:
        raise WebhookError(f"{problem}; check the connection {connection_id!r}")


def notify_failure(context: Mapping[str, Any]) -> None:
    """Send a message about a failed or rejected run: the DAG's ``on_failure_callback``."""
    settings = load_settings()
    if not (settings.notify_email or settings.notify_webhook_conn):
        return
    failure, report = _left(context, None), _left(context, REPORTING_TASK)
    note = failure or report or {}
    refused = note.get("kind") in {"refused", "stopped"}
    sentence = note.get("sentence") or _reason(context)
    figures = (report or {}).get("figures") or ()
    title = "Refused" if refused else "Failed"
    _send(Notification(title, _run_of(context), str(sentence), tuple(map(str, figures)), reported=bool(report)))


def notify_decision(context: Mapping[str, Any], title: str, sentence: str, figures: Sequence[str] = ()) -> None:
    """Send a message about the decision on a model, with the run's figures."""
    _send(Notification(title, _run_of(context), sentence, tuple(figures)))


def _send(notification: Notification) -> None:
    settings = load_settings()
    if settings.notify_email:
        try:
            _mail(settings.notify_email, notification)
            log.info("Mail sent: %s", notification.title)
        except Exception as error:  # noqa: BLE001 - the provider passes on whatever its connection raises
            problem = f"{type(error).__name__}: {quoted(error, 200)}"
            log.error("No mail was sent through %s (%s); the run is not affected.", MAIL_CONNECTION, problem)
    if settings.notify_webhook_conn is not None:
        try:
            _post(settings.notify_webhook_conn, notification.as_chat())
            log.info("Webhook message sent: %s", notification.title)
        except WebhookError as error:
            log.error("No webhook message was sent (%s); the run is not affected.", error)
        except Exception as error:  # noqa: BLE001 - it must not fail the run, and its text may hold the address
            log.error("No webhook message was sent (%s); the run is not affected.", type(error).__name__)


def _mail(receivers: Sequence[str], notification: Notification) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    unfit = [receiver for receiver in receivers if not _ADDRESS.fullmatch(receiver)]
    if unfit:
        raise ValueError(f"{variable('notify_email')} holds {len(unfit)} entries that are not mail addresses")
    notifier = SmtpNotifier(
        to=list(receivers),
        subject=notification.subject,
        html_content=notification.as_html(),
        smtp_conn_id=MAIL_CONNECTION,
    )
    # Airflow's own call would render the texts as templates; they come from outside.
    notifier.notify({})


def _run_of(context: Mapping[str, Any]) -> tuple[str, str]:
    dag_run = context.get("dag_run")
    run_id = context.get("run_id") or getattr(dag_run, "run_id", "unknown")
    dag = context.get("dag")
    return str(getattr(dag, "dag_id", None) or getattr(dag_run, "dag_id", "unknown")), str(run_id)


def _reason(context: Mapping[str, Any]) -> str:
    """Return a sentence from what Airflow knows of the failure."""
    task_id = getattr(context.get("ti"), "task_id", None)
    if task_id is not None:
        return f"The task {task_id} failed; see its log."
    return f"The run failed: {context.get('reason') or 'see its tasks'}."


def _left(context: Mapping[str, Any], task_id: str | None) -> Mapping[str, Any] | None:
    """Return the note of a task, or of the task that failed; ``None`` if it cannot be read."""
    instance = context.get("ti")
    if instance is None:
        return None
    try:
        if task_id is None:
            found = instance.xcom_pull(task_ids=instance.task_id, key=NOTE_KEY, map_indexes=instance.map_index)
        else:
            found = instance.xcom_pull(task_ids=task_id, key=NOTE_KEY)
    except Exception as error:  # noqa: BLE001 - in `dag.test()` there is no supervisor, which is an ImportError
        log.info("The note of %s cannot be read: %s", task_id or "the failed task", type(error).__name__)
        return None
    return found if isinstance(found, Mapping) else None


def _line(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return a text on one line, of bounded length and without control characters."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
    return shortened(line, most)


def _html_line(label: str, text: str) -> str:
    shown = html.escape(text)
    if label in {"Report", "In Airflow"}:
        shown = f'<a href="{shown}">{shown}</a>'
    return f"<p>{f'<b>{html.escape(label)}</b>: ' if label else ''}{shown}</p>"


def _chat(text: str) -> str:
    # Slack's escaping.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Other chats need no brackets for a mention (@channel); a word joiner prevents it.
    return escaped.replace("@", "@\N{WORD JOINER}")
