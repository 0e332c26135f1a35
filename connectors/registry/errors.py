"""The refusals of the registry with the HTTP status and error code that Confluent's clients expect."""

from __future__ import annotations


class RegistryError(Exception):
    """A refusal: HTTP status, error code and one sentence, as they go into the answer's JSON body."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def no_subject(subject: str) -> RegistryError:
    """40401."""
    return RegistryError(404, 40401, f"Subject '{subject}' not found.")


def no_version(version: object) -> RegistryError:
    """40402."""
    return RegistryError(404, 40402, f"Version {version} not found.")


def no_schema(what: object = "") -> RegistryError:
    """40403."""
    return RegistryError(404, 40403, f"Schema {what} not found.".replace("  ", " "))


def no_level(subject: str) -> RegistryError:
    """40408."""
    return RegistryError(404, 40408, f"Subject '{subject}' has no compatibility level of its own.")


def bad_schema(why: str) -> RegistryError:
    """42201."""
    return RegistryError(422, 42201, f"Invalid schema: {why}")


def bad_version(version: str) -> RegistryError:
    """42202."""
    return RegistryError(422, 42202, f"'{version}' is no version: give a number from 1 to 2^31-1, or 'latest'.")


def bad_level(level: object) -> RegistryError:
    """42203."""
    return RegistryError(422, 42203, f"'{level}' is no compatibility level.")


def not_permitted(why: str) -> RegistryError:
    """42205."""
    return RegistryError(422, 42205, why)


def bad_subject(subject: str) -> RegistryError:
    """42208."""
    return RegistryError(422, 42208, f"'{subject[:80]}' is no subject: 1 to 255 printable characters.")


def incompatible(problems: list[str]) -> RegistryError:
    """409."""
    return RegistryError(409, 409, "The schema may not follow the earlier ones. " + " ".join(problems))


def store_down(why: str) -> RegistryError:
    """50001."""
    return RegistryError(503, 50001, f"{why}; try again later.")
