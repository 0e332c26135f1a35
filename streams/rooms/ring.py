"""ring: do what falls due, in the order of time, each once."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from gridhub.streams import timer_keys
from gridhub.streams.rooms import clocks, escalation, grouping, holding, notices, progress, standing, timers
from gridhub.streams.rooms.desk import Desk
from gridhub.streams.rooms.ledger import Ledger, task_key
from gridhub.streams.rooms.outbound import OutboundFacts, Row, Tracked
from gridhub.streams.rooms.timers import Timer

if TYPE_CHECKING:
    from gridhub.streams.memory import State

Handler = Callable[[Timer, Desk], None]
"""Acts on one timer. The desk's clock stands at the timer's time, and the timer itself is gone already."""

HANDLERS: dict[str, Handler] = {
    standing.TIMER: notices.over,
    grouping.TIMER: grouping.flush,
    holding.TIMER: holding.over,
    clocks.REMIND: escalation.remind,
    **dict.fromkeys((clocks.ACCEPT, clocks.FINISH, clocks.CHECK, clocks.ARBITRATE), escalation.raise_up),
    clocks.PAUSE: escalation.end_of_pause,
}
"""What each kind of timer does. A kind that is not here breaks: see `give_up`."""

MOST_TIMERS = 500  # of one transaction: a worker that was away for long must not stop its event loop for long
BROKEN = "broken"


def ring(facts: OutboundFacts, now_ms: int, state: State, most: int = MOST_TIMERS) -> Tracked:
    """Let each timer that is due at `now_ms` act, at most `most`; a timer that another one sets takes its turn too.

    What a timer causes is stamped with the timer's own time, so a late one writes the same as one in time. Whether
    timers ring together or one by one changes nothing. Nothing is written: `changes` is for the caller, together with
    the output.
    """
    ledger = Ledger(state)
    standing.bring_over(ledger)
    found = state.due(now_ms, most)
    for key, value in found:
        ledger.know(key, value)
    names = [timer_keys.named(key) for key, _ in found]
    # with one call of the state; most timers are those of tasks, for another subject there is none
    ledger.fetch([*(timers.mark_key(*name) for name in names), *(task_key(subject) for _, subject in names)])
    desk = Desk(facts, now_ms, state, ledger, {})
    # timers behind the last one found may be in the state only: new ones behind it wait for the next turn
    end = found[-1][0] if len(found) == most else timer_keys.behind(now_ms)
    waiting = [key for key, _ in found] + [key for key in ledger.timers if key < end]
    heapify(waiting)
    fired: list[Timer] = []
    decisions: list[Row] = []
    while waiting and len(fired) < most:
        key, known = heappop(waiting), len(ledger.timers)
        if ledger.get(key) is None:
            continue  # dropped by another one, or set twice
        fired.append(Timer.of(key, ledger.get(key)))
        decisions += _fire(fired[-1], desk)
        for new in ledger.timers[known:]:
            if new < end:
                heappush(waiting, new)
    return _result(desk, fired, decisions)


def give_up(facts: OutboundFacts, now_ms: int, state: State, why: Exception) -> Tracked:
    """Delete the first timer that is due without doing what it asks: nothing of our rules could be done. The journal tells."""
    (key, value), *_ = state.due(now_ms, 1)
    desk = Desk(facts, now_ms, state, Ledger(state), {})
    desk.ledger.know(key, value)
    timer = Timer.of(key, desk.ledger.get(key))
    _delete(timer, desk)
    told = {"outcome": BROKEN, "reason": BROKEN, "note": f"{type(why).__name__}: {why}"[: progress.MOST_NOTE]}
    return _result(desk, [timer], [_decision(timer, desk.at(timer.due_ms), told)])


def _fire(timer: Timer, desk: Desk) -> list[Row]:
    """Let one timer act; the lines of the journal that tell of it. ValueError where it sets itself for the same time."""
    _delete(timer, desk)
    told_before, then = len(desk.told), desk.at(timer.due_ms)
    HANDLERS[timer.kind](timer, then)
    if desk.ledger.get(timer.key) is not None:
        raise ValueError(f"The timer {timer.kind} of {timer.subject} set itself again for the time at which it fired.")
    return [_decision(timer, then, told) for told in desk.told[told_before:]]


def _delete(timer: Timer, desk: Desk) -> None:
    if timers.due_at(desk.ledger, timer.kind, timer.subject) == timer.due_ms:  # else another one has its name now
        timers.drop(desk.ledger, timer.kind, timer.subject)
    desk.ledger.put(timer.key, None)


def _result(desk: Desk, fired: list[Timer], decisions: list[Row]) -> Tracked:
    return Tracked(
        task_rows=desk.tasks,
        incident_rows=desk.incidents,
        changes={**desk.raw, **desk.ledger.changes()},
        decisions=decisions,
        notices=desk.notices,
        opened=desk.opened,
        ended=desk.ended,
        fired=fired,
    )


def _decision(timer: Timer, desk: Desk, told: Row) -> Row:
    """A line of the journal; what `told` does not say is the timer's own. No message caused it: its row is -1."""
    subject = told.get("incident_id") or timer.subject
    return {
        "row": -1,
        "source": "hub",
        "event_id": f"{timer.kind}/{timer.subject}/{timer.due_ms}",
        "area": subject.partition("-")[0],
        "room": "ring",
        "incident_id": "",
        "task_ids": [],
        "score": {},
        "rules": desk.facts.rules,
        "decided_at": desk.now_ms,
        "parent_id": "",
        "actor": "",
        "note": "",
        **told,
    }
