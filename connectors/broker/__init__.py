"""The embedded Kafka broker: `Broker(data, port, controller_port).start()`."""

from gridhub.connectors.broker.broker import Broker, BrokerStatus
from gridhub.connectors.broker.errors import BrokerError
from gridhub.connectors.broker.process import free_port

__all__ = ["Broker", "BrokerError", "BrokerStatus", "free_port"]
