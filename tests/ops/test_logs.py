"""One JSON object a line, for the hub and its libraries, without secrets and payloads."""

from __future__ import annotations

import json
import logging
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from gridhub.streams import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """The process's logging is put back after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name in logs.LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The log so far; stdout stays empty, it belongs to results."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_a_line_says_what_when_and_who(capsys: pytest.CaptureFixture[str]) -> None:
    """The event, its facts, level, logger, worker and a UTC time."""
    logs.configure("info", "worker-7")
    logs.get("gridhub.worker").info("batch", events=2000, seconds=0.03, 部门="电力")
    (line,) = lines(capsys)
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert at.tzinfo == UTC
    assert line == {
        "event": "batch", "events": 2000, "seconds": 0.03, "部门": "电力",
        "level": "info", "logger": "gridhub.worker", "worker": "worker-7",
    }  # fmt: skip


def test_secrets_and_payloads_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither by key, nor nested, nor inside a text does a secret, or what a department wrote, reach the log."""
    logs.configure("info", "w")
    log = logs.get("gridhub")
    log.info("start", sasl_plain_password="geheim", options={"api_key": "geheim", "list": [{"Token": "geheim"}]})
    log.info("start", url="http://user:geheim@host:80/x", text="password=geheim, ok", bearer="Authorization: geheim")
    log.info("bytes", payload="geheim", raw=b"geheim", value={"name": "geheim"}, key=b"12345")
    logging.getLogger("kafka").warning("connecting with password=%s", "geheim")
    out, err = capsys.readouterr()
    assert "geheim" not in out + err
    assert len(err.splitlines()) == 4
    assert "user:[dropped]@host:80/x" in err
    assert "[5 bytes]" in err


def test_long_values_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A text is cut and says how long it was; so are a long list and a deep nest."""
    logs.configure("info", "w")
    deep: dict[str, object] = {}
    deep["deeper"] = deep
    logs.get("gridhub").info("x", text="a" * 10_000, items=list(range(10_000)), deep=deep)
    (line,) = lines(capsys)
    assert line["text"].endswith("(10000 characters)")
    assert len(line["text"]) < 600
    assert len(line["items"]) == 50
    assert len(json.dumps(line)) < 4000


def test_libraries_speak_the_same_form_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Aiokafka's info is not written, its warning is, with its logger's name; Python's warnings too."""
    logs.configure("info", "w")
    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("aiokafka.consumer").warning("lost %s", "node")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old call", UserWarning, stacklevel=1)
    first, second = lines(capsys)
    assert (first["event"], first["logger"], first["level"]) == ("lost node", "aiokafka.consumer", "warning")
    assert "old call" in second["event"]


def test_debug_lets_the_libraries_speak(capsys: pytest.CaptureFixture[str]) -> None:
    """At debug every line is written, the libraries' own ones too."""
    logs.configure("debug", "w")
    logging.getLogger("aiokafka").debug("detail")
    logs.get("gridhub").debug("ours")
    assert [line["event"] for line in lines(capsys)] == ["detail", "ours"]


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """At warning an info line is not written."""
    logs.configure("warning", "w")
    logs.get("gridhub").info("quiet")
    logs.get("gridhub").warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_an_exception_keeps_its_trace_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The trace is a field of the one JSON line, of our loggers and of the libraries'."""
    logs.configure("info", "w")
    try:
        raise ValueError("token=geheim")
    except ValueError:
        logs.get("gridhub").exception("failed")
        logging.getLogger("faust").exception("failed too")
    for line in lines(capsys):
        assert "ValueError: token=[dropped]" in line["exception"]


def test_configuring_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The second set-up replaces the first."""
    logs.configure("info", "first")
    logs.configure("info", "second")
    logs.get("gridhub").info("x")
    (line,) = lines(capsys)
    assert line["worker"] == "second"


def test_colours_only_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for the console form without a terminal, the log stays JSON."""
    logs.configure("info", "w", console=True)
    logs.get("gridhub").info("x")
    assert lines(capsys)[0]["event"] == "x"


def test_the_console_form_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, when asked, a line is for eyes; secrets are dropped there too."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    logs.configure("info", "w", console=True)
    logs.get("gridhub").info("started", password="geheim")
    err = capsys.readouterr().err
    assert not err.startswith("{")
    assert "started" in err
    assert "geheim" not in err


def warning(name: str, message: str, *args: object, level: int = logging.WARNING) -> logging.LogRecord:
    """A record as a library makes it."""
    return logging.LogRecord(name, level, "file.py", 1, message, args, None)


def test_a_repeated_warning_is_written_once_a_minute_with_a_count() -> None:
    """The first passes, those within the minute do not, the next one after it says how many were kept back."""
    now = [0.0]
    limit = logs.RepeatLimit(60, clock=lambda: now[0])
    passed = []
    for second in range(0, 130, 10):
        now[0] = float(second)
        record = warning("aiokafka.group", "Heartbeat failed for generation %d", second)
        if limit.filter(record):
            passed.append((second, getattr(record, "repeated", 0)))
    assert passed == [(0, 0), (60, 5), (120, 5)]


def test_only_repeats_of_libraries_are_limited() -> None:
    """Other texts, other levels, other loggers and our own lines pass."""
    limit = logs.RepeatLimit(60, clock=lambda: 0.0)
    assert limit.filter(warning("kafka.conn", "node down"))
    assert limit.filter(warning("kafka.conn", "node up"))
    assert limit.filter(warning("kafka.conn", "node down", level=logging.ERROR))
    assert limit.filter(warning("faust", "node down"))
    assert not limit.filter(warning("kafka.conn", "node down"))
    assert [limit.filter(warning("gridhub.worker", "x")) for _ in range(3)] == [True] * 3
    assert [limit.filter(warning("kafkaesque", "x")) for _ in range(2)] == [True] * 2


def test_the_count_reaches_the_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`repeated` is a field of the JSON line."""
    now = [0.0]
    monkeypatch.setattr(logs.RepeatLimit.__init__, "__defaults__", (60.0, lambda: now[0]))
    logs.configure("info", "w")
    for second in (0.0, 1.0, 2.0, 61.0):
        now[0] = second
        logging.getLogger("aiokafka").warning("same")
    assert [line.get("repeated") for line in lines(capsys)] == [None, 2]


def test_the_memory_of_repeats_is_bounded() -> None:
    """A library that never says the same twice does not fill the memory."""
    limit = logs.RepeatLimit(60, clock=lambda: 0.0)
    for number in range(logs.REMEMBERED * 2):
        name = "".join(chr(97 + int(digit)) for digit in str(number))
        assert limit.filter(warning("faust", name))
    assert len(limit._seen) == logs.REMEMBERED
