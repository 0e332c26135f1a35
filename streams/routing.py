"""config/routing.yaml: who is asked to do what. A tree of routes, checked at load, asked with one incident."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from gridhub.streams.files import UnreadableError, read_bounded
from gridhub.streams.routing_file import ACTIONS, LEVELS, SEVERITIES, STATUSES, RecipientRule, RouteFile, RoutingFile
from gridhub.streams.strictyaml import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gridhub.streams.rooms.outbound import Categories, Row

__all__ = ["Matched", "RecipientRule", "Routing", "RoutingError"]

MINUTE_MS = 60_000
_MOST_BYTES = 1_048_576
_LEVEL_OF_DIGITS = {9: "street", 12: "community", 15: "grid"}
_MATCHERS = ("category", "severity", "source", "district", "level", "status")


class RoutingError(ValueError):
    """routing.yaml is wrong; the message has one sentence per problem."""


class Matched(NamedTuple):
    """One rule that an incident meets, and the names of the routes that led to it."""

    rule: RecipientRule
    path: str


@dataclass(frozen=True)
class _Node:
    """A route as sets: what it takes (None: everything) and to whom it leads."""

    path: str
    takes: Mapping[str, frozenset[object]]
    goes_on: bool
    recipients: tuple[RecipientRule, ...]
    children: tuple[_Node, ...]

    def meets(self, facts: Mapping[str, frozenset[object]]) -> bool:
        """Whether each matcher has one of the incident's values."""
        return all(not allowed.isdisjoint(facts[name]) for name, allowed in self.takes.items())

    def leading(self, facts: Mapping[str, frozenset[object]]) -> Iterator[_Node]:
        """The nodes that answer: those of the first child that fits (and of the next ones with `continue`), else itself."""
        answered = False
        for child in self.children:
            if child.meets(facts):
                answered = True
                yield from child.leading(facts)
                if not child.goes_on:
                    break
        if not answered:
            yield self


class Routing:
    """The checked routing tree. `version` is the file's own and a hash of its bytes."""

    def __init__(self, file: RoutingFile, root: _Node, version: str) -> None:
        self.version = version
        self.max_fanout = file.max_fanout
        self.departments = dict(file.departments)
        self._finish_min = file.finish_min
        self._root = root
        self._asked: dict[tuple[object, ...], tuple[Matched, ...]] = {}

    @classmethod
    def load(cls, path: Path | None, categories: Categories) -> Routing:
        """The checked file (None: the bundled one); RoutingError with one sentence per problem."""
        source = path if path is not None else files("gridhub.config") / "routing.yaml"
        try:
            return cls.parse(read_bounded(source, _MOST_BYTES), categories)
        except UnreadableError as error:
            raise RoutingError(str(error)) from error

    @classmethod
    def parse(cls, content: bytes, categories: Categories) -> Routing:
        """The checked tree from a file's bytes; RoutingError as `load`."""
        try:
            file = RoutingFile.model_validate(strict_yaml(content, "routing.yaml"))
        except ValueError as error:  # pydantic's is one of them
            raise RoutingError(_sentences(error)) from error
        problems = list(_problems(file, categories))
        root = _node(file.route, (), "", categories)
        problems += _unreachable(root)
        if problems:
            raise RoutingError("\n".join(problems))
        return cls(file, root, f"{file.version}+{blake2b(content, digest_size=6).hexdigest()}")

    def route(self, incident: Row) -> tuple[Matched, ...]:
        """The rules that this incident meets, the one that handles first; never empty, exactly one `handle`.

        Of several `handle` rules the first keeps it and the others assist: one unit leads (主办), others help (协办).
        """
        codes = incident["grid_ids"]
        wide = min(codes, key=len)
        asked = (
            incident["category"],
            incident["severity"],
            tuple(incident["sources"]),
            incident["status"],
            level_of(wide),
            tuple(sorted({code[:6] for code in codes})),
        )
        if asked not in self._asked:
            self._asked[asked] = self._route(asked)
        return self._asked[asked]

    def _route(self, asked: tuple[object, ...]) -> tuple[Matched, ...]:
        category, severity, sources, status, level, districts = asked
        values = (category, severity, sources, districts, level, status)
        facts = {
            name: frozenset(value if isinstance(value, tuple) else (value,))
            for name, value in zip(_MATCHERS, values, strict=True)
        }
        found = [Matched(rule, node.path) for node in self._root.leading(facts) for rule in node.recipients]
        if not any(matched.rule.action == "handle" for matched in found):
            found += [Matched(rule, self._root.path) for rule in self._root.recipients if rule.action == "handle"]
        return _one_leads(found)

    def finish_ms(self, rule: RecipientRule, severity: int) -> int:
        """Time from dispatch to the work's report, in ms."""
        minutes = rule.finish_min if rule.finish_min is not None else self._finish_min
        return (minutes if isinstance(minutes, int) else minutes[severity]) * MINUTE_MS


def level_of(code: str) -> str:
    """city, district, street, community or grid, by the digits of a canonical code."""
    return _LEVEL_OF_DIGITS.get(len(code)) or ("city" if code.endswith("00") else "district")


def _one_leads(found: list[Matched]) -> tuple[Matched, ...]:
    ordered = sorted(found, key=lambda matched: ACTIONS.index(matched.rule.action))
    leads = [matched for matched in ordered if matched.rule.action == "handle"][1:]
    helps = [Matched(item.rule.model_copy(update={"action": "assist"}), item.path) for item in leads]
    rest = [matched for matched in ordered if matched.rule.action != "handle"]
    return (ordered[0], *helps, *rest)


def _node(route: RouteFile, inherited: tuple[RecipientRule, ...], path: str, categories: Categories) -> _Node:
    own = f"{path}/{route.name}" if path else route.name
    recipients = tuple(route.recipients) or inherited
    children = tuple(_node(child, recipients, own, categories) for child in route.routes)
    return _Node(own, _takes(route, categories), route.goes_on, recipients, children)


def _takes(route: RouteFile, categories: Categories) -> dict[str, frozenset[object]]:
    """The matchers as sets; those about the category's row become one set of categories."""
    match = route.match
    lists = {"severity": match.severities(), "source": match.source, "district": match.district}
    lists |= {"level": match.level, "status": match.status}
    takes: dict[str, frozenset[object]] = {
        name: frozenset(values) for name, values in lists.items() if values is not None
    }
    if (match.category, match.matter_group, match.life_safety) != (None, None, None):
        takes["category"] = frozenset(name for name in categories if match.fits(name, categories[name]))
    return takes


def _problems(file: RoutingFile, categories: Categories) -> Iterator[str]:
    if not any(rule.action == "handle" for rule in file.route.recipients):
        yield "The root route has no recipient with action handle: an incident that meets no other route would have no task."
    if file.route.match.model_fields_set:
        yield "The root route has matchers; it must take every incident."
    if file.route.goes_on:
        yield "The root route has `continue`; it has no sibling."
    names: set[str] = set()
    for route in file.route.walk():
        if route.name in names:
            yield f"Two routes are named {route.name}; the journal could not tell them apart."
        names.add(route.name)
        yield from _unknown(route, file, categories)


def _unknown(route: RouteFile, file: RoutingFile, categories: Categories) -> Iterator[str]:
    groups = {categories[name].matter_group for name in categories}
    known = {
        "category": set(categories),
        "matter_group": groups,
        "source": set(file.departments),
        "level": set(LEVELS),
        "status": set(STATUSES),
    }
    for matcher, values in known.items():
        for value in getattr(route.match, matcher) or ():
            if value not in values:
                yield f"Route {route.name}: no such {matcher}: {value}."
    for rule in route.recipients:
        if rule.department is not None and rule.department not in {*file.departments, "source"}:
            yield f"Route {route.name}: no such department: {rule.department}."


def _unreachable(node: _Node, outer: Mapping[str, frozenset[object]] | None = None) -> list[str]:
    """A sentence for each route that no incident can ever reach."""
    above = {"severity": frozenset(SEVERITIES), "level": frozenset(LEVELS), "status": frozenset(STATUSES)} | dict(
        outer or {}
    )
    found: list[str] = []
    for place, child in enumerate(node.children):
        empty = [
            name for name, allowed in child.takes.items() if not allowed or allowed.isdisjoint(above.get(name, allowed))
        ]
        if empty:
            found.append(f"Route {child.path} is never reached: nothing that reaches it has such a {empty[0]}.")
        found += [
            f"Route {child.path} is never reached: {earlier.path} before it takes all of it."
            for earlier in node.children[:place]
            if not earlier.goes_on and _covers(earlier.takes, child.takes, above)
        ]
        narrowed = {**above, **{name: allowed & above.get(name, allowed) for name, allowed in child.takes.items()}}
        found += _unreachable(child, narrowed)
    return found


def _covers(
    wide: Mapping[str, frozenset[object]],
    narrow: Mapping[str, frozenset[object]],
    above: Mapping[str, frozenset[object]],
) -> bool:
    """Whether everything that `narrow` takes is taken by `wide`, given what reaches either."""
    everything = {name: narrow.get(name, above.get(name)) for name in wide}
    return all(
        (values := everything[name]) is not None and (values & above.get(name, values)) <= allowed
        for name, allowed in wide.items()
    )


def _sentences(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "\n".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}." for item in error.errors())
