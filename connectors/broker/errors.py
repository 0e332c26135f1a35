"""What can go wrong with the embedded broker, in words that say what to do."""

from __future__ import annotations


class BrokerError(Exception):
    """The broker could not do what was asked; the message says why and what to do about it."""
