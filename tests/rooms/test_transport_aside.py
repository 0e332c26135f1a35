"""Calls that hang are left behind, and nobody waits for them."""

from __future__ import annotations

import threading

import pytest

from gridhub.streams.transport.aside import Aside


def test_a_call_gives_its_answer_and_its_error() -> None:
    """Answers and errors of calls are the asker's, a call's own TimeoutError too; the next call is made as before."""
    aside = Aside("aside-test")

    def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(ZeroDivisionError):
        aside.ask(lambda: 1 // 0, 5)
    with pytest.raises(TimeoutError, match="its own"):
        aside.ask(late, 5)
    assert aside.ask(lambda: 7, 5) == 7
    assert not aside.hangs


def test_a_call_that_hangs_is_left_behind() -> None:
    """TimeoutError; later calls fail at once; the last one is made when the hanging one comes back after all."""
    aside, release, ended = Aside("aside-test"), threading.Event(), threading.Event()
    with pytest.raises(TimeoutError, match="no answer within"):
        aside.ask(release.wait, 0.01)
    with pytest.raises(TimeoutError, match="earlier call"):
        aside.ask(lambda: 7, 60)
    aside.end(ended.set, 60)
    assert not ended.is_set()
    release.set()
    assert ended.wait(10)


def test_an_end_that_hangs_is_not_waited_for() -> None:
    """The asker goes on."""
    aside, release = Aside("aside-test"), threading.Event()
    aside.end(lambda: release.wait() and None, 0.01)
    assert aside.hangs
    release.set()
