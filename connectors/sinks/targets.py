"""The targets in `sinks.yaml`: who is told of which tasks, and how. Checked as a whole before anything is sent."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gridhub.streams.files import read_bounded
from gridhub.streams.strictyaml import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gridhub.connectors.sinks.contract import Task

LARGEST_FILE = 1 << 20
LEAST_SECRET = 24  # characters: 16 bytes and more in base64


class TargetError(ValueError):
    """The file of targets is wrong; the message names the target and what to change."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wanted(_Strict):
    """Which tasks a target gets; an empty list means any."""

    role: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    area: tuple[str, ...] = ()  # codes; a task fits when its area begins with one
    category: tuple[str, ...] = ()
    action: tuple[Literal["handle", "assist", "inform"], ...] = ()
    most_severity: int = Field(default=4, ge=1, le=4, description="4 takes all, 1 only 特别重大")

    def fits(self, task: Task) -> bool:
        """Whether a target that wants this gets the task."""
        named = (self.role, "role"), (self.recipient, "recipient"), (self.category, "category"), (self.action, "action")
        return (
            all(not values or task[field] in values for values, field in named)
            and (not self.area or task["area"].startswith(self.area))
            and task["severity"] <= self.most_severity
        )


class Target(_Strict):
    """What all targets have: a name, the tasks they want, and how patient we are with them."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    tasks: Wanted = Wanted()
    timeout_s: float = Field(10.0, gt=0, le=120)
    parallel: int = Field(8, ge=1, le=64)
    attempts: int = Field(8, ge=1, le=100, description="Attempts before a delivery is parked")
    first_wait_s: float = Field(0.5, gt=0, le=60, description="Pause after the first failure; doubles, with jitter")
    longest_wait_s: float = Field(60.0, gt=0, le=3600)
    break_after: int = Field(5, ge=1, description="Failures in a row after which the target is left alone")
    break_s: float = Field(30.0, gt=0, le=3600, description="How long it is left alone before one try")
    redeliver_s: float = Field(
        600.0, gt=0, description="How often parked deliveries of a target in trouble are retried"
    )


class Webhook(Target):
    """A target that takes a POST with a signature as in Standard Webhooks (HMAC-SHA256)."""

    kind: Literal["webhook"]
    url: str
    secret_env: str = Field(pattern=r"^[A-Z][A-Z0-9_]{2,80}$", description="Environment variable with the secret")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username or parts.password:
            raise ValueError("a secret in an address ends in logs: use secret_env")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("must begin with https:// (http:// only to this machine)")
        return value


class Mail(Target):
    """A mailbox, for units without a system of their own."""

    kind: Literal["mail"]
    to: str = Field(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$")
    sender: str = Field(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$")
    host: str
    port: int = Field(587, ge=1, le=65535)
    user: str = ""
    password_env: str = Field("", pattern=r"^([A-Z][A-Z0-9_]{2,80})?$")


Any_ = Annotated[Webhook | Mail, Field(discriminator="kind")]


class _File(_Strict):
    targets: tuple[Any_, ...] = ()


def load(path: Path) -> tuple[Webhook | Mail, ...]:
    """The targets of a file; none where there is no file. TargetError names the first mistakes, a line each."""
    if not path.exists():
        return ()
    try:
        tree = strict_yaml(read_bounded(path, LARGEST_FILE), str(path))
        found = _File.model_validate(tree or {}).targets
    except ValidationError as error:
        raise TargetError("\n".join(f"{path}: {_sentence(tree, e)}" for e in error.errors())) from None
    except ValueError as error:
        raise TargetError(str(error)) from error
    names = [target.name for target in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TargetError(f"{path}: two targets are called {min(twice)}.")
    return found


def secret(name: str, environment: Mapping[str, str] = os.environ, *, least: int = LEAST_SECRET) -> str:
    """The secret in this variable, or in the file that `<name>_FILE` names; TargetError when there is none worth it."""
    value = environment.get(name, "")
    if not value and (place := environment.get(f"{name}_FILE")):
        value = read_bounded(Path(place), LARGEST_FILE).decode().strip()
    if len(value) < least:
        raise TargetError(f"Set {name} (or {name}_FILE) to a secret of {least} characters or more.")
    return value


def is_loopback(host: str | None) -> bool:
    """Whether this is a name or an address of this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _sentence(tree: Any, problem: Any) -> str:
    """One mistake in words: which target, which field, what is wrong."""
    where = [str(part) for part in problem["loc"]]
    name = ""
    if len(where) > 1 and where[0] == "targets" and isinstance(tree, dict):
        entry = tree["targets"][int(where[1])]
        name = f"target {entry.get('name', where[1])}: " if isinstance(entry, dict) else ""
        where = [part for part in where[2:] if part not in {"webhook", "mail"}]
    return f"{name}{'.'.join(where) or 'it'}: {problem['msg']}."
