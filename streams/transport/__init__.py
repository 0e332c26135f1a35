"""A batch-native, transactional Faust transport. See README.md beside this file."""

from gridhub.streams.transport.batch import Batch, BatchSchema, Effects, Output, Outputs, State, Work
from gridhub.streams.transport.consumer import Consumer, Transport
from gridhub.streams.transport.errors import Later, StateError
from gridhub.streams.transport.plan import LaneGroup, Observer, Options, Plan, Silent, install
from gridhub.streams.transport.records import Records

__all__ = [
    "Batch",
    "BatchSchema",
    "Consumer",
    "Effects",
    "LaneGroup",
    "Later",
    "Observer",
    "Options",
    "Output",
    "Outputs",
    "Plan",
    "Records",
    "Silent",
    "State",
    "StateError",
    "Transport",
    "Work",
    "install",
]
