"""What can happen to a lane, by what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalGenerationError,
    IllegalOperation,
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownMemberIdError,
)


class Later(Exception):  # noqa: N818  # one of the three kinds: refused, later, broken
    """Raised by an agent's work when the world is not ready (a registry does not answer): tried again, nothing lost."""


class OffsetsAhead(KafkaError):  # type: ignore[misc]  # noqa: N818  # the library has no types; a state, not a mistake
    """A committed offset lies beyond its partition's end: a new leader that catches up, or lost data."""


class Unstable(KafkaError):  # type: ignore[misc]  # noqa: N818  # as above
    """A transaction that holds offsets of a partition has not ended yet."""


class FencedMember(KafkaError):  # type: ignore[misc]  # noqa: N818  # as above
    """Another worker has this one's place in the group."""


class StateError(Exception):
    """The local state cannot be read or written; the worker stops."""


class StoreInUseError(OSError):
    """Another process has this lane's local state open: tried again, it may be letting go of it."""


FENCED = (ProducerFenced, InvalidProducerEpoch, IllegalGenerationError, UnknownMemberIdError, FencedMember)
HOPELESS = (  # neither waiting nor opening the lane anew would help
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
LATER = (
    KafkaError,
    IllegalOperation,  # aiokafka's answer when its producer met the trouble (a fence, a timeout) between two of our calls
    OutOfOrderSequenceNumber,
    TimeoutError,
    asyncio.TimeoutError,
    ConnectionError,
    OSError,
)


@contextmanager
def assertions_as_trouble() -> Iterator[None]:
    """For calls of aiokafka: it asserts what a broker in trouble makes untrue, and asking again later is the answer.

    A cluster may for a moment name no broker at all ("Did we not perform bootstrap?", seen while a starved broker was
    fenced), and a producer may meet its trouble between two of our calls.
    """
    try:
        yield
    except AssertionError as error:
        raise KafkaError(f"aiokafka is in no state for this: {error}") from error
