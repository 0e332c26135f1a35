"""The live side of a replay beside what the journal says really happened: how much differs, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gridhub.schemas.codec import Codec, Decoded
from gridhub.streams.intake import ROOM as INBOUND
from gridhub.streams.memory import State
from gridhub.streams.messages import Origin
from gridhub.streams.rooms.ledger import incident_key
from gridhub.streams.whatif.side import Happened, Row

JOURNAL_RECORD = "gridhub.hub.Decision"
WHY = {
    "other_rules": "decided by other versions of the rules than those in force now",
    "before": "joined an incident from before the replay began",
    "not_decided": "the journal has no decision: the hub has not come to it, or it is kept no longer",
    "not_replayed": "the journal has a decision, but the event is not among the replayed ones",
    "otherwise": "the same rules: another order of events of several partitions, or another moment",
}
Key = tuple[str, str]  # source and event id


class Real(NamedTuple):
    """What the journal says of one event."""

    outcome: str
    incident_id: str
    rules: tuple[tuple[str, str], ...]


class Reality:
    """Both are taken in as they come; what agrees is forgotten at once."""

    def __init__(
        self, codec: Codec, rules: Mapping[str, str], spans: Mapping[tuple[str, int], tuple[int, int]]
    ) -> None:
        """`rules` are the versions in force; `spans` the replayed offsets of hub.located, empty when it began earlier."""
        self._codec, self._rules, self._spans = codec, dict(rules), spans
        self._ours: dict[Key, list[tuple[str, str]]] = defaultdict(list)
        self._real: dict[Key, list[Real]] = defaultdict(list)
        self.agreed = 0
        self.decided_really: Counter[str] = Counter()
        self.decided_again: Counter[str] = Counter()

    def replayed(self, live: Happened) -> None:
        """What the live side did."""
        for fate in live.fates.values():
            key = fate.source, fate.event_id
            if fate.outcome == "refused":
                continue
            match = next((r for r in self._real.get(key, ()) if r[:2] == fate[2:]), None)
            if match is not None:
                _drop(self._real, key, match)
                self.agreed += 1
            else:
                self._ours[key].append((fate.outcome, fate.where))
        self._count(self.decided_again, live.decisions)

    def decided(self, origins: Sequence[Origin]) -> None:
        """Records of the journal."""
        found = self._codec.decode_many(origin.value or b"" for origin in origins)
        rows = [one.record for one in found if isinstance(one, Decoded) and one.name == JOURNAL_RECORD]
        for row in rows:
            if row["room"] == "deduplicate" and self._replayed(row):
                self._decided(row)
        self._count(self.decided_really, rows)

    def _decided(self, row: Row) -> None:
        key, fate = (row["source"], row["event_id"]), (row["outcome"], row["incident_id"])
        if fate in self._ours.get(key, ()):
            _drop(self._ours, key, fate)
            self.agreed += 1
        else:
            self._real[key].append(Real(*fate, tuple(sorted(row["rules"].items()))))

    def _replayed(self, row: Row) -> bool:
        """Whether the event that was decided on is among the replayed ones, as far as offsets can tell."""
        first, end = self._spans.get((row["origin_topic"], row["origin_partition"]), (0, 1 << 62))
        return bool(first <= row["origin_offset"] < end)

    def _count(self, counter: Counter[str], rows: Sequence[Row]) -> None:
        counter.update(
            f"{row['room']}: {row['outcome']}" for row in rows if row["room"] not in {"deduplicate", INBOUND}
        )

    def report(self, state: State) -> dict[str, Any]:
        """How many events agree, how many do not and why; `state` is that of the live side at its end."""
        why: Counter[str] = Counter()
        versions: Counter[str] = Counter()
        for key in self._ours.keys() | self._real.keys():
            ours, real = self._ours.get(key, []), self._real.get(key, [])
            for place in range(max(len(ours), len(real))):
                one = real[place] if place < len(real) else None
                reason = self._why(one, replayed=place < len(ours), state=state)
                why[reason] += 1
                if one is not None and reason == "other_rules":
                    versions.update(self._other(one))
        return {
            "agree": self.agreed,
            "differ": sum(why.values()),
            "why": {name: {"events": why[name], "means": WHY[name]} for name in WHY if why[name]},
            "versions": dict(versions.most_common(10)),
            "decisions": {
                name: {"really": self.decided_really[name], "replayed": self.decided_again[name]}
                for name in sorted(self.decided_really.keys() | self.decided_again.keys())
            },
        }

    def _why(self, real: Real | None, *, replayed: bool, state: State) -> str:
        if real is None:
            return "not_decided"
        if not replayed:
            return "not_replayed"
        if self._other(real):
            return "other_rules"
        known = state.get_many([incident_key(real.incident_id)])[0] is not None
        return "otherwise" if known or real.outcome == "opened" else "before"

    def _other(self, real: Real) -> list[str]:
        return [f"{name} {was} → {now}" for name, was in real.rules if (now := self._rules.get(name, was)) != was]


def _drop(table: dict[Key, list[Any]], key: Key, thing: object) -> None:
    table[key].remove(thing)
    if not table[key]:
        del table[key]
