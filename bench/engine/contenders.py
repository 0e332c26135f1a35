"""Who takes part: how each is started, what it promises, and how fast it was once found to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import envs

ENGINE = Path(__file__).parent
ALO, EOS = "at-least-once", "exactly-once"
LOST = "at-least-once, state lost on restart"
FAST, WARM, MIDDLE, SLOW, SLOWEST, ROAD = 110_000, 75_000, 12_000, 5_000, 1_300, 1_000
EAGER = {"BENCH_COMMIT_S": "0.02", "BENCH_LINGER_MS": "0"}


@dataclass(frozen=True)
class Contender:
    """One way to do the job.

    `pace` is the events/s that the length of its runs is reckoned from, so that each is at work for as long as was asked
    for; contenders of equal pace get the same messages, and the fewer of a slower one are the first of them.
    `latency` are settings on top when latency is asked for: each side's best in each mode.
    """

    name: str
    guarantee: str
    command: Callable[[], list[str]]
    pace: int
    workers: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    latency: Mapping[str, str] = field(default_factory=dict)
    state: str = "persisted"
    own_topics: tuple[str, ...] = ()  # made by the harness; states and changelogs are compacted
    rates: tuple[int, ...] = (500, 5000)  # those it can follow
    kept_out: str | None = None  # why it does not run unless named
    road: bool = False  # the hub's whole road on the simulator's events, in a town of its own

    @property
    def environment(self) -> dict[str, str]:
        """Its settings."""
        commit = "0.2" if self.guarantee == EOS else "1"
        return {"BENCH_EXACTLY_ONCE": str(int(self.guarantee == EOS)), "BENCH_COMMIT_S": commit, **self.settings}


def _python(interpreter: Callable[[], Path], script: Path, *arguments: str) -> Callable[[], list[str]]:
    return lambda: [str(interpreter()), str(script), *arguments]


def _peer(name: str, script: str) -> Callable[[], list[str]]:
    return lambda: [str(envs.python(name)), str(envs.PEERS / script)]


def _streams(threads: int, *flags: str) -> Callable[[], list[str]]:
    def command() -> list[str]:
        jars = envs.kafka_streams()
        return ["java", "-Xmx1g", "-cp", f"{jars / 'classes'}:{jars}/*", "GridJob", str(threads), *flags]

    return command


def _gridhub(workers: int) -> Contender:
    command = _python(envs.ours, ENGINE / "app.py")
    return Contender(
        f"gridhub-{workers}", EOS, command, FAST, workers, own_topics=(".mid", ".state"), state="RocksDB, changelog"
    )  # fmt: skip


def _kafka_streams(threads: int, guarantee: str, *flags: str) -> Contender:
    name = "-".join(["kafka-streams", str(threads), *flags, *(["eos"] if guarantee == EOS else [])])
    return Contender(
        name, guarantee, _streams(threads, *flags), WARM, latency=EAGER, state="RocksDB, changelog",
        kept_out="a setting to try" if flags else None,
    )  # fmt: skip


_LOOP = envs.PEERS / "python_loop.py"
_FAUST = envs.PEERS / "faust_app.py"
ALL = (
    _gridhub(2),
    _gridhub(1),
    *(_kafka_streams(threads, guarantee) for guarantee in (EOS, ALO) for threads in (1, 2)),
    *(_kafka_streams(threads, guarantee, "cache") for guarantee in (EOS, ALO) for threads in (1, 2)),
    Contender("python-loop", LOST, _python(envs.ours, _LOOP), MIDDLE, latency=EAGER, state="none"),
    Contender("python-loop-batched", LOST, _python(envs.ours, _LOOP, "batched"), MIDDLE, latency=EAGER, state="none"),
    Contender("bytewax", ALO, _peer("bytewax", "bytewax_flow.py"), MIDDLE, latency=EAGER, state="memory, SQLite snapshots"),
    Contender("quix", ALO, _peer("quix", "quix_app.py"), SLOW, latency=EAGER, state="RocksDB, changelog", rates=(500,)),
    Contender("quix-eos", EOS, _peer("quix", "quix_app.py"), SLOW, latency=EAGER, state="RocksDB, changelog", rates=(500,)),
    Contender(
        "faust", ALO, _python(envs.ours, _FAUST, "worker", "--loglevel", "warn", "--without-web"), SLOWEST,
        latency=EAGER, state="RocksDB, changelog", rates=(500,), own_topics=("-by-grid", "-seen-changelog", "-open-changelog"),
    ),
    *(
        Contender(
            f"gridhub-road-{workers}", EOS, list, ROAD, workers, state="RocksDB, changelog", rates=(500,), road=True
        )
        for workers in (1, 2)
    ),
    Contender("python-loop-road", LOST, list, ROAD, state="none", rates=(500,), road=True),
)  # fmt: skip


def chosen(names: str | None) -> list[Contender]:
    """Those whose name is, or begins with, one of the names between commas; all that are not kept out when None."""
    if not names:
        return [contender for contender in ALL if contender.kept_out is None]
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    exact = {contender.name for contender in ALL} & set(wanted)
    found = [
        contender
        for contender in ALL
        if contender.name in exact
        or any(name not in exact and contender.name.startswith(name) and not contender.kept_out for name in wanted)
    ]
    if not found:
        raise SystemExit(f"nobody is called {names}; there are: {', '.join(contender.name for contender in ALL)}")
    return found
