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


class StateError(Exception):
    """The local state cannot be read or written; the worker stops."""


FENCED = (ProducerFenced, InvalidProducerEpoch)
FORBIDDEN = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed)
LATER = (KafkaError, OutOfOrderSequenceNumber, TimeoutError, asyncio.TimeoutError, ConnectionError, OSError)
