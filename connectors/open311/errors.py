"""Refusals in the specification's shape: a code, which is the HTTP status too, and a sentence."""

from __future__ import annotations


class Open311Error(Exception):
    """A refusal: HTTP status and one sentence for whoever wrote the client."""

    def __init__(self, code: int, description: str, *, wait_s: int | None = None) -> None:
        super().__init__(description)
        self.code, self.description = code, description
        self.wait_s = wait_s  # after which it may be tried again


def not_found(what: str, name: str) -> Open311Error:
    """404: there is no such thing."""
    return Open311Error(404, f"{what} {name[:80]!r} was not found.")


def missing(name: str) -> Open311Error:
    """400: a field that has to be there is not."""
    return Open311Error(400, f"{name} was not provided.")


def bad(name: str, why: str) -> Open311Error:
    """400: a field cannot be read."""
    return Open311Error(400, f"{name}: {why}.")


def no_key() -> Open311Error:
    """403: neither which keys there are nor what is wrong with this one is told."""
    return Open311Error(403, "api_key is missing or not valid for this.")


def later(why: str) -> Open311Error:
    """503: the server, not the client, is at fault."""
    return Open311Error(503, why, wait_s=5)
