"""Calls that may hang, in a thread of their own: whoever asks waits by the monotonic clock, and then goes on without it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Aside:
    """One thread that makes calls one after the other. Not for several askers at a time.

    librdkafka waits by the wall clock: where that is set back by an hour, a wait of a tenth of a second takes an hour, and
    nothing can interrupt it. The thread that hangs is left behind, as a daemon, with what it holds.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self.hangs = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def ask(self, call: Callable[[], Answer], limit_s: float) -> Answer:
        """What the call gives, or raises; TimeoutError after `limit_s` seconds, and from then on at once."""
        if self.hangs:
            raise TimeoutError("an earlier call has not come back")
        answer: Future[Answer] = Future()
        self._calls.put((call, answer))
        try:
            return answer.result(limit_s)
        except TimeoutError as error:
            if answer.done():  # the call's own
                raise
            self.hangs = True
            raise TimeoutError(f"no answer within {limit_s:g} s") from error

    def end(self, last: Callable[[], None], limit_s: float) -> None:
        """Make the last call; where it takes longer than `limit_s`, or an earlier one still hangs, nobody waits for it."""
        done: Future[None] = Future()
        self._calls.put((last, done))
        self._calls.put(None)
        if self.hangs:
            return
        try:
            done.result(limit_s)
        except TimeoutError:
            self.hangs = True

    def _run(self) -> None:
        while (asked := self._calls.get()) is not None:
            call, answer = asked
            try:
                answer.set_result(call())
            except BaseException as error:  # noqa: BLE001  # it is the asker's
                answer.set_exception(error)
