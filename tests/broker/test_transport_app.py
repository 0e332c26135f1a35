"""The transport in whole apps, as processes: the README's example, and what ends a worker."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gridhub.streams import transport
from gridhub.streams.state.rocks import RocksStore

pytestmark = pytest.mark.broker

README = Path(transport.__file__).with_name("README.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
LIMIT_S = 60


@pytest.fixture
def words(cluster, tmp_path):
    """The README's app with topics of its own; `run(work)` starts it, with other work in place of the example's."""
    return Words(cluster, tmp_path)


class Words:
    """The example and its topics."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.topic = cluster.topic("words", 2)
        self.out = cluster.topic("words.count", 2)
        self.state = cluster.topic("words.state", 2, cleanup_policy="compact")
        names = {"words.count": self.out, "words.state": self.state, "words": self.topic}
        self.source = re.sub(r'"(words(?:\.\w+)?)"', lambda found: f'"{names[found[1]]}"', EXAMPLE)

    @contextmanager
    def run(self, name="w1", before=""):
        """The app as a process, killed at the end if it still runs; `before` is put in front of its agent."""
        (self.folder / name).mkdir(exist_ok=True)
        script = self.folder / f"{name}.py"
        script.write_text(self.source.replace("@app.agent", f"{before}\n@app.agent"), encoding="utf-8")
        command = [sys.executable, str(script), self.cluster.bootstrap, str(self.folder / name)]
        with self.log(name).open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.kill()

    def log(self, name="w1"):
        """What the process said."""
        return self.folder / f"{name}.log"

    def say(self, *words, partition=0):
        """Publish words."""
        self.cluster.write(self.topic, [(None, word) for word in words], partition)

    def counts(self, wanted):
        """(word, count) as they came out, at least so many."""
        return [(m.key(), m.value()) for m in self.cluster.read(self.out, 2, wanted=wanted, limit_s=LIMIT_S)]


def test_the_readme_shows_a_complete_app(words):
    """It counts, its state outlives it, and it stops with exit code 0 when it is asked to."""
    words.say(b"a", b"b", b"a")
    with words.run() as app:
        assert sorted(words.counts(3)) == [(b"a", b"1"), (b"a", b"2"), (b"b", b"1")]
        app.terminate()
        assert app.wait(10) == 0
    words.say(b"a")
    with words.run():
        assert (b"a", b"3") in words.counts(4)


def test_two_workers_share_the_lanes_and_one_takes_over(words):
    """Each record once, whoever does it; a killed worker's lane is finished by the other."""
    with words.run("w1") as first, words.run("w2"):
        words.say(b"a", partition=0)
        words.say(b"b", partition=1)
        assert sorted(words.counts(2)) == [(b"a", b"1"), (b"b", b"1")]
        first.kill()
        words.say(b"a", partition=0)
        words.say(b"b", partition=1)
        assert sorted(words.counts(4)) == [(b"a", b"1"), (b"a", b"2"), (b"b", b"1"), (b"b", b"2")]


def test_an_exception_in_work_ends_the_worker_with_exit_code_1(words):
    """The log says which lane and why; nothing is committed; the worker with the mended work goes on from there."""
    words.say(b"a", b"boom", b"b")
    bug = (
        "def count(batch, state, right=count):\n"
        "    if any(r.value == b'boom' for rows in batch.parts.values() for r in rows):\n"
        "        raise KeyError('our bug')\n"
        "    return right(batch, state)\n"
    )
    with words.run(before=bug) as app:
        assert app.wait(LIMIT_S) == 1
    said = words.log().read_text()
    assert "lane broke, the worker stops" in said
    assert "KeyError('our bug')" in said
    assert words.counts(0) == []
    with words.run():
        assert len(words.counts(3)) == 3


def test_later_in_work_loses_nothing(words):
    """A worker whose world is not ready waits, says so, and does all of it when it is."""
    words.say(b"a", b"b")
    gate = words.folder / "open"
    wait = (
        "from gridhub.streams.transport import Later\n"
        "def count(batch, state, right=count):\n"
        f"    if not Path({str(gate)!r}).exists():\n"
        "        raise Later('the gate is closed')\n"
        "    return right(batch, state)\n"
    )
    with words.run(before=wait):
        until = time.monotonic() + LIMIT_S
        while words.log().read_text().count("the gate is closed") < 3 and time.monotonic() < until:
            time.sleep(0.1)
        assert words.counts(0) == []
        gate.touch()
        assert sorted(words.counts(2)) == [(b"a", b"1"), (b"b", b"1")]


def test_a_store_in_use_is_waited_for(words):
    """While another process has a lane's store open the worker says so; then it goes on."""
    words.say(b"a")
    holder = RocksStore(words.folder / "w1" / "count-0")
    with words.run():
        until = time.monotonic() + LIMIT_S
        while "another worker of this name" not in words.log().read_text() and time.monotonic() < until:
            time.sleep(0.1)
        assert words.counts(0) == []
        holder.close()
        assert words.counts(1) == [(b"a", b"1")]
