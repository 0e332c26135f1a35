"""A department's own system as a target of webhooks, over a real socket: it acts once on each idempotency key.

In a rehearsal with chaos it is in all the moods that real systems have, until it is told to be well.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LARGEST_BODY = 1 << 20
HANG_S = 2.5
Version = tuple[str, int]
"""Task id and version."""


class Mood(StrEnum):
    """How the target answers."""

    WELL = "well"  # acts, answers 204
    DOWN = "down"  # takes no connection
    ERROR = "error"  # answers 500 and does nothing
    HANG = "hang"  # says nothing for longer than anybody waits, and does nothing
    MUTE = "mute"  # acts, and closes the connection without an answer: the same comes again
    TWICE = "twice"  # acts, and answers two times on one connection


class Target:
    """The target and what it remembers. It listens from the start, on one port for good; `close` ends it."""

    def __init__(self, secret: str) -> None:
        self._signature = Webhook(secret)
        self._lock = threading.Lock()
        self._mood = Mood.WELL
        self._bodies: dict[str, bytes] = {}
        self._keys: set[str] = set()
        self.arrivals: Counter[str] = Counter()  # by idempotency key
        self.met: Counter[str] = Counter()  # requests by the mood in which they were taken
        self.acted: list[Version] = []
        self.forged = 0
        self.mixed: set[str] = set()  # keys under which two different bodies came
        self._listener: _Listener | None = _Listener(self, 0)
        self.port: int = self._listener.server_address[1]

    @property
    def mood(self) -> Mood:
        """How it answers from now on."""
        return self._mood

    @mood.setter
    def mood(self, mood: Mood) -> None:
        self._mood = mood
        if mood == Mood.DOWN:
            self.close()
        elif self._listener is None:
            self._listener = _Listener(self, self.port)

    @property
    def url(self) -> str:
        """Where webhooks go."""
        return f"http://127.0.0.1:{self.port}/tasks"

    def take(self, key: str, body: bytes, headers: dict[str, str]) -> Mood:
        """Take one request; how to answer it."""
        with self._lock:
            mood = self.mood
            self.met[mood] += 1
            try:
                task = self._signature.verify(body, headers)
            except WebhookVerificationError:
                self.forged += 1
                return Mood.ERROR
            self.arrivals[key] += 1
            first = self._bodies.setdefault(key, body)
            if first != body:
                self.mixed.add(key)
            if mood in {Mood.WELL, Mood.MUTE, Mood.TWICE} and key not in self._keys:
                self._keys.add(key)
                self.acted.append((str(task["task_id"]), int(task["version"])))
            return mood

    def wrong(self, wanted: Iterable[Version]) -> list[str]:
        """What is not as it has to be, a sentence each, when these versions of tasks were to reach it."""
        wanted, counts = set(wanted), Counter(self.acted)
        found = [f"{name} v{version} did not reach the target" for name, version in sorted(wanted - set(counts))]
        found += [
            f"{name} v{version} reached the target, and no task says so"
            for name, version in sorted(set(counts) - wanted)
        ]
        found += [f"{name} v{version} was acted on {n} times" for (name, version), n in sorted(counts.items()) if n > 1]
        found += [f"two different messages had the key {key}" for key in sorted(self.mixed)]
        found += [f"{self.forged} requests had a wrong signature"] if self.forged else []
        return found + self._out_of_order()

    def _out_of_order(self) -> list[str]:
        newest: dict[str, int] = {}
        found = []
        for name, version in self.acted:
            if version < newest.get(name, 0):
                found.append(f"{name} v{version} came after v{newest[name]}")
            newest[name] = max(version, newest.get(name, 0))
        return found

    def missing(self, wanted: Iterable[Version]) -> int:
        """How many of these versions it has not acted on."""
        with self._lock:
            return len(set(wanted) - set(self.acted))

    def close(self) -> None:
        """Take no more connections."""
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener = None


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, target: Target, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Take)
        self.target = target
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away (it was killed, or waited for too long) is part of the rehearsal."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # socketserver's own arguments


class _Take(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    _NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def do_POST(self) -> None:
        """One delivery."""
        target = cast("_Listener", self.server).target
        body = self.rfile.read(min(int(self.headers["content-length"]), LARGEST_BODY))
        headers = {name: self.headers.get(name, "") for name in self._NAMES}
        mood = target.take(self.headers.get("idempotency-key", ""), body, headers)
        if mood == Mood.HANG:
            time.sleep(HANG_S)
        if mood in {Mood.HANG, Mood.MUTE}:
            self.close_connection = True
            return
        answer = self._answer(HTTPStatus.INTERNAL_SERVER_ERROR if mood == Mood.ERROR else HTTPStatus.NO_CONTENT)
        self.wfile.write(answer * 2 if mood == Mood.TWICE else answer)

    def _answer(self, status: HTTPStatus) -> bytes:
        return f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\n\r\n".encode()

    def log_message(self, *_: object) -> None:
        """Silent."""
