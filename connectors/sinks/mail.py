"""A mail for each version of a task, over SMTP with TLS."""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING

import aiosmtplib

from gridhub.connectors.sinks.contract import Answer, Fate, Message
from gridhub.connectors.sinks.targets import Mail, is_loopback

if TYPE_CHECKING:
    from gridhub.connectors.sinks.contract import Task

PERMANENT = 500  # RFC 5321: 5yz is a permanent negative reply


class MailSink:
    """One mailbox. A connection for each mail: small units get few, and servers close idle connections."""

    def __init__(self, target: Mail, password: str = "") -> None:
        self._target, self._password = target, password

    async def send(self, message: Message) -> Answer:
        """Hand the mail over to the server; the Message-ID is the same at every attempt."""
        target = self._target
        try:
            await aiosmtplib.send(
                compose(message, target), hostname=target.host, port=target.port, timeout=target.timeout_s,
                start_tls=not is_loopback(target.host), username=target.user or None, password=self._password or None,
            )  # fmt: skip
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refusal(max(one.code for one in error.recipients), "the recipient is refused")
        except aiosmtplib.SMTPResponseException as error:
            return _refusal(error.code, "the server refuses it")
        except (aiosmtplib.SMTPException, OSError) as error:
            return Answer(Fate.LATER, type(error).__name__)
        return Answer(Fate.TAKEN, code=250)

    async def close(self) -> None:
        """Nothing is kept open."""


def _refusal(code: int, detail: str) -> Answer:
    return Answer(Fate.REFUSED if code >= PERMANENT else Fate.LATER, detail, code)


def compose(message: Message, target: Mail) -> EmailMessage:
    """The mail: what is to be done first, then where, then by when."""
    task = message.task
    mail = EmailMessage()
    mail["From"], mail["To"] = target.sender, target.to
    mail["Subject"] = _one_line(f"[{task['severity']}] {task['title']} {task['place_name']}")
    mail["Message-ID"] = f"<{message.key}@gridhub>"
    mail["X-Gridhub-Key"] = message.key
    if task["version"] > 1:
        mail["References"] = f"<{task['task_id']}.1@gridhub>"
    mail.set_content("\n".join(f"{name}: {value}" for name, value in _lines(task)))
    return mail


def _lines(task: Task) -> list[tuple[str, object]]:
    return [
        ("任务 Task", task["text"] or task["title"]),
        ("地点 Place", task["place_name"]),
        ("级别 Severity", task["severity"]),
        ("阶段 Stage", task["stage"]),
        ("值班 On duty", task.get("on_duty") or "-"),
        ("说明 Note", task["note"] or "-"),
        ("编号 Id", f"{task['task_id']} ({task['version']})"),
    ]


def _one_line(text: str) -> str:
    """A header's value: line breaks in it would be headers of their own."""
    return " ".join(text.split())[:200]
