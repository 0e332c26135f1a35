"""A CAP message as it was said: alert, infos, areas, references. Nouns only; reading is in cap.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_CALLED_OFF = re.compile(r"cancell?(?:ation|ed)\b|all[ -]clear|no longer in effect", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message: sender and time are empty where only its identifier was given."""

    identifier: str
    sender: str = ""
    sent: str = ""


@dataclass(frozen=True, slots=True)
class Area:
    """One <area>: words, and the texts of its polygons, circles and geocodes (name of the code system, code)."""

    description: str = ""
    polygons: tuple[str, ...] = ()
    circles: tuple[str, ...] = ()
    geocodes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Info:
    """One <info>: what, how bad, from when until when, where, in one language."""

    language: str
    event: str
    categories: tuple[str, ...]
    urgency: str
    severity: str
    certainty: str
    responses: tuple[str, ...] = ()
    event_codes: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    onset: datetime | None = None
    expires: datetime | None = None
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    areas: tuple[Area, ...] = ()
    resources: int = 0

    @property
    def ended(self) -> bool:
        """Whether it says that the danger is past; `Past` alone is said of every earthquake that has happened."""
        past = self.urgency == "Past" and self.certainty == "Unlikely"
        return past or "AllClear" in self.responses or bool(_CALLED_OFF.search(f"{self.event} {self.headline}"))

    @property
    def ground(self) -> tuple[object, ...]:
        """What two languages of one info have in common."""
        shapes = tuple((area.polygons, area.circles, area.geocodes) for area in self.areas)
        return (self.categories, self.urgency, self.severity, self.certainty, self.onset, self.expires, shapes)


@dataclass(frozen=True, slots=True)
class Alert:
    """One <alert>. `version`: 1.2, 1.1, 1.0, 12379 (the form of the national warning centre), or feed (an index)."""

    version: str
    identifier: str
    sender: str
    sent: datetime
    status: str
    kind: str
    scope: str
    note: str = ""
    references: tuple[Reference, ...] = ()
    infos: tuple[Info, ...] = ()
    signature: str | None = None
    notes: tuple[str, ...] = ()
