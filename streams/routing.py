"""config/routing.yaml: who is asked to do what. A tree of routes, checked at load, asked with one incident."""

from __future__ import annotations

import copy
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.files import UnreadableError, read_bounded
from gridhub.streams.routing_check import Checked, everything, sentences, unreachable
from gridhub.streams.routing_file import ACTIONS, RecipientRule, RoutingFile
from gridhub.streams.routing_inhibit import InhibitRule, inhibit_rules
from gridhub.streams.routing_labels import OF_PLACE, OF_TIME, Labels, labels_of, level_of
from gridhub.streams.routing_time import Intervals, Workday, china_workday, time_labels
from gridhub.streams.routing_tree import Builder, Delivery, Node
from gridhub.streams.strictyaml import Lines, strict_yaml_lines

if TYPE_CHECKING:
    from pathlib import Path

    from gridhub.streams.rooms.outbound import Categories, Row

__all__ = ["Matched", "RecipientRule", "Routing", "RoutingError", "level_of"]

MINUTE_MS = 60_000
_MOST_BYTES = 1_048_576
_REMEMBERED = 65_536
Moment = tuple[str, ...]
"""Hour and calendar of a moment where some route asks for them, else empty: what answers may depend on."""


class RoutingError(ValueError):
    """routing.yaml is wrong; the message has one sentence per problem, each with its line."""


class Matched(NamedTuple):
    """One rule that an incident meets, the names of the routes that led to it, and its line in the file."""

    rule: RecipientRule
    path: str
    line: int = 0


class Routing:
    """The checked routing tree. `version` is the file's own and a hash of its bytes."""

    def __init__(self, file: RoutingFile, root: Node, version: str, categories: Categories, lines: Lines) -> None:
        self.version, self.file_version = version, file.version
        self.max_fanout = file.max_fanout
        self.departments = dict(file.departments)
        self.silence_limits = file.silences
        self.inhibit_rules: tuple[InhibitRule, ...] = inhibit_rules(file, lines)
        self.intervals = Intervals(file.time_intervals)
        self.workday: Workday = china_workday
        self.root = root
        self._categories = categories
        self._finish_min = file.finish_min
        self._deliveries = {node.path: node.delivery for node in root.walk()}
        # whether any task waits for others or for a time of day: most files have none
        self.delays = any(one != Delivery(one.group_by, 0, one.interval_ms) for one in self._deliveries.values())
        asked = {name for node in root.walk() for name in (*node.takes, *(one.label for one in node.asks))}
        # whether any rule asks who can walk there in time: most files have none
        self.by_walk = any(rule.within_walk_min for node in root.walk() for rule in node.recipients)
        self._by_time = bool(asked & set(OF_TIME))
        self._by_place = bool(asked & set(OF_PLACE))
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
        lines: Lines | None = None
        try:
            tree, lines = strict_yaml_lines(content, "routing.yaml")
            file = RoutingFile.model_validate(tree)
        except ValueError as error:  # pydantic's is one of them
            raise RoutingError(sentences(error, lines)) from error
        problems = list(Checked(file, lines, categories).problems())
        root = Builder(categories, lines).node(file.route, ("route",))
        problems += unreachable(root, everything())
        if problems:
            raise RoutingError("\n".join(problems))
        version = f"{file.version}+{blake2b(content, digest_size=6).hexdigest()}"
        return cls(file, root, version, categories, lines)

    def by_calendar(self, workday: Workday) -> Routing:
        """The same tree by another work calendar; itself where it is this one already."""
        if self.workday == workday:
            return self
        other = copy.copy(self)
        other.workday, other._asked = workday, {}  # noqa: SLF001  # a copy of ourselves
        return other

    def route(self, incident: Row, at_ms: int = 0) -> tuple[Matched, ...]:
        """The rules that this incident meets at a moment, the one that handles first; never empty, exactly one `handle`.

        Of several `handle` rules the first keeps it and the others assist: one unit leads (主办), others help (协办).
        """
        codes = incident["grid_ids"]
        asked = (
            incident["category"],
            incident["severity"],
            tuple(incident["sources"]),
            incident["status"],
            incident.get("parent_rule") or "",
            tuple(codes) if self._by_place else (level_of(min(codes, key=len)), *sorted({code[:6] for code in codes})),
            self.moment(at_ms),
        )
        found = self._asked.get(asked)
        if found is None:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            found = self._asked[asked] = self._route(self.labels(incident, incident["category"], at_ms))
        return found

    def labels(self, incident: Row, category: str, at_ms: int) -> Labels:
        """The labels of an incident at a moment, seen as one of `category`."""
        return labels_of(incident, category, self._categories, time_labels(at_ms, self.workday))

    def moment(self, at_ms: int) -> Moment:
        """What the answers depend on besides the incident."""
        return tuple(time_labels(at_ms, self.workday).values()) if self._by_time else ()

    def _route(self, labels: Labels) -> tuple[Matched, ...]:
        found = [
            Matched(rule, node.path, line)
            for node in self.root.leading(labels)
            for rule, line in zip(node.recipients, node.lines, strict=True)
        ]
        if not any(matched.rule.action == "handle" for matched in found):
            root = zip(self.root.recipients, self.root.lines, strict=True)
            found += [Matched(rule, self.root.path, line) for rule, line in root if rule.action == "handle"]
        return _one_leads(found)

    def finish_ms(self, rule: RecipientRule, severity: int) -> int:
        """Time from dispatch to the work's report, in ms."""
        minutes = rule.finish_min if rule.finish_min is not None else self._finish_min
        return (minutes if isinstance(minutes, int) else minutes[severity]) * MINUTE_MS

    def delivery(self, path: str) -> Delivery:
        """How the tasks of this route go out; at once where a reload has dropped it."""
        return self._deliveries.get(path, Delivery())

    def waits_until(self, path: str, at_ms: int) -> int | None:
        """The moment at which the route's time intervals let its tasks out; None when they do so now (or never)."""
        delivery = self.delivery(path)
        if not (delivery.mute or delivery.active) or not self._silent(delivery, at_ms):
            return None
        return self.intervals.next_change(at_ms, lambda moment: self._silent(delivery, moment))

    def _silent(self, delivery: Delivery, at_ms: int) -> bool:
        if any(self.intervals.holds(name, at_ms, self.workday) for name in delivery.mute):
            return True
        active = delivery.active
        return bool(active) and not any(self.intervals.holds(name, at_ms, self.workday) for name in active)


def _one_leads(found: list[Matched]) -> tuple[Matched, ...]:
    ordered = sorted(found, key=lambda matched: ACTIONS.index(matched.rule.action))
    leads = [matched for matched in ordered if matched.rule.action == "handle"][1:]
    helps = [Matched(item.rule.model_copy(update={"action": "assist"}), item.path, item.line) for item in leads]
    rest = [matched for matched in ordered if matched.rule.action != "handle"]
    return (ordered[0], *helps, *rest)
