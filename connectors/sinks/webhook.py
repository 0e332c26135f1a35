"""A signed POST for each version of a task, as in the Standard Webhooks specification 1.0."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import orjson
from standardwebhooks.webhooks import Webhook as Signature

from gridhub.connectors.sinks.contract import Answer, Fate, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridhub.connectors.sinks.targets import Webhook

ASKED_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
SERVER_ERROR = 500
SUCCESS = range(200, 300)
MOST_WAIT_S = 3600.0
LARGEST_ANSWER = 64 << 10  # a person may look for it in a trace; nobody here reads more
SEEN_BEFORE = {HTTPStatus.CONFLICT}  # a target that knows the key already may say so


def now() -> datetime:
    """The wall clock, UTC."""
    return datetime.now(UTC)


class WebhookSink:
    """One target over HTTP. Redirects are not followed: a secret signs for one address."""

    def __init__(self, target: Webhook, secret: str, clock: Callable[[], datetime] = now) -> None:
        self._url, self._clock = target.url, clock
        self._signature = Signature(secret)
        # a connection carries one delivery: where a target answers twice, the second answer must not be the next one's
        limits = httpx.Limits(max_connections=target.parallel, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(timeout=target.timeout_s, limits=limits, follow_redirects=False)

    async def send(self, message: Message) -> Answer:
        """POST the task as JSON; 2xx and 409 mean that the target has it."""
        body = orjson.dumps(message.task)
        try:
            async with self._client.stream(
                "POST", self._url, content=body, headers=self._headers(message, body)
            ) as got:
                await _drain(got)
                return self._answer(got)
        except (httpx.TransportError, httpx.DecodingError) as error:
            return Answer(Fate.LATER, type(error).__name__)

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        at = self._clock()
        return {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "gridhub-webhook/1",
            "idempotency-key": message.key,
            "webhook-id": message.key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signature.sign(message.key, at, body.decode()),
        }

    def _answer(self, got: httpx.Response) -> Answer:
        code = got.status_code
        if code in SUCCESS or code in SEEN_BEFORE:
            return Answer(Fate.TAKEN, code=code)
        if code >= SERVER_ERROR or code in ASKED_LATER:
            return Answer(
                Fate.LATER, HTTPStatus(code).phrase if code in list(HTTPStatus) else "", code, self._asked(got)
            )
        return Answer(Fate.REFUSED, "the target refuses it", code)

    def _asked(self, got: httpx.Response) -> float | None:
        """Seconds of a Retry-After header (RFC 9110: a number or a date), one hour at most."""
        text = got.headers.get("retry-after", "").strip()
        try:
            wait = float(text) if text.isdigit() else (parsedate_to_datetime(text) - self._clock()).total_seconds()
        except (ValueError, TypeError):
            return None
        return min(max(wait, 0.0), MOST_WAIT_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _drain(got: httpx.Response) -> None:
    """Read the answer to its end, or as far as we care."""
    size = 0
    async for piece in got.aiter_raw():
        size += len(piece)
        if size > LARGEST_ANSWER:
            return
