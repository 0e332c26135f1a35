"""What one grid's feature says of itself: code, parent, kind, name, validity; and what of it is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from gridhub.streams.place.source import span

MOST_NAME = 100
SPECIAL_KINDS = ("campus", "market", "park", "hospital", "enterprise", "scenic", "transport", "other")
"""Kinds of special grids (专属网格): 校园, 市场, 园区, 医院, 企业, 景区, 交通枢纽, 其他."""
GRID_KINDS = ("basic", *SPECIAL_KINDS)


def validity(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """[from, until) in ms of a feature's properties; empty ends are for ever; None where it is no validity."""
    days = {"valid_from": _day(row, "valid_from"), "valid_until": _until(row)}
    try:
        begin, end = span(days)
    except ValueError:
        return None
    return (begin, end) if begin < end else None


class Attributes:
    """The judgement of one feature's properties."""

    def __init__(self, row: dict[str, Any], divisions: Mapping[str, str], mca: Mapping[str, str]) -> None:
        self.row, self.divisions, self.mca = row, divisions, mca
        given = row.get("code")
        self.code = given if isinstance(given, str) and re.fullmatch(r"[0-9]{15}", given, re.ASCII) else ""
        self.found = [*self._of_code(given), *self._of_words()]
        self.sound = bool(self.code) and not self.found

    def _of_code(self, given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        if given is None or given == "":
            yield "no_code", {}
        elif not self.code:
            yield "bad_code", {"given": str(given)[:30]}
        elif self.code[:12] not in self.divisions:
            yield self._unknown()
        else:
            yield from self._of_parent()

    def _unknown(self) -> tuple[str, dict[str, Any]]:
        community, street = self.code[:12], self.mca.get(self.code[:9])
        if street is None:
            return "unknown_community", {"community": community}
        values = {"given": self.code[:9], "wanted": street}
        return "other_code_system", values | {"other_name": self.divisions.get(street, street)}

    def _of_parent(self) -> Iterator[tuple[str, dict[str, Any]]]:
        community = self.code[:12]
        name = self.divisions[community]
        for column, expected in (("community", community), ("community_code", community), ("community_name", name)):
            said = self.row.get(column)
            if said not in {None, ""} and str(said) not in {expected, f"{expected}000", name}:
                yield "wrong_parent", {"community": community, "name": name, "given": str(said)[:50]}

    def _of_words(self) -> Iterator[tuple[str, dict[str, Any]]]:
        kind, name = self.row.get("kind", "basic"), self.row.get("name")
        if kind not in GRID_KINDS:
            yield "unknown_kind", {"given": str(kind)[:30], "kinds": ", ".join(SPECIAL_KINDS)}
        if "name" in self.row and not str(name or "").strip():
            yield "empty_name", {}
        if len(str(name or "")) > MOST_NAME:
            yield "long_name", {"most": MOST_NAME}
        if validity(self.row) is None:
            days = (_day(self.row, "valid_from"), _until(self.row))
            yield "bad_validity", {"given": " – ".join(days)[:40]}


def _until(row: Mapping[str, Any]) -> str:
    return _day(row, "valid_until") or _day(row, "valid_to")


def _day(row: Mapping[str, Any], name: str) -> str:
    """A day's text as it stands; anything else than a day, the empty text or nothing is returned to be refused."""
    value = row.get(name)
    if value is None or value == "":
        return ""
    try:
        return date.fromisoformat(value).isoformat()
    except (ValueError, TypeError):
        return f"{value}?"
