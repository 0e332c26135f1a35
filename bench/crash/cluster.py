"""Kafka as the embedded broker does not offer it: several nodes that replicate, or one with bad cables in front."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from link import Link

from gridhub.connectors.broker import free_port, jars, java
from gridhub.connectors.broker.node import Node
from gridhub.connectors.broker.properties import DEFAULTS, HOST
from gridhub.connectors.demo.show import say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CLUSTER_ID = "Y3Jhc2gtbWF0cml4LWlkMA"  # 16 bytes in Kafka's form; each cell's cluster lives in its own folder
HEAP_MB = 224
START_S = 90.0
STOP_S = 20.0
FORMAT_S = 90.0


class KafkaNode:
    """One combined broker and controller with a fixed set of voters."""

    def __init__(self, folder: Path, port: int, properties: Mapping[str, str]) -> None:
        self.port = port
        self._node = Node(folder)
        self._properties = {**properties, "log.dirs": str(self._node.store)}
        self._command = self._node.java_command(
            java.find().program,
            jars.provide(jars.default_cache(), os.environ.get("GRIDHUB_BROKER_REPOSITORY"), say),
            HEAP_MB,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start its process; it answers later."""
        self._node.make_folders()
        self._node.configure(self._properties)
        if not self._node.is_formatted:
            self._format()
        self._process = self._node.spawn(self._command)

    def _format(self) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._node.configuration)]
        subprocess.run([*self._command, *tool], capture_output=True, timeout=FORMAT_S, check=True)  # ours

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        await_nodes(f"{HOST}:{self.port}", 1)

    def stop(self) -> None:
        """Ask it to end; kill -9 after STOP_S."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Cluster:
    """The nodes of one cell, and the cables in front of them."""

    def __init__(self, nodes: dict[int, KafkaNode], links: list[Link]) -> None:
        self.nodes, self.links = nodes, links

    @property
    def bootstrap(self) -> str:
        """The nodes themselves, past every cable."""
        return ",".join(f"{HOST}:{node.port}" for node in self.nodes.values())

    def start(self) -> None:
        """Start every node and cable; returns when all nodes are known."""
        for node in self.nodes.values():
            node.launch()
        await_nodes(self.bootstrap, len(self.nodes))
        for link in self.links:
            link.start()

    def stop(self) -> None:
        """End every node."""
        for node in self.nodes.values():
            node.stop()

    def leader(self, topic: str, partition: int) -> int:
        """The id of the node that leads this partition now; -1 while none does."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        return int(admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader)


def linked(folder: Path, cables: int) -> Cluster:
    """One node with so many cables in front, each with a listener of its own."""
    ports = [free_port() for _ in range(cables)]
    links = [Link(free_port(), port) for port in ports]
    inner, controller = free_port(), free_port()
    names = [f"LINK{number}" for number in range(cables)]
    hidden = [f"{name}://{HOST}:{port}" for name, port in zip(names, ports, strict=True)]
    shown = [f"{name}://{HOST}:{link.port}" for name, link in zip(names, links, strict=True)]
    properties = _properties(1, inner, {1: controller}, hidden, shown)
    return Cluster({1: KafkaNode(folder / "node-1", inner, properties)}, links)


def replicated(folder: Path, count: int) -> Cluster:
    """So many nodes; a message is acknowledged once two of them have it."""
    controllers = {number: free_port() for number in range(1, count + 1)}
    copies = {
        name: str(count) for name in DEFAULTS if name.endswith("replication.factor")
    } | {name: "2" for name in DEFAULTS if name.endswith(("min.isr", "min.insync.replicas"))}  # fmt: skip
    nodes = {}
    for number in controllers:
        port = free_port()
        properties = _properties(number, port, controllers, [], []) | copies
        nodes[number] = KafkaNode(folder / f"node-{number}", port, properties)
    return Cluster(nodes, [])


def _properties(
    number: int, port: int, controllers: dict[int, int], hidden: list[str], shown: list[str]
) -> dict[str, str]:
    """One node's configuration; `hidden` are further listeners, `shown` the addresses that their clients are told."""
    own = f"PLAINTEXT://{HOST}:{port}"
    names = ["PLAINTEXT", "CONTROLLER", *(listener.partition(":")[0] for listener in hidden)]
    return {
        **DEFAULTS,
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": ",".join(f"{name}@{HOST}:{at}" for name, at in controllers.items()),
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([own, f"CONTROLLER://{HOST}:{controllers[number]}", *hidden]),
        "advertised.listeners": ",".join([own, *shown]),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
        "inter.broker.listener.name": "PLAINTEXT",
    }


def await_nodes(bootstrap: str, count: int) -> None:
    """Wait until so many nodes are known to those at `bootstrap`; TimeoutError after START_S."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
            if len(admin.list_topics(timeout=5).brokers) >= count:
                return
        except KafkaException:
            pass  # not listening yet
        time.sleep(0.2)
    raise TimeoutError(f"{count} Kafka nodes did not answer at {bootstrap} within {START_S:.0f} s")
