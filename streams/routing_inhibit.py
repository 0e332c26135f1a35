"""Inhibit rules (抑制), as Alertmanager has them: while a source is open, tasks of its targets wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gridhub.streams.routing_labels import LABELS
from gridhub.streams.routing_matchers import Matcher, fitting, parse

if TYPE_CHECKING:
    from gridhub.streams.routing_file import RoutingFile
    from gridhub.streams.routing_labels import Labels
    from gridhub.streams.strictyaml import Lines


class InhibitRule(NamedTuple):
    """One rule, ready to be asked. `equal` always holds for the area and for actual, exercise and test too."""

    name: str
    line: int
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]
    lasts_ms: int

    def leads(self, labels: Labels) -> bool:
        """Whether an incident with these labels holds others back."""
        return fitting(self.source, labels)

    def holds(self, labels: Labels) -> bool:
        """Whether such an incident's tasks may wait. One that fits both sides holds back and is not held."""
        return fitting(self.target, labels) and not self.leads(labels)

    def same(self, labels: Labels) -> list[list[str]]:
        """The values that source and target must share, label by label."""
        return [sorted(labels[name]) for name in self.equal]


def inhibit_rules(file: RoutingFile, lines: Lines) -> tuple[InhibitRule, ...]:
    """The rules of a checked file, in its order."""
    return tuple(
        InhibitRule(
            one.name,
            lines.of(("inhibit_rules", at, "name")),
            tuple(map(parse, one.source_matchers)),
            tuple(map(parse, one.target_matchers)),
            _equal(one.equal),
            one.lasts * 1000,
        )
        for at, one in enumerate(file.inhibit_rules)
    )


def _equal(names: list[str]) -> tuple[str, ...]:
    wanted = [name for name in LABELS if name not in {"hour", "calendar"}] if "..." in names else names
    return tuple(dict.fromkeys([*wanted, "status"]))
