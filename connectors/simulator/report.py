"""One report of a matter, before and after a department has put it into its own words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

from gridhub.connectors.simulator.kinds import Voice

Precision = Literal["any", "point", "key"]
_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Report:
    """What a department is about to tell. `serial` is unique in the run; `subject` is the key that the matter has.

    `precision`: whether the place must be told as a point, as a key, or in any of the department's ways. `turn` is 0
    for the matter's first report. `first_id` is that report's event id, empty in the first itself.
    """

    voice: Voice
    serial: int
    at_ms: int
    grid: str
    lon: float
    lat: float
    subject: str = ""
    precision: Precision = "any"
    drill: bool = False
    turn: int = 0
    first_id: str = ""
    wide: tuple[str, ...] = ()  # of a wide matter: the codes it covers
    form: str = ""  # of a wide matter: codes, polygon or circle
    last: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """The department's record, its key, and what the record says about the place."""

    record: dict[str, Any]
    key: str
    event_id: str
    way: str
    codes: tuple[str, ...]


def beijing(at_ms: int) -> datetime:
    """The moment in Beijing's time."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(_BEIJING)
