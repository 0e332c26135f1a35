"""How often the simulated city does what: the one table of rates. Explained in docs/simulator.md."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gridhub.streams.records import Reason


@dataclass(frozen=True, slots=True)
class Rates:
    """Chances between 0 and 1. The first four are of each told report, the last two of each matter."""

    redelivered: float = 0.05  # the same bytes and key once more, soon or hours later
    restated: float = 0.03  # power only: the same event number in a new message with other bytes
    late: float = 0.02  # published hours after it happened
    second_late: float = 0.3  # of redeliveries: hours later and not at once
    neighbour: float = (
        0.06  # a distinct matter of the same group, close in place or time, with a sign that it is another
    )
    indistinct: float = 0.004  # the same without any sign: what nobody could tell apart, so no hub's precision is 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to send something that the hub must refuse: its share of all messages, and the reason expected."""

    name: str
    rate: float
    reason: Reason


FAULTS = (
    Fault("garbage", 0.0012, Reason.BAD_BYTES),  # random bytes
    Fault("empty", 0.0003, Reason.BAD_BYTES),  # no bytes at all
    Fault("wrong_magic", 0.0010, Reason.BAD_BYTES),  # a good record behind a wrong first byte
    Fault("truncated", 0.0013, Reason.BAD_BYTES),  # a good record that ends too early
    Fault("trailing", 0.0012, Reason.BAD_BYTES),  # a good record with bytes after its end
    Fault("unknown_schema", 0.0020, Reason.UNKNOWN_SCHEMA),  # framed with an id that no registry gave out
    Fault("survey", 0.0100, Reason.NOT_ADMITTED),  # a type that has a category but no approval
    Fault("no_place", 0.0035, Reason.NOT_LOCATED),  # nothing in the record says where
    Fault("zero_point", 0.0030, Reason.NOT_LOCATED),  # coordinates 0, 0
    Fault("unknown_key", 0.0035, Reason.NOT_LOCATED),  # a code or key that no table has
    Fault("contradiction", 0.0030, Reason.PLACES_CONTRADICT),  # a key here and a point in another district
    Fault("other_city", 0.0030, Reason.OUTSIDE_CITY),  # a point or a code of Wuhan
    Fault("future", 0.0015, Reason.WRONG_TIME),  # two hours to ten days ahead
    Fault("ancient", 0.0015, Reason.WRONG_TIME),  # forty days to three years old
    Fault("no_id", 0.0020, Reason.MISSING_FIELD),  # the event id is empty
    Fault("unknown_type", 0.0030, Reason.UNKNOWN_TYPE),  # a type that the mapping does not have
    Fault("foreign_record", 0.0010, Reason.WRONG_DEPARTMENT),  # one department's record on another's topic
    Fault("foreign_source", 0.0010, Reason.WRONG_DEPARTMENT),  # a GenericEvent that names another department
)

RATES = Rates()


def refused_share() -> float:
    """The share of messages that a full set of departments sends to be refused."""
    return sum(fault.rate for fault in FAULTS)


def as_rows() -> list[tuple[str, float, str]]:
    """Every rate as (name, rate, expected reason or empty), in order: what docs/simulator.md must list."""
    chances = [(item.name, float(getattr(RATES, item.name)), "") for item in fields(Rates)]
    return chances + [(fault.name, fault.rate, fault.reason.value) for fault in FAULTS]
