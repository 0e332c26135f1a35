"""Silences as they lie on hub.config: `silence/<id>`, `silence/<id>/approved`, `silence/<id>/expired`. Judged by workers.

Whoever writes to the topic, these rules hold: a silence ends, is not longer than allowed, never hides danger to life, and
a broad one counts only with the word of a second person for exactly this silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gridhub.streams.shelf import first_line
from gridhub.streams.silences import (
    Approval,
    Breadth,
    Expiry,
    Silence,
    SilenceError,
    Silences,
    breadth,
    check,
    same_person,
)

if TYPE_CHECKING:
    from gridhub.streams.city import City

_PREFIX = b"silence/"
APPROVED, EXPIRED = "approved", "expired"


def is_of_silences(key: bytes) -> bool:
    """Whether an item of hub.config is about a silence."""
    return key.startswith(_PREFIX)


def silence_key(silence: str, word: str = "") -> bytes:
    """The key of a silence, or of its approval or end."""
    return f"silence/{silence}/{word}".rstrip("/").encode()


def silences_of(items: Mapping[bytes, bytes], city: City) -> tuple[Silences, dict[bytes, str], dict[bytes, str]]:
    """The silences in force, a word on each right item, and what is wrong with the others."""
    details: dict[bytes, str] = {}
    wrong: dict[bytes, str] = {}
    found: dict[str, Silence] = {}
    approvals: dict[str, Approval] = {}
    expiries: dict[str, Expiry] = {}
    for key, value in items.items():
        try:
            details[key] = _read(key, value, city, found, approvals, expiries)
        except (ValidationError, SilenceError) as error:
            wrong[key] = first_line(error)
    waiting: dict[str, list[str]] = {}
    in_force = []
    for name, silence in found.items():
        expiry = expiries.get(name)
        if expiry is not None and expiry.at >= silence.created_at:
            details[silence_key(name)] = f"expired by {expiry.expired_by}"
            continue
        try:
            why = reach(silence, city).needs_second(silence, city.routing.silence_limits)
            if why:
                _approved(silence, approvals.get(name), why)
        except SilenceError as error:
            waiting[name] = why
            key = silence_key(name, APPROVED) if name in approvals else silence_key(name)
            (wrong if name in approvals else details)[key] = str(error)
            continue
        in_force.append(silence)
    return Silences(tuple(in_force), waiting), details, wrong


def _read(  # noqa: PLR0913  # where each kind goes
    key: bytes, value: bytes, city: City, found: dict[str, Silence], approvals: dict[str, Approval],
    expiries: dict[str, Expiry],
) -> str:  # fmt: skip
    name, _, word = key.removeprefix(_PREFIX).decode("utf-8", "replace").partition("/")
    if word == APPROVED:
        approval = Approval.model_validate_json(value)
        _same(approval.silence, name)
        approvals[name] = approval
        return f"approved by {approval.approved_by}: {approval.comment}"
    if word == EXPIRED:
        expiry = Expiry.model_validate_json(value)
        _same(expiry.silence, name)
        expiries[name] = expiry
        return f"expired by {expiry.expired_by}: {expiry.comment}"
    if word:
        raise SilenceError(f"there is no item {word} of a silence; there are {APPROVED} and {EXPIRED}")
    silence = Silence.model_validate_json(value)
    _same(silence.id, name)
    check(silence, city.categories, city.routing.silence_limits)
    found[name] = silence
    return f"in force, by {silence.author}: {silence.comment}"


def _same(own: str, name: str) -> None:
    if own != name:
        raise SilenceError(f"the silence {own} stands under the key of another one")


def _approved(silence: Silence, approval: Approval | None, why: list[str]) -> None:
    """SilenceError while no second person's word for this very silence is there."""
    if approval is None:
        raise SilenceError(
            f"pending: it {', and '.join(why)}; a second person approves it with `gridhub silence approve`"
        )
    if approval.digest != silence.digest:
        raise SilenceError("the approval is for another text of this silence")
    if same_person(approval.approved_by, silence.author):
        raise SilenceError(f"{approval.approved_by} wrote this silence; another person approves it")


def reach(silence: Silence, city: City) -> Breadth:
    """How broad a silence is in this city."""
    return _reach(silence.digest, city.categories.version, city.catalogue.version, _Asked(silence, city))


class _Asked:
    """A silence and its city for the cache below, which tells them apart by digest and versions alone."""

    def __init__(self, silence: Silence, city: City) -> None:
        self.silence, self.city = silence, city

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=256)
def _reach(_silence: str, _categories: str, _catalogue: str, asked: _Asked) -> Breadth:
    return breadth(asked.silence, asked.city.categories, [str(code) for code in asked.city.catalogue.grid_codes])
