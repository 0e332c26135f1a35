"""The courier of one target: tries until a message is taken, refused, or has to be parked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import CLOSED, OPENED, OpenedState
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt, wait_random_exponential

from gridhub.connectors.sinks.contract import Answer, Fate, Message, Sink

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

    from gridhub.connectors.sinks.targets import Target


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a message, and after how many attempts."""

    message: Message
    answer: Answer
    attempts: int

    @property
    def parked(self) -> bool:
        """Whether the target does not have it."""
        return self.answer.fate != Fate.TAKEN


class _TroubleError(Exception):
    """The target is in trouble: counts for the circuit breaker."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.detail)
        self.answer = answer


class Courier:
    """Back-off with jitter for a message, a circuit breaker for the target.

    While the breaker is open nobody knocks, and waiting costs no attempt: a target that is away for a night gets its
    messages in the morning.
    """

    def __init__(self, target: Target, sink: Sink, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.target, self._sink, self._sleep = target, sink, sleep
        self._breakers = AsyncCircuitBreakerFactory(target.break_after, target.break_s)
        self._backoff = wait_random_exponential(multiplier=target.first_wait_s, max=target.longest_wait_s)
        self._alone = asyncio.Lock()
        self.circuit_open = False  # as it was when somebody last wanted to knock

    async def deliver(self, message: Message) -> Delivered:
        """The message's fate; LATER when the attempts are used up."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.target.attempts),
            wait=self._wait,
            retry=retry_if_result(lambda answer: answer.fate == Fate.LATER),
            sleep=self._sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer: Answer = await retrying(self._attempt, message)
        return Delivered(message, answer, retrying.statistics.get("attempt_number", 1))

    async def _attempt(self, message: Message) -> Answer:
        """Knock once, as soon as the breaker lets us."""
        while True:
            breaker = await self._breakers.get_breaker(self.target.name)
            self.circuit_open = breaker.context.state == OPENED
            try:
                if breaker.context.state == CLOSED:
                    return await self._knock(breaker, message)
                async with self._alone:  # of all that wait, one finds out whether the target is back
                    return await self._knock(breaker, message)
            except OpenedState:
                await self._sleep(min(1.0, self.target.break_s / 4))

    async def _knock(self, breaker: AsyncCircuitBreaker, message: Message) -> Answer:
        try:
            async with breaker:
                answer = await self._sink.send(message)
                if answer.fate == Fate.LATER:
                    raise _TroubleError(answer)
                return answer
        except _TroubleError as trouble:
            return trouble.answer
        finally:
            self.circuit_open = breaker.context.state == OPENED

    def _wait(self, state: RetryCallState) -> float:
        asked = state.outcome.result().wait_s if state.outcome else None
        return asked if asked is not None else self._backoff(state)

    async def is_open(self) -> bool:
        """Whether the target is left alone at the moment."""
        return (await self._breakers.get_breaker(self.target.name)).context.state == OPENED
