"""The result of a what-if: as one JSON object, and as lines for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from gridhub.streams.moments import shown
from gridhub.streams.whatif.difference import Differences
from gridhub.streams.whatif.proposal import Proposal
from gridhub.streams.whatif.replay import Result

MOST_LINES = 20


def to_json(result: Result, proposal: Proposal, reality: dict[str, Any] | None) -> dict[str, Any]:
    """Everything that was found; `differences` is 0 when both sides did the same."""
    found = result.differences
    taken = result.events + result.reports + result.warmed
    return {
        "from": shown(result.from_ms),
        "to": shown(result.to_ms),
        "proposed": list(proposal.names),
        "replayed_from": "departments" if proposal.inbound else "located",
        "events": result.events,
        "reports": result.reports,
        "warmed_up_with": result.warmed,
        "differences": found.count,
        "outcomes": _pairs(found.live.fates, found.proposed.fates),
        "changed": [{"live": a, "proposed": b, "events": n} for (a, b), n in found.changed.most_common()],
        "examples": found.shown,
        "tasks": {
            "live": found.live.tasks.total(),
            "proposed": found.proposed.tasks.total(),
            "only_live": found.tasks.only(1),
            "only_proposed": found.tasks.only(-1),
            "other_limits": max(0, found.limits.only(1) - found.tasks.only(1)),
            "recipients": _recipients(found),
        },
        "late": _pairs(found.live.late, found.proposed.late),
        "late_only_live": found.late.only(1),
        "late_only_proposed": found.late.only(-1),
        "late_by_limit": [
            {"outcome": outcome, "limit": limit, "live": live, "proposed": proposed}
            for (outcome, limit), live, proposed in _both(found.live.late_by, found.proposed.late_by)
        ],
        "decisions": _pairs(found.live.decided, found.proposed.decided),
        "rules": {"live": proposal.live.rules, "proposed": proposal.proposed.rules},
        "not_in_force": list(proposal.not_in_force),
        "reality": reality,
        "cpu_seconds": round(result.seconds, 3),
        "events_per_second": round(taken / result.seconds) if result.seconds else 0,
    }


def _both(live: Counter[Any], proposed: Counter[Any]) -> list[tuple[Any, int, int]]:
    names = sorted(live.keys() | proposed.keys(), key=lambda name: (-abs(proposed[name] - live[name]), name))
    return [(name, live[name], proposed[name]) for name in names]


def _pairs(live: Counter[str], proposed: Counter[str]) -> dict[str, dict[str, int]]:
    return {name: {"live": one, "proposed": other} for name, one, other in _both(live, proposed)}


def _recipients(found: Differences) -> list[dict[str, Any]]:
    """The recipients whose number of tasks differs, the most different first."""
    return [
        {"recipient": name, "name": found.names.get(name, ""), "action": action, "live": one, "proposed": other}
        for (name, action), one, other in _both(found.live.tasks, found.proposed.tasks)
        if one != other
    ]


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The same for a person, in English, the Chinese terms where the field has them."""
    files = ", ".join(told["proposed"])
    yield f"What if {files} were in force, {told['from']} to {told['to']}?"
    yield (
        f"{told['events']} events and {told['reports']} reports, replayed from what was {_WORDS[told['replayed_from']]}; "
        f"{told['warmed_up_with']} records before that filled the states."
    )
    for sentence in told["not_in_force"]:
        yield f"Published, but not in force: {sentence}"
    if told["differences"]:
        yield f"{told['differences']} differences."
        yield from _different(told)
    else:
        yield "No difference (无差异): both sides did the same to the last task and timer."
    if told["reality"] is not None:
        yield from _really(told["reality"])
    yield f"{told['cpu_seconds']} s of CPU, {told['events_per_second']} records a second. Nothing was sent."


_WORDS = {"departments": "published by departments", "located": "located"}


def _different(told: dict[str, Any]) -> Iterator[str]:
    yield from _table("Events by outcome (事件去向)", told["outcomes"])
    for change in told["changed"][:MOST_LINES]:
        same = " (in another incident)" if change["live"] == change["proposed"] else ""
        yield f"  {change['events']:>8}  {change['live']} → {change['proposed']}{same}"
    tasks = told["tasks"]
    yield (
        f"Tasks (任务): {tasks['live']} live, {tasks['proposed']} proposed; "
        f"{tasks['only_live']} gone, {tasks['only_proposed']} new, {tasks['other_limits']} with other limits."
    )
    for row in tasks["recipients"][:MOST_LINES]:
        sign = row["proposed"] - row["live"]
        yield f"  {sign:>+8}  {row['recipient']} {row['name']} ({row['action']}): {row['live']} → {row['proposed']}"
    if len(tasks["recipients"]) > MOST_LINES:
        yield f"  … and {len(tasks['recipients']) - MOST_LINES} more recipients; --json has them all."
    yield from _table("Reminders and breaches (催办、超期)", told["late"])
    if told["late_only_live"] or told["late_only_proposed"]:
        yield f"  {told['late_only_live']} of the live side's do not come, {told['late_only_proposed']} others come, or at another time."
    yield from _table("Other decisions (其他决定)", told["decisions"])
    for example in told["examples"][:5]:
        yield f"  e.g. {example['source']} {example['event_id']}: {example['live']} → {example['proposed']}"


def _table(title: str, pairs: dict[str, dict[str, int]]) -> Iterator[str]:
    differing = {name: pair for name, pair in pairs.items() if pair["live"] != pair["proposed"]}
    if differing:
        yield f"{title}:"
    for name, pair in differing.items():
        yield f"  {pair['proposed'] - pair['live']:>+8}  {name}: {pair['live']} → {pair['proposed']}"


def _really(reality: dict[str, Any]) -> Iterator[str]:
    yield (
        f"The live side against the journal: {reality['agree']} events agree with what really happened, "
        f"{reality['differ']} do not."
    )
    for reason in reality["why"].values():
        yield f"  {reason['events']:>8}  {reason['means']}"
    for version, count in reality["versions"].items():
        yield f"  {count:>8}  {version}"
