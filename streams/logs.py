"""Logging, set up once: JSON lines on stderr for the hub and its libraries alike; never a secret, never a payload."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor, WrappedLogger

LIBRARIES = ("faust", "mode", "aiokafka", "kafka", "asyncio", "httpx", "httpx2", "httpcore", "uvicorn", "py.warnings")
ROOTS = frozenset(name.partition(".")[0] for name in LIBRARIES)
LONGEST_TEXT = 500
LONGEST_TRACE = 8000
DEEPEST = 4
LONGEST_LIST = 50
REPEAT_AFTER_S = 60.0
REMEMBERED = 1000

SECRET = re.compile(r"passw|secret|token|credential|authorization|cookie|api_?key|private_?key|jaas", re.IGNORECASE)
"""Keys whose value is dropped, wherever in the name the word stands."""

PAYLOADS = frozenset({"payload", "raw", "body", "value", "values", "record", "message_bytes", "datum"})
"""Keys that hold what a department wrote: personal data, never logged."""

SECRET_IN_TEXT = re.compile(
    r"(?i)((?:passw(?:or)?d|secret|token|api[_-]?key|authorization)[\"']?\s*[=:]\s*)(?:bearer\s+|basic\s+)?[^\s,;}]+"
    r"|(?<=://)([^/\s:@]+):[^/\s@]+(?=@)"
)
DIGITS = re.compile(r"\d+")


class RepeatLimit(logging.Filter):
    """Lets a library's repeated warning through once in `every_s` seconds and says how many were kept back.

    Two messages are the same when they differ in digits only (ports, offsets, generations). The first one always
    passes; the next one that passes carries the number in between as `repeated`.
    """

    def __init__(self, every_s: float = REPEAT_AFTER_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._seen: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is written; adds `repeated` to the record where some were kept back."""
        if record.levelno < logging.WARNING or record.name.partition(".")[0] not in ROOTS:
            return True
        key = (record.name, record.levelno, DIGITS.sub("#", record.getMessage()))
        now = self._clock()
        since, held_back = self._seen.get(key, (now - self._every_s, 0))
        if now - since < self._every_s:
            self._seen[key] = (since, held_back + 1)
            return False
        self._remember(key, now)
        if held_back:
            record.repeated = held_back
        return True

    def _remember(self, key: tuple[str, int, str], now: float) -> None:
        self._seen[key] = (now, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def without_secrets(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """The entry without secrets and payloads, with long values cut; a structlog processor."""
    return {key: _clean(key, value, 0) for key, value in entry.items()}


def _clean(key: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value if not SECRET.search(key) else "[dropped]"
    if SECRET.search(key) or key.lower() in PAYLOADS:
        return "[dropped]"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, dict) and depth < DEEPEST:
        return {str(name): _clean(str(name), one, depth + 1) for name, one in list(value.items())[:LONGEST_LIST]}
    if isinstance(value, list | tuple | set | frozenset) and depth < DEEPEST:
        return [_clean("", one, depth + 1) for one in list(value)[:LONGEST_LIST]]
    return _cut(SECRET_IN_TEXT.sub(_hide, str(value)), LONGEST_TRACE if key == "exception" else LONGEST_TEXT)


def _hide(found: re.Match[str]) -> str:
    return f"{found[1]}[dropped]" if found[1] else f"{found[2]}:[dropped]"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def _json(entry: object, **_options: object) -> str:
    return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _repeats(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    record = entry.get("_record")
    if record is not None and hasattr(record, "repeated"):
        entry["repeated"] = record.repeated
    return entry


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(worker: str, *, console: bool) -> logging.Formatter:
    def add_worker(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
        entry["worker"] = worker
        return entry

    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(serializer=_json)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            _repeats,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_worker,
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
    )


def configure(level: str, worker: str, *, console: bool = False) -> None:
    """Sends every log of this process to stderr, one JSON object a line, with UTC times and the worker's name.

    `console` asks for coloured lines instead, given only when stderr is a terminal. Libraries speak from `warning` on
    unless the level is `debug`. Calling it again replaces the former set-up.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(worker, console=console and sys.stderr.isatty()))
    handler.addFilter(RepeatLimit())
    chosen = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=chosen, force=True)
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(chosen if chosen <= logging.DEBUG else max(chosen, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of this name: `log.info("batch", events=2000)`; an event is a short fixed word, facts are keys."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
