"""Events on which our own code raises, put between the events of a simulated city, with the truth about each.

The bug itself is put into the workers by `inject/injected.py`. An event of the city comes once more under an id with the
mark; it must be refused as broken, alone, and everything around it must be as if it were not there. So it lies at every
place of a batch over a run: first, last, in the middle, alone, and next to others of its kind. (The same in the second
stage is in tests/broker/test_worker_poison.py: the simulator's truth knows no event that is located and then refused.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gridhub.connectors.simulator.message import Message
from gridhub.streams.records import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from gridhub.schemas.codec import Codec

FIRST_SEQ = 20_000_000
MARK = "POISON-"
SHARE = 0.12
NEXT_TO_EACH_OTHER = (1, 1, 1, 2, 3, 7)


def among(messages: Iterator[Message], _codec: Codec, draw: Random) -> Iterator[Message]:
    """The messages in their order; after about every eighth good one some that break our own rules."""
    seq = FIRST_SEQ
    for message in messages:
        yield message
        if message.truth.kind == "valid" and message.record is not None and draw.random() < SHARE:
            for _ in range(draw.choice(NEXT_TO_EACH_OTHER)):
                seq += 1
                yield _poisoned(message, seq)


def _poisoned(message: Message, seq: int) -> Message:
    """The same event under an id of its own, which bears the mark."""
    old, new = message.truth.event_id, f"{MARK}{seq}"
    assert message.record is not None
    truth = replace(
        message.truth, seq=seq, event_id=new, kind="refused", expected_reason=Reason.BROKEN, true_matter=None,
        fault="poison", late=False, duplicate_of=None,
    )  # fmt: skip
    return replace(message, record=_renamed(message.record, old, new), truth=truth)


def _renamed(value: Any, old: str, new: str) -> Any:
    """The record with its id, wherever it stands, replaced."""
    if isinstance(value, dict):
        return {name: _renamed(part, old, new) for name, part in value.items()}
    return new if value == old else value
