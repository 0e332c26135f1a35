"""What is wrong with a routing file beyond its form: unknown words, routes that nothing reaches. A sentence and line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gridhub.streams.routing_file import LEVELS, STATUSES, InhibitFile, RouteFile, RoutingFile
from gridhub.streams.routing_labels import LABELS, OF_CATEGORY, OF_TIME, closed_values, of_category
from gridhub.streams.routing_matchers import Matcher, parse, unknown_value
from gridhub.streams.routing_tree import Node, OneOf, Takes

if TYPE_CHECKING:
    from gridhub.streams.rooms.outbound import Categories
    from gridhub.streams.strictyaml import Lines, Path


@dataclass(frozen=True)
class Checked:
    """A file of the right form, and what it is judged by."""

    file: RoutingFile
    lines: Lines
    categories: Categories

    def problems(self) -> Iterator[str]:
        """A sentence for each mistake that the form does not show."""
        yield from self._root()
        names: set[str] = set()
        for route, place in self.file.route.walk():
            if route.name in names:
                yield self._said(
                    (*place, "name"), f"Two routes are named {route.name}; the journal could not tell them apart."
                )
            names.add(route.name)
            yield from self._route(route, place)
        yield from self._inhibits()

    def _said(self, place: Path, sentence: str) -> str:
        return f"line {self.lines.of(place)}: {sentence}"

    def _root(self) -> Iterator[str]:
        root, place = self.file.route, ("route",)
        if not any(rule.action == "handle" for rule in root.recipients):
            yield self._said(
                (*place, "recipients"),
                "The root route has no recipient with action handle: an incident that meets no other route would have no task.",
            )
        if root.match.model_fields_set or root.matchers:
            where = "match" if root.match.model_fields_set else "matchers"
            yield self._said((*place, where), "The root route has matchers; it must take every incident.")
        if root.goes_on:
            yield self._said((*place, "continue"), "The root route has `continue`; it has no sibling.")
        if root.mute_time_intervals or root.active_time_intervals:
            yield self._said(
                place, "The root route has time intervals; it answers at every time. Give them to a route below."
            )

    def _route(self, route: RouteFile, place: Path) -> Iterator[str]:
        known = self._known_lists()
        for name, values in known.items():
            for value in getattr(route.match, name) or ():
                if value not in values:
                    yield self._said((*place, "match", name), f"Route {route.name}: no such {name}: {value}.")
        for at, text in enumerate(route.matchers):
            yield from self._value(parse(text), f"Route {route.name}", (*place, "matchers", at))
        for at, rule in enumerate(route.recipients):
            if rule.department is not None and rule.department not in {*self.file.departments, "source"}:
                yield self._said(
                    (*place, "recipients", at), f"Route {route.name}: no such department: {rule.department}."
                )
        yield from self._times(route, place)

    def _known_lists(self) -> dict[str, set[str]]:
        return {
            "category": set(self.categories),
            "matter_group": {self.categories[name].matter_group for name in self.categories},
            "source": set(self.file.departments),
            "level": set(LEVELS),
            "status": set(STATUSES),
        }

    def _value(self, matcher: Matcher, whose: str, place: Path) -> Iterator[str]:
        known = {**closed_values(self.categories), "department": tuple(self.file.departments)}
        problem = unknown_value(matcher, known)
        if problem is not None:
            yield self._said(place, f"{whose}: {problem}.")

    def _times(self, route: RouteFile, place: Path) -> Iterator[str]:
        known = {one.name for one in self.file.time_intervals}
        for kind in ("mute_time_intervals", "active_time_intervals"):
            for name in getattr(route, kind) or ():
                if name not in known:
                    said = f"Route {route.name}: no such time interval: {name}; name it under time_intervals."
                    yield self._said((*place, kind), said)
        if route.group_interval and not (route.group_wait or route.group_by):
            said = f"Route {route.name}: group_interval without group_by and group_wait groups nothing."
            yield self._said((*place, "group_interval"), said)

    def _inhibits(self) -> Iterator[str]:
        names: set[str] = set()
        for at, rule in enumerate(self.file.inhibit_rules):
            place: Path = ("inhibit_rules", at)
            whose = f"Inhibit rule {rule.name}"
            if rule.name in names:
                yield self._said((*place, "name"), f"Two inhibit rules are named {rule.name}.")
            names.add(rule.name)
            for kind in ("source_matchers", "target_matchers"):
                for number, text in enumerate(getattr(rule, kind)):
                    matcher = parse(text)
                    yield from self._value(matcher, whose, (*place, kind, number))
                    if matcher.label in OF_TIME:
                        said = (
                            f"{whose}: {matcher.label} changes while an incident is open; it cannot hold anything back."
                        )
                        yield self._said((*place, kind, number), said)
            yield from self._endangered(rule, whose, (*place, "target_matchers"))

    def _endangered(self, rule: InhibitFile, whose: str, place: Path) -> Iterator[str]:
        """Categories that may cost lives and are asked for by name can never be held back."""
        about = [one for text in rule.target_matchers if (one := parse(text)).label in OF_CATEGORY and not one.negative]
        fitting = [
            name
            for name in self.categories
            if all(one.fits((of_category(name, self.categories)[one.label],)) for one in about)
        ]
        held = [name for name in fitting if self.categories[name].life_safety] if about else []
        if held:
            yield self._said(place, f"{whose}: {held[0]} may cost lives, its tasks are never held back.")


def unreachable(node: Node, outer: Takes | None = None) -> list[str]:
    """A sentence for each route below this one that no incident can ever reach."""
    above: Takes = outer if outer is not None else {}
    found: list[str] = []
    for place, child in enumerate(node.children):
        empty = [
            name for name, allowed in child.takes.items() if not allowed or allowed.isdisjoint(above.get(name, allowed))
        ]
        if empty:
            found.append(
                f"line {child.line}: Route {child.path} is never reached: nothing that reaches it has such a {empty[0]}."
            )
        found += [
            f"line {child.line}: Route {child.path} is never reached: {earlier.path} before it takes all of it."
            for earlier in node.children[:place]
            if not earlier.goes_on and _covers(earlier, child, above)
        ]
        narrowed = {**above, **{name: allowed & above.get(name, allowed) for name, allowed in child.takes.items()}}
        found += unreachable(child, narrowed)
    return found


def _covers(wide: Node, narrow: Node, above: Takes) -> bool:
    """Whether everything that `narrow` takes is taken by `wide`, given what reaches either."""
    everything = {name: narrow.takes.get(name, above.get(name)) for name in wide.takes}
    closed = all(
        (values := everything[name]) is not None and (values & above.get(name, values)) <= allowed
        for name, allowed in wide.takes.items()
    )
    return closed and all(any(_implies(mine, theirs) for mine in narrow.asks) for theirs in wide.asks)


def _implies(mine: Matcher | OneOf, theirs: Matcher | OneOf) -> bool:
    """Whether what fits the one matcher always fits the other: the same one, or a shorter list of what may be."""
    if mine == theirs:
        return True
    if mine.label != theirs.label or mine.negative or theirs.negative or mine.values is None:
        return False
    if theirs.values is not None:
        return mine.values <= theirs.values
    return isinstance(theirs, Matcher) and all(theirs.fits((value,)) for value in mine.values)


def everything() -> dict[str, frozenset[str]]:
    """The labels whose values are the same everywhere: what reaches the root."""
    from gridhub.streams.routing_labels import DAYS, NUMBERS

    closed: Mapping[str, tuple[str, ...]] = {"level": LEVELS, "status": STATUSES, "calendar": DAYS, **NUMBERS}
    return {name: frozenset(values) for name, values in closed.items()}


def sentences(error: ValueError, lines: Lines | None) -> str:
    """What the form does not allow, one sentence each, with its line."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "\n".join(_sentence(item["loc"], item["msg"], lines) for item in error.errors())


def _sentence(loc: tuple[str | int, ...], message: str, lines: Lines | None) -> str:
    said = f"{'.'.join(map(str, loc)) or 'file'}: {message.removeprefix('Value error, ')}."
    if message.startswith("Extra inputs"):
        known = ", ".join(LABELS) if "match" in loc[-2:] else ""
        said += f" There is no such word here{f'; labels are {known}' if known else ''}."
    return f"line {lines.of(loc)}: {said}" if lines is not None else said
