"""The routing tree as a person reads it: one line a route, with its line in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gridhub.streams.routing_matchers import Matcher

if TYPE_CHECKING:
    from gridhub.streams.routing import Routing
    from gridhub.streams.routing_tree import Node

_MOST_VALUES = 6
_ZH = {"handle": "主办", "assist": "协办", "inform": "知会"}


def shown_tree(routing: Routing) -> Iterator[str]:
    """The file's version, the tree, and what stands beside it, line by line."""
    yield f"routing.yaml {routing.version}"
    yield from _node(routing.root, "", "")
    for name in routing.intervals.names:
        yield f"time interval {name}"
    for rule in routing.inhibit_rules:
        source, target = (", ".join(map(str, matchers)) for matchers in (rule.source, rule.target))
        equal = ", ".join(rule.equal)
        yield f"line {rule.line}: inhibit {rule.name}: {source} holds back {target}; equal {equal}; {rule.lasts_ms // 60_000} min at most"
    limits = routing.silence_limits
    yield (
        f"silences: at most {limits.most_days} days; a second person above {limits.city_share:.0%} of the city, "
        f"{limits.category_share:.0%} of the categories or {limits.incidents} incidents in {limits.hours} h"
    )


def _node(node: Node, lead: str, below: str) -> Iterator[str]:
    name = node.path.rpartition("/")[2]
    goes_on = "  continue" if node.goes_on else ""
    yield f"{lead}{name}  [line {node.line}]{_matchers(node)}{goes_on}{_delivery(node)}"
    stem = below + ("│   " if node.children else "    ")
    for rule, line in zip(node.recipients, node.lines, strict=True):
        who = f"{rule.role}:{rule.department}" if rule.department else rule.role
        yield f"{stem}→ {rule.action} {_ZH[rule.action]} {who}  [line {line}]"
    for place, child in enumerate(node.children, 1):
        last = place == len(node.children)
        yield from _node(child, below + ("└── " if last else "├── "), below + ("    " if last else "│   "))


def _matchers(node: Node) -> str:
    parts = [f"{label} in {_listed(sorted(values))}" for label, values in node.takes.items()]
    parts += [
        str(one) if isinstance(one, Matcher) else f"{one.label} in {_listed(sorted(one.values))}" for one in node.asks
    ]
    return f"  {{{'; '.join(parts)}}}" if parts else ""


def _listed(values: list[str]) -> str:
    more = len(values) - _MOST_VALUES
    return " ".join(values[:_MOST_VALUES]) + (f" … {more} more" if more > 0 else "")


def _delivery(node: Node) -> str:
    delivery, parts = node.delivery, []
    if delivery.groups:
        spans = f"wait {delivery.wait_ms // 1000} s, interval {delivery.interval_ms // 1000} s"
        parts.append(f"groups by {', '.join(delivery.group_by)} ({spans})")
    parts += [f"mute in {name}" for name in delivery.mute] + [f"active in {name}" for name in delivery.active]
    return f"  ({'; '.join(parts)})" if parts else ""
