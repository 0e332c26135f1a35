"""Checks the journal's chains record by record, and says of the first that does not fit what was done to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from gridhub.streams.journal import digest

LOOK_AROUND = 256
"""So many records of a chain before and behind a break tell removed from reordered, and inserted from replaced."""
STAGES = ("inbound", "outbound")
_PLAIN = ("chain", "event_id", "room", "outcome", "incident_id")
Record = Mapping[str, Any]


class Placed(NamedTuple):
    """A record of the journal and its offset.

    `record` is None where the bytes are no Decision, and `why` says why not; beside a record it is a key that is not its own.
    """

    offset: int
    record: Record | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first record of a chain that does not fit. `kind` is a word of KINDS; `expected` and `found` say what differs."""

    kind: str
    partition: int
    offset: int
    chain: str = ""
    seq: int = 0
    event_id: str = ""
    room: str = ""
    outcome: str = ""
    incident_id: str = ""
    expected: str = ""
    found: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the command prints it."""
        return asdict(self) | {"means": KINDS[self.kind]}


KINDS = {
    "changed": "the record does not have the hash that it names",
    "replaced": "the record has its own hash, but the record after it names another one",
    "removed": "records before this one are missing",
    "reordered": "the record stands before one that it follows",
    "inserted": "the record has a place in the chain that another one has",
    "doubled": "the same record stands here a second time",
    "unreadable": "the bytes are no record of the journal",
    "rekeyed": "the record's key is not its area",
    "misplaced": "the record's chain is none of this partition's",
    "truncated": "the end of the chain is missing",
    "forked": "the record is not the one that an anchor or the state remembers",
}


@dataclass(slots=True)
class _Chain:
    """One chain as far as it was read."""

    seq: int = 0
    prev: str = ""
    begin: int = 0  # number of the first record that is kept
    records: int = 0
    last: Placed | None = None
    behind: deque[Placed] = field(default_factory=lambda: deque(maxlen=LOOK_AROUND))
    odd: list[Placed] = field(default_factory=list)  # the first that did not fit, and what followed it
    finding: Finding | None = None


class PartitionCheck:
    """The check of one partition of the journal.

    `from_begin` says that the first record read is the first that there ever was: then a chain begins with number 1.
    `known` are heads that were seen before: by chain, hashes by number.
    """

    def __init__(
        self, partition: int, *, from_begin: bool, known: Mapping[str, Mapping[int, str]] | None = None
    ) -> None:
        self.partition, self.from_begin = partition, from_begin
        self.known = known or {}
        self.chains: dict[str, _Chain] = {}
        self.others: list[Finding] = []

    def take(self, placed: Placed) -> None:
        """The next record of the partition."""
        record = placed.record
        if record is None:
            self.others.append(Finding("unreadable", self.partition, placed.offset, found=placed.why))
            return
        if placed.why:
            self.others.append(self._at(placed, "rekeyed", record["area"], placed.why))
        name = record["chain"]
        chain = self.chains.get(name)
        if chain is None:
            chain = self._begun(placed, name)
            if chain is None:
                return
        chain.records += 1
        if chain.odd:
            self._follow(chain, placed)
        elif record["seq"] == chain.seq + 1 and record["prev"] == chain.prev and record["hash"] == digest(record):
            self._accept(chain, placed, record)
        else:
            chain.odd.append(placed)

    def end(self, *, complete: bool = True) -> list[Finding]:
        """What was found, in the order of offsets; unless it is `complete`, a chain may end before its known heads."""
        for name, chain in self.chains.items():
            if chain.odd and chain.finding is None:
                chain.finding = self._judge(chain)
            if chain.finding is None and complete:
                chain.finding = self._cut(name, chain)
        if complete:
            gone = (name for name in self.known if name not in self.chains and max(self.known[name], default=0) > 0)
            self.others += [self._all_gone(name) for name in gone]
        found = [chain.finding for chain in self.chains.values() if chain.finding is not None]
        return sorted([*found, *self.others], key=lambda finding: finding.offset)

    def _begun(self, placed: Placed, name: str) -> _Chain | None:
        """A chain whose first record this is; None when it is none of this partition's."""
        record = placed.record
        assert record is not None
        if record["hash"] != digest(record):
            self.others.append(self._changed(placed))
            return None
        ours = [f"{stage}-{self.partition}" for stage in STAGES]
        if name not in ours:
            self.others.append(self._at(placed, "misplaced", " or ".join(ours), name))
            return None
        chain = self.chains[name] = _Chain(record["seq"] - 1, record["prev"], record["seq"])
        if self.from_begin and (record["seq"] != 1 or record["prev"]):
            chain.finding = self._at(placed, "removed", "no. 1", f"no. {record['seq']}")
        return chain

    def _accept(self, chain: _Chain, placed: Placed, record: Record) -> None:
        chain.seq, chain.prev, chain.last = record["seq"], record["hash"], placed
        chain.behind.append(placed)
        known = self.known.get(record["chain"])
        if known is not None and chain.finding is None and known.get(chain.seq, chain.prev) != chain.prev:
            chain.finding = self._at(placed, "forked", known[chain.seq], chain.prev)

    def _follow(self, chain: _Chain, placed: Placed) -> None:
        if chain.finding is None:
            chain.odd.append(placed)
            if len(chain.odd) > LOOK_AROUND:
                chain.finding = self._judge(chain)

    def _judge(self, chain: _Chain) -> Finding:
        """What the first record that did not fit, and those after it, say."""
        if chain.finding is not None:
            return chain.finding
        odd, later = chain.odd[0], [p.record for p in chain.odd[1:] if p.record is not None]
        record, wanted = odd.record, chain.seq + 1
        assert record is not None
        if record["hash"] != digest(record):
            return self._changed(odd)
        if record["seq"] > wanted:
            kind = "reordered" if any(other["seq"] == wanted for other in later) else "removed"
            return self._at(odd, kind, f"no. {wanted}", f"no. {record['seq']}")
        if record["seq"] == wanted:
            assert chain.last is not None
            return self._at(chain.last, "replaced", record["prev"], chain.prev)
        return self._twice(chain, odd, record, later)

    def _twice(self, chain: _Chain, odd: Placed, record: Record, later: Iterable[Record]) -> Finding:
        """Two records with one number: the one that the next record does not follow was put in."""
        same = [p for p in chain.behind if p.record is not None and p.record["seq"] == record["seq"]]
        if any(p.record is not None and p.record["hash"] == record["hash"] for p in same):
            return self._at(odd, "doubled", f"no. {chain.seq + 1}", f"no. {record['seq']}")
        wanted = next((other["prev"] for other in later if other["seq"] == record["seq"] + 1), "")
        wrong = same[-1] if same and wanted == record["hash"] else odd
        return self._at(wrong, "inserted", f"no. {chain.seq + 1}", f"no. {record['seq']}")

    def _cut(self, name: str, chain: _Chain) -> Finding | None:
        last, known = chain.last, self.known.get(name, {})
        highest = max(known, default=0)
        if last is None or highest <= chain.seq:
            return None
        return self._at(last, "truncated", f"no. {highest} {known[highest]}", f"no. {chain.seq}")

    def _all_gone(self, name: str) -> Finding:
        highest = max(self.known[name])
        expected = f"no. {highest} {self.known[name][highest]}"
        return Finding("truncated", self.partition, -1, name, expected=expected, found="nothing")

    def _changed(self, placed: Placed) -> Finding:
        record = placed.record
        assert record is not None
        return self._at(placed, "changed", digest(record), record["hash"])

    def _at(self, placed: Placed, kind: str, expected: str, found: str) -> Finding:
        record = placed.record
        assert record is not None
        plain = {name: str(record[name]) for name in _PLAIN}
        return Finding(
            kind, self.partition, placed.offset, seq=record["seq"], expected=expected, found=found, **plain
        )  # fmt: skip


def check(records: Iterable[Record], partition: int, *, from_begin: bool = True) -> list[Finding]:
    """The findings on records of one partition, in order; their offsets are their places in the list."""
    of_partition = PartitionCheck(partition, from_begin=from_begin)
    for offset, record in enumerate(records):
        of_partition.take(Placed(offset, record))
    return of_partition.end()
