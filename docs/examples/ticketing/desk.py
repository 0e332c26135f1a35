"""A small ticketing system to try the hub with: takes signed webhooks, shows its tasks, reports steps back.

Run as README.md says. What to copy into a system of your own: the signature is checked before anything is read, a key that
was seen is answered 409, key and task are written in one transaction, an older version never overwrites a newer one.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sqlite3
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlencode
from urllib.request import urlopen

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LARGEST_BODY = 1 << 20
NEXT = {
    "dispatched": {"accepted": "接单", "returned": "退单"},
    "accepted": {"handling": "处理"},
    "handling": {"reported": "反馈"},
    "extended": {"handling": "处理"},
    "suspended": {"handling": "处理"},
    "reworked": {"handling": "处理"},
}
"""What a handler may do next; checking and closing are somebody else's."""
PAGE = """<!doctype html><html lang="zh"><meta charset="utf-8"><title>任务 Tasks</title>
<style>body{{font:16px sans-serif;margin:2em}}td,th{{text-align:left;padding:.3em 1em;border-bottom:1px solid #ccc}}</style>
<h1>任务 Tasks ({count})</h1><table><tr><th>级别<th>事项<th>地点<th>接收<th>阶段<th>说明<th></tr>{rows}</table></html>"""


class Desk:
    """The tasks in a SQLite file, and the way back to the hub."""

    def __init__(self, path: Path, secret: str, open311: str, key: str) -> None:
        self.path, self.signature, self.open311, self.key = path, Webhook(secret), open311, key
        self.form_token = secrets.token_urlsafe(16)  # other pages in the same browser do not know it
        with self.db() as db:
            db.execute("CREATE TABLE IF NOT EXISTS seen(key TEXT PRIMARY KEY)")
            db.execute("CREATE TABLE IF NOT EXISTS tasks(id TEXT PRIMARY KEY, version INTEGER, task TEXT)")

    def db(self) -> sqlite3.Connection:
        """A connection of this thread's own."""
        return sqlite3.connect(self.path, timeout=30)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The answer to a delivery: 401 for a wrong signature, 409 for one that was taken before, 204 when it is kept."""
        try:
            task = self.signature.verify(body.decode(), headers)
        except (WebhookVerificationError, ValueError):
            return 401
        with self.db() as db:  # both or nothing
            if not db.execute("INSERT OR IGNORE INTO seen VALUES(?)", (headers["idempotency-key"],)).rowcount:
                return 409
            db.execute(
                "INSERT INTO tasks VALUES(?, ?, ?) ON CONFLICT(id) DO UPDATE SET version = excluded.version,"
                " task = excluded.task WHERE excluded.version > version",
                (task["task_id"], task["version"], json.dumps(task)),
            )
        return 204

    def tasks(self) -> list[dict]:
        """The newest version of each task, the most severe first."""
        with self.db() as db:
            found = [json.loads(text) for (text,) in db.execute("SELECT task FROM tasks ORDER BY id LIMIT 1000")]
        return sorted(found, key=lambda task: (task["severity"], task["created_at"]))

    def step(self, task_id: str, stage: str) -> tuple[int, str]:
        """Report a step. The id is the task's, so that a second click is no second step."""
        version = next((task["version"] for task in self.tasks() if task["task_id"] == task_id), 0)
        fields = {"api_key": self.key, "service_request_id": task_id, "status": stage, "account_id": "desk-officer",
                  "update_id": f"{task_id}.{version}.{stage}"}  # fmt: skip
        try:
            body = urlencode(fields).encode()
            with urlopen(f"{self.open311}/servicerequestupdates.json", body, timeout=10) as got:  # noqa: S310  # our own setting
                return got.status, "已上报，等待枢纽确认 / Reported; the hub decides"
        except HTTPError as error:
            return error.code, error.read(4096).decode(errors="replace")
        except URLError as error:
            return 502, f"{self.open311}: {error.reason}"

    def page(self) -> str:
        """The tasks as a page; whatever a task says is text, never markup."""
        found = self.tasks()
        return PAGE.format(count=len(found), rows="".join(map(self._row, found)))

    def _row(self, task: dict) -> str:
        cells = (
            task["severity"],
            task["title"],
            task["place_name"],
            task["recipient_name"],
            task["stage"],
            task["note"],
        )
        buttons = "".join(self._button(task["task_id"], *step) for step in NEXT.get(task["stage"], {}).items())
        return f"<tr>{''.join(f'<td>{escape(str(cell))}' for cell in cells)}<td>{buttons}</tr>"

    def _button(self, task_id: str, stage: str, name: str) -> str:
        told = {"task": task_id, "stage": stage, "token": self.form_token}
        fields = "".join(f'<input type="hidden" name="{k}" value="{escape(v)}">' for k, v in told.items())
        return f'<form method="post" action="/step">{fields}<button>{name}</button></form>'


class Counter(BaseHTTPRequestHandler):
    """GET / shows the tasks; POST /tasks is for the hub, POST /step for the page's buttons."""

    desk: Desk
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:  # the library's name
        """The page."""
        self._answer(200, self.desk.page()) if self.path == "/" else self._answer(404, "")

    def do_POST(self) -> None:  # the library's name
        """A delivery, or a step."""
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self._answer(413, "")
            return
        body = self.rfile.read(int(length))
        if self.path == "/tasks":
            self._answer(self.desk.take({k.lower(): v for k, v in self.headers.items()}, body), "")
        elif self.path == "/step":
            self._step(parse_qs(body.decode(errors="replace"), max_num_fields=10))
        else:
            self._answer(404, "")

    def _step(self, form: dict[str, list[str]]) -> None:
        told = [form.get(name, [""])[0] for name in ("task", "stage", "token")]
        if not secrets.compare_digest(told[2], self.desk.form_token):
            self._answer(403, "")
            return
        code, said = self.desk.step(told[0], told[1])
        self._answer(code, f"<!doctype html><meta charset=utf-8><p>{escape(said)}<p><a href='/'>任务 Tasks</a>")

    def _answer(self, code: int, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        if code != 204:
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent: an address may hold what is nobody's business."""


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=19411)
    parser.add_argument("--data", type=Path, default=Path("desk.sqlite"))
    given = parser.parse_args()
    open311 = os.environ.get("DESK_OPEN311", "http://127.0.0.1:19311/open311/v2")
    Counter.desk = Desk(given.data, os.environ["DESK_SECRET"], open311, os.environ["DESK_KEY"])
    ThreadingHTTPServer(("127.0.0.1", given.port), Counter).serve_forever()


if __name__ == "__main__":
    main()
