"""The broker's server.properties: one node, loopback only, small."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gridhub.connectors.broker.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST = "127.0.0.1"

# Tunable through `Broker(properties=...)`.
DEFAULTS = {
    "auto.create.topics.enable": "false",
    # one node: nothing can be replicated
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.max.timeout.ms": "900000",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # a lone worker need not wait three seconds for others to join its group
    "group.initial.rebalance.delay.ms": "0",
    # After a crash the controller takes the old process for alive until its session ends: with Kafka's 9 s a restart
    # took 11 s, with these 4.5 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "message.max.bytes": str(4 * 1024 * 1024),
    "replica.fetch.max.bytes": str(4 * 1024 * 1024),
    "log.retention.hours": "168",
    "log.segment.bytes": str(64 * 1024 * 1024),
    "log.index.size.max.bytes": str(1024 * 1024),
    # small memory: the cleaner's default of 128 MB alone would not fit a heap of 192 MB
    "log.cleaner.dedupe.buffer.size": str(2 * 1024 * 1024),
    "queued.max.request.bytes": str(32 * 1024 * 1024),
    "socket.request.max.bytes": str(32 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
}


def server_properties(folder: Path, port: int, controller_port: int, changes: Mapping[str, str]) -> dict[str, str]:
    """The whole configuration of a node with its data in `folder`, reachable from this machine only.

    Raises:
        BrokerError: `changes` touches a property that the broker's own arguments decide, or Kafka cannot use the path.
    """
    fixed = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder),
    }
    if taken := sorted(fixed.keys() & changes.keys()):
        raise BrokerError(f"Leave {', '.join(taken)} out of the properties: the embedded broker sets it itself.")
    if "," in str(folder):
        raise BrokerError(f"Choose a data folder without a comma (GRIDHUB_DATA_DIR): Kafka splits {folder} there.")
    return {**DEFAULTS, **changes, **fixed}


def render(properties: Mapping[str, str]) -> str:
    """The text of a Java properties file; JSON's escapes of strings are Java's, so any path survives."""
    return "".join(f"{key}={json.dumps(value)[1:-1]}\n" for key, value in properties.items())
