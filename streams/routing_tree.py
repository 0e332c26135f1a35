"""A routing tree as it is asked: what each route takes, and which of them an incident reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gridhub.streams.routing_file import RecipientRule, RouteFile
from gridhub.streams.routing_labels import LABELS, OF_CATEGORY, Labels, closed_values, of_category
from gridhub.streams.routing_matchers import Matcher, parse

if TYPE_CHECKING:
    from gridhub.streams.rooms.outbound import Categories
    from gridhub.streams.strictyaml import Lines, Path

Takes = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Delivery:
    """How tasks of a route go out: together with others, and not at every time. Times in ms; 0: at once."""

    group_by: tuple[str, ...] = ()
    wait_ms: int = 0
    interval_ms: int = 0
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()

    @property
    def groups(self) -> bool:
        """Whether tasks of several incidents may become one."""
        return bool(self.group_by) and self.wait_ms > 0


@dataclass(frozen=True)
class OneOf:
    """A list of `match` about a label that has several values: it fits when one of them is in the list."""

    label: str
    values: frozenset[str]
    negative: bool = False

    def fits(self, found: frozenset[str]) -> bool:
        """Whether one of these values is listed."""
        return not self.values.isdisjoint(found)


@dataclass(frozen=True)
class Node:
    """A route: what it takes (labels of one value as sets, all others as matchers) and to whom it leads."""

    path: str
    line: int
    takes: Takes
    asks: tuple[Matcher | OneOf, ...]
    goes_on: bool
    recipients: tuple[RecipientRule, ...]
    lines: tuple[int, ...]  # of the recipients
    delivery: Delivery
    children: tuple[Node, ...]

    def meets(self, labels: Labels) -> bool:
        """Whether each matcher has one of the incident's values."""
        return all(not allowed.isdisjoint(labels[name]) for name, allowed in self.takes.items()) and all(
            one.fits(labels[one.label]) for one in self.asks
        )

    def leading(self, labels: Labels) -> Iterator[Node]:
        """The nodes that answer: those of the first child that fits (and of the next ones with `continue`), else itself."""
        answered = False
        for child in self.children:
            if child.meets(labels):
                answered = True
                yield from child.leading(labels)
                if not child.goes_on:
                    break
        if not answered:
            yield self

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Builder:
    """What nodes are made with."""

    categories: Categories
    lines: Lines

    def node(self, route: RouteFile, place: Path, above: Node | None = None) -> Node:
        """The node of a route and all below it; what it does not say itself it has from the one above."""
        path = f"{above.path}/{route.name}" if above else route.name
        takes, asks = self._matchers(route)
        own = [self.lines.of((*place, "recipients", number)) for number in range(len(route.recipients))]
        bare = Node(
            path,
            self.lines.of((*place, "name")),
            takes,
            asks,
            route.goes_on,
            tuple(route.recipients) or (above.recipients if above else ()),
            tuple(own) or (above.lines if above else ()),
            _delivery(route, above.delivery if above else Delivery()),
            (),
        )
        children = (self.node(child, (*place, "routes", at), bare) for at, child in enumerate(route.routes))
        return Node(**{**vars(bare), "children": tuple(children)})

    def _matchers(self, route: RouteFile) -> tuple[dict[str, frozenset[str]], tuple[Matcher | OneOf, ...]]:
        """Labels of one value as the sets that fit; those about the category become one set of categories."""
        match, matchers = route.match, [parse(text) for text in route.matchers]
        severities = match.severities()
        lists = {
            "severity": None if severities is None else list(map(str, severities)),
            "level": match.level,
            "status": match.status,
        }
        takes = {name: frozenset(values) for name, values in lists.items() if values is not None}
        asks: list[Matcher | OneOf] = [
            OneOf(label, frozenset(values))
            for label, values in (("department", match.source), ("district", match.district))
            if values is not None
        ]
        wanted = self._categories(route, matchers)
        if wanted is not None:
            takes["category"] = wanted
        domains = closed_values(self.categories)
        for matcher in matchers:
            if matcher.label in OF_CATEGORY:
                continue
            if LABELS[matcher.label].several or matcher.label not in domains:
                asks.append(matcher)
                continue
            takes[matcher.label] = matcher.allowed(takes.get(matcher.label, domains[matcher.label]))
        return takes, tuple(asks)

    def _categories(self, route: RouteFile, matchers: list[Matcher]) -> frozenset[str] | None:
        match = route.match
        about = [matcher for matcher in matchers if matcher.label in OF_CATEGORY]
        if not about and (match.category, match.matter_group, match.life_safety) == (None, None, None):
            return None
        return frozenset(
            name
            for name in self.categories
            if match.fits(name, self.categories[name])
            and all(one.fits((of_category(name, self.categories)[one.label],)) for one in about)
        )


def _delivery(route: RouteFile, above: Delivery) -> Delivery:
    """Grouping is inherited; time intervals, as in Alertmanager, are not."""
    return Delivery(
        above.group_by if route.group_by is None else tuple(route.group_by),
        above.wait_ms if route.group_wait is None else route.group_wait * 1000,
        above.interval_ms if route.group_interval is None else route.group_interval * 1000,
        tuple(route.mute_time_intervals or ()),
        tuple(route.active_time_intervals or ()),
    )
