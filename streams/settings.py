"""Every setting of the hub, once: typed, from the environment (GRIDHUB_…) and gridhub.toml, checked at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class SettingsError(Exception):
    """A setting is wrong; the message says which and what to change."""


class Settings(BaseSettings):
    """The hub's settings; environment before file before default."""

    model_config = SettingsConfigDict(
        env_prefix="GRIDHUB_", toml_file="gridhub.toml", extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Path = Field(Path(".gridhub"), description="Folder of everything the hub writes on this machine")
    config_dir: Path | None = Field(None, description="Folder of the city's data; unset: the bundled one")
    kafka: str = Field("", description="host:port,… of a Kafka to use; empty: the embedded broker")
    broker_port: int = Field(19092, ge=1, le=65535, description="Port of the embedded broker")
    broker_controller_port: int = Field(19093, ge=1, le=65535, description="Controller port of the embedded broker")
    broker_heap_mb: int = Field(256, ge=128, le=16384, description="Java heap of the embedded broker, MB")
    broker_cache: Path | None = Field(None, description="Folder of the broker's jars; unset: the user's cache folder")
    broker_repository: str | None = Field(
        None, description="Maven repository to fetch the jars from; unset: the default one"
    )
    broker_min_free_mb: int = Field(512, ge=0, description="Free disk below which the embedded broker refuses to start")
    registry_url: str = Field("", description="Confluent-compatible schema registry; empty: the embedded one")
    registry_port: int = Field(19081, ge=1, le=65535, description="Port of the embedded schema registry")
    partitions: int = Field(6, ge=1, le=256, description="Partitions of every department and hub topic")
    replication: int = Field(1, ge=1, le=5, description="Replication factor of created topics")
    worker_name: str = Field("worker-1", pattern=r"^[a-z0-9-]{1,40}$", description="Name of this worker")
    group: str = Field("gridhub", pattern=r"^[a-z0-9-]{1,60}$", description="Consumer group and transactional prefix")
    metrics_port: int = Field(19100, ge=0, le=65535, description="Port of /metrics of this worker; 0: none")
    metrics_host: str = Field("127.0.0.1", description="Address that /metrics listens on")
    session_timeout_s: float = Field(
        10.0, ge=2, le=300, description="Silence after which Kafka takes a worker for dead"
    )
    transaction_timeout_s: float = Field(15.0, ge=5, le=900, description="Age at which Kafka aborts a transaction")
    batch_events: int = Field(2000, ge=1, le=20000, description="Most events in one transaction")
    fetch_wait_ms: int = Field(20, ge=1, le=5000, description="How long a fetch may wait for its first byte")
    stall_limit_s: float = Field(
        60.0, ge=5, le=3600, description="Commit progress older than this is reported as stalled"
    )
    state_memory_mb: int = Field(
        64, ge=8, le=65536, description="Memory of a worker's local state, MB: blocks, filters, unwritten rows"
    )
    state_max_mb: int = Field(
        0, ge=0, description="Disk of a worker's local state, MB, above which it stops; 0: no limit"
    )
    state_min_free_mb: int = Field(128, ge=16, description="Free disk, MB, below which a worker with state stops")
    standby: int = Field(
        0,
        ge=0,
        le=4,
        description="Other workers that keep a warm copy of each lane's state; 0: none, take-over restores",
    )
    duplicate_retention_h: float = Field(72.0, gt=0, le=24 * 90, description="How long an event id is remembered")
    max_message_bytes: int = Field(1_048_576, ge=1024, le=4_194_304, description="Largest event that is read")
    max_broken_in_row: int = Field(
        100, ge=1, description="Events in a row that break our own rules, after which a worker stops"
    )
    future_tolerance_s: float = Field(300.0, ge=0, description="How far ahead an event's time may lie")
    max_age_days: float = Field(30.0, gt=0, description="How old an event may be")
    accept_limit_min: float = Field(15.0, gt=0, description="Minutes to accept a task (十五分钟服务圈)")
    clock_file: Path | None = Field(
        None,
        description="For rehearsals only: the worker reads the time, ms since 1970, from this file; unset: wall clock",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before gridhub.toml in the current folder before the defaults."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("kafka")
    @classmethod
    def _hosts(cls, value: str) -> str:
        for part in filter(None, value.split(",")):
            host, _, port = part.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"{part!r} is not host:port")
        return value

    @property
    def bootstrap(self) -> str:
        """The Kafka to speak to: the given one, else the embedded broker."""
        return self.kafka or f"127.0.0.1:{self.broker_port}"

    @property
    def registry(self) -> str:
        """The schema registry's address: the given one, else the embedded one."""
        return self.registry_url or f"http://127.0.0.1:{self.registry_port}"


def load(**changes: object) -> Settings:
    """The checked settings; SettingsError with one sentence per wrong one."""
    try:
        return Settings(**changes)  # type: ignore[arg-type]  # checked by pydantic itself
    except ValidationError as error:
        raise SettingsError("\n".join(map(_sentence, error.errors()))) from error


def _sentence(problem: object) -> str:
    assert isinstance(problem, dict)
    name = "_".join(str(part) for part in problem["loc"]).lower() or "?"
    known = name in Settings.model_fields
    hint = "" if known else " (no such setting; see docs/settings.md)"
    return f"Setting GRIDHUB_{name.upper()} (or {name} in gridhub.toml): {problem['msg']}{hint}."
