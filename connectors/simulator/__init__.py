"""A simulated city: what its departments would publish, and the truth about every message."""

from gridhub.connectors.simulator.city import SCENARIOS, City
from gridhub.connectors.simulator.message import Message, Truth, truth_of

__all__ = ["SCENARIOS", "City", "Message", "Truth", "truth_of"]
