"""Who comes in: keys, and how often somebody may ask."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from gridhub.connectors.open311.errors import Open311Error, later, missing, no_key
from gridhub.connectors.open311.keys import KeysError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from gridhub.connectors.open311.keys import Key, Keys, May


class Gate:
    """Keys and rates. An address has a number of questions and of wrong keys a minute, a key a number of writes."""

    def __init__(self, keys: Keys, jurisdiction: str, *, reads: int, writes: int, key_to_read: bool = False) -> None:
        self._keys, self._jurisdiction, self._key_to_read = keys, jurisdiction, key_to_read
        self._rates = MovingWindowRateLimiter(MemoryStorage())
        self._reads, self._writes = RateLimitItemPerMinute(reads), RateLimitItemPerMinute(writes)

    def read(self, request: Request, fields: Mapping[str, str]) -> None:
        """Let a question in; Open311Error 403, 404 or 429 when it may not."""
        self._count(self._reads, "read", _address(request))
        self._of_here(fields)
        if self._key_to_read and "read" not in self._key(request, fields).may:
            raise no_key()

    def write(self, request: Request, fields: Mapping[str, str], may: tuple[May, ...]) -> Key:
        """The key that allows this; Open311Error 400, 403, 404 or 429 when there is none."""
        if not fields.get("api_key"):
            raise missing("api_key")
        key = self._key(request, fields)
        self._count(self._writes, "write", key.name)
        self._of_here(fields)
        if not set(may) & set(key.may):
            raise no_key()
        return key

    def _key(self, request: Request, fields: Mapping[str, str]) -> Key:
        """The key in the fields; one that is wrong costs its address one of its tries."""
        address = _address(request)
        if not self._rates.test(self._writes, "wrong", address):
            raise self._too_often(self._writes, "wrong", address)
        try:
            key = self._keys.find(fields.get("api_key", ""))
        except KeysError as error:
            raise later("The keys cannot be read at the moment.") from error
        if key is None:
            self._rates.hit(self._writes, "wrong", address)
            raise no_key()
        return key

    def _of_here(self, fields: Mapping[str, str]) -> None:
        told = fields.get("jurisdiction_id", self._jurisdiction)
        if told != self._jurisdiction:
            raise Open311Error(404, "jurisdiction_id was not found.")

    def _count(self, rate: RateLimitItemPerMinute, what: str, who: str) -> None:
        if not self._rates.hit(rate, what, who):
            raise self._too_often(rate, what, who)

    def _too_often(self, rate: RateLimitItemPerMinute, what: str, who: str) -> Open311Error:
        free = self._rates.get_window_stats(rate, what, who).reset_time
        wait_s = max(1, math.ceil(free - time.time()))
        return Open311Error(429, f"At most {rate.amount} a minute.", wait_s=wait_s)


def _address(request: Request) -> str:
    return request.client.host if request.client else "?"
