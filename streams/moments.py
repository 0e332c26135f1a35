"""Moments as people write them on a command line: ISO 8601, in China's time where they name no other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import click

CHINA = timezone(timedelta(hours=8))


def ms_of(text: str) -> int:
    """A day or moment in ISO 8601 as ms since 1970, in China's time where it names no other; ValueError when it is none."""
    found = datetime.fromisoformat(text)
    return round(found.replace(tzinfo=found.tzinfo or CHINA).timestamp() * 1000)


class Moment(click.ParamType):
    """2026-11-23, 2026-11-23T16:00, 2026-11-23T16:00:00+08:00; ms since 1970."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The moment in ms; a usage error when it is none."""
        if isinstance(value, int):
            return value
        try:
            return ms_of(value)
        except ValueError:
            self.fail(f"{value!r} is no moment; write 2026-11-23T16:00 (China's time) or with an offset.", param, ctx)


def shown(at_ms: int) -> str:
    """A moment in China's time, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, tz=CHINA).isoformat(timespec="seconds")
