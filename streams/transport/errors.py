"""What can happen to a lane, by what to do next."""

from __future__ import annotations

import asyncio

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidProducerEpoch,
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


class Later(Exception):  # noqa: N818  # one of the three kinds: refused, later, broken
    """Raised by an agent's work when the world is not ready (a registry does not answer): tried again, nothing lost."""


class StateError(Exception):
    """The local state cannot be read or written; the worker stops."""


FENCED = (ProducerFenced, InvalidProducerEpoch)
FORBIDDEN = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed)
LATER = (KafkaError, OutOfOrderSequenceNumber, TimeoutError, asyncio.TimeoutError, ConnectionError, OSError)
