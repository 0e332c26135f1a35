"""What routing, inhibit rules and silences can ask of an incident: its labels, and the values they have.

A label has a set of values: an incident is told by several departments and lies in several places at once. A label that
an incident has not has the one value "" (Alertmanager's rule for missing labels).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gridhub.streams.rooms.outbound import Categories, Row

LEVELS = ("city", "district", "street", "community", "grid")
STATUSES = ("actual", "exercise", "test")
SEVERITIES = (1, 2, 3, 4)
DAYS = ("workday", "holiday")
_DIGITS = {"district": 6, "street": 9, "community": 12, "grid": 15}
_LEVEL_OF_DIGITS = {digits: level for level, digits in _DIGITS.items() if level != "district"}
_NONE = frozenset({""})

Labels = dict[str, frozenset[str]]
"""The values of each label, as text."""


class Label(NamedTuple):
    """A word that a matcher may ask for. `several`: an incident can have more than one value of it."""

    about: str
    several: bool = False
    number: bool = False


LABELS: dict[str, Label] = {
    "category": Label("category of config/categories.csv"),
    "matter_group": Label("the category's matter group"),
    "life_safety": Label("true where people may be in danger, else false"),
    "severity": Label("1 特别重大 … 4 一般", number=True),
    "status": Label("actual, exercise or test"),
    "department": Label("departments that reported it", several=True),
    "area": Label("codes of the place and of every place around it", several=True),
    "district": Label("6-digit codes of its districts", several=True),
    "street": Label("9-digit codes of its streets", several=True),
    "community": Label("12-digit codes of its communities", several=True),
    "grid": Label("15-digit codes of its grids", several=True),
    "level": Label("city, district, street, community or grid: of the widest code of the place"),
    "parent": Label("rule of config/matching.yaml by which it has a parent; empty without one"),
    "hour": Label("hour of the day in China, 0 to 23", number=True),
    "calendar": Label("workday or holiday, by China's calendar"),
}
OF_CATEGORY = ("category", "matter_group", "life_safety")
OF_TIME = ("hour", "calendar")
OF_PLACE = ("area", "district", "street", "community", "grid")
NUMBERS: dict[str, tuple[str, ...]] = {
    "severity": tuple(map(str, SEVERITIES)),
    "hour": tuple(str(hour) for hour in range(24)),
}


def level_of(code: str) -> str:
    """city, district, street, community or grid, by the digits of a canonical code."""
    return _LEVEL_OF_DIGITS.get(len(code)) or ("city" if code.endswith("00") else "district")


def closed_values(categories: Categories) -> dict[str, tuple[str, ...]]:
    """Every value of the labels that have one value each of a list that is known."""
    rows = [categories[name] for name in categories]
    return {
        "category": tuple(categories),
        "matter_group": tuple(dict.fromkeys(row.matter_group for row in rows)),
        "life_safety": ("true", "false"),
        "status": STATUSES,
        "level": LEVELS,
        "calendar": DAYS,
        **NUMBERS,
    }


def of_category(name: str, categories: Categories) -> dict[str, str]:
    """The labels that follow from a category; its own name stands for the group of one that the table lacks."""
    row = categories.get(name)
    group = name if row is None else row.matter_group
    return {
        "category": name,
        "matter_group": group,
        "life_safety": "true" if row is not None and row.life_safety else "false",
    }


def of_places(codes: Iterable[str]) -> Labels:
    """The labels of places: `area` has the codes themselves and all around them, each level its own."""
    found: Labels = {name: frozenset(code[:n] for code in codes if len(code) >= n) for name, n in _DIGITS.items()}
    # the city's own code has six digits too, and is no district
    found["district"] = frozenset(code for code in found["district"] if not code.endswith("00"))
    around = frozenset().union(*found.values())
    found["area"] = around | {code[:4] + "00" for code in codes}
    return {name: values or _NONE for name, values in found.items()}


def labels_of(incident: Row, category: str, categories: Categories, time: Mapping[str, str] | None = None) -> Labels:
    """The labels of an incident, seen as one of `category`; `time` has hour and calendar where they matter."""
    codes = incident["grid_ids"]
    single = {
        **of_category(category, categories),
        "severity": str(incident["severity"]),
        "status": incident["status"],
        "level": level_of(min(codes, key=len)),
        "parent": incident.get("parent_rule") or "",
        **(time or {}),
    }
    found = {name: frozenset((value,)) for name, value in single.items()}
    return found | of_places(codes) | {"department": frozenset(incident["sources"]) or _NONE}
