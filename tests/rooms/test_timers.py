"""Timers: each fires once, in the order of time, stamped with its own time, however the ticks fall."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridhub.streams import timer_keys
from gridhub.streams.memory import MemoryState, Overlay
from gridhub.streams.road import chime, tick
from gridhub.streams.rooms import ring as ring_room
from gridhub.streams.rooms import timers
from gridhub.streams.rooms.ledger import Ledger
from gridhub.streams.rooms.timers import Timer
from gridhub.streams.sweep import DAY_MS, stamp

KINDS, SUBJECTS, TIMES = ("a", "ab"), ("x", "y|z"), st.integers(0, 12)
NAMES = st.tuples(st.sampled_from(KINDS), st.sampled_from(SUBJECTS))
ACTIONS = st.fixed_dictionaries(
    {}, optional={"then": st.tuples(NAMES, st.integers(1, 9)), "drops": NAMES}
)  # what a timer does: sets another one so much later, drops one
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, TIMES, ACTIONS), st.tuples(st.just("drop"), NAMES),
        st.tuples(st.just("ring"), st.integers(0, 12)), st.just(("batch",)),
    ),
    max_size=40,
)  # fmt: skip


def act(timer, desk):
    """What the tests' timers do: tell of themselves, and what their payload says."""
    desk.told.append({"outcome": "fired", "reason": "", "incident_id": f"{timer.kind}/{timer.subject}"})
    if "then" in timer.payload:
        (kind, subject), later = timer.payload["then"]
        timers.put(desk.ledger, kind, subject, desk.now_ms + later, {"by": timer.kind})
    if "drops" in timer.payload:
        timers.drop(desk.ledger, *timer.payload["drops"])


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    """The kinds of these tests, beside the hub's own."""
    monkeypatch.setattr(ring_room, "HANDLERS", ring_room.HANDLERS | dict.fromkeys(KINDS, act))


def put(state, *rows):
    """Set timers (kind, subject, due, payload) in one batch."""
    ledger = Ledger(state)
    for row in rows:
        timers.put(ledger, *row)
    state.apply(ledger.changes())


def fired(results):
    """(due time, kind, subject) of what fired, in order."""
    return [(timer.due_ms, timer.kind, timer.subject) for done in results for timer in done.fired]


class Model:
    """Timers as anybody would write them down: a dict, of which the earliest is taken."""

    def __init__(self):
        self.live, self.fired = {}, []

    def put(self, name, due, payload):
        self.live[name] = (due, payload)

    def ring(self, now):
        while due := [(at, *name) for name, (at, _) in self.live.items() if at <= now]:
            at, *name = min(due, key=lambda one: timer_keys.timer_key(*one))
            _, payload = self.live.pop(tuple(name))
            self.fired.append((at, *name))
            if "then" in payload:
                other, later = payload["then"]
                self.put(tuple(other), at + later, {"by": name[0]})
            if "drops" in payload:
                self.live.pop(tuple(payload["drops"]), None)


def played(steps, facts, most, *, tick_ms=1000):
    """The steps done by the rooms: batches of puts and drops, and rings of at most `most`, every `tick_ms` at least."""
    state, model, out, now = MemoryState(), Model(), [], 0
    ledger = Ledger(Overlay(state))
    for kind, *rest in steps:
        if kind == "put":
            name, due, payload = rest
            timers.put(ledger, *name, due, payload)
            model.put(name, due, orjson.loads(orjson.dumps(payload)))
        elif kind == "drop":
            timers.drop(ledger, *rest[0])
            model.live.pop(rest[0], None)
        else:
            state.apply(ledger.changes())
            if kind == "ring":
                until = now + rest[0]
                while now < until:
                    now = min(until, now + tick_ms)
                    out += rung(state, facts, now, most)
                out += rung(state, facts, now, most)
                model.ring(now)
            ledger = Ledger(state)
    state.apply(ledger.changes())
    return state, model, out


def rung(state, facts, now, most):
    """All that is due now, `most` at a time."""
    out = []
    while state.due(now, 1):
        out.append(tick(facts, now, state, most=most))
        state.apply(out[-1].changes)
    return out


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, most=st.sampled_from([1, 2, 3, 500]), tick_ms=st.sampled_from([1, 5, 1000]))
def test_any_interleaving_fires_each_live_timer_once_in_order(tools, steps, most, tick_ms):
    """Puts, drops and rings over batches, timers that set and drop others: what fires, and what is left, is as modelled."""
    state, model, out = played(steps, tools.facts, most, tick_ms=tick_ms)
    assert fired(out) == model.fired
    left = {timer_keys.named(key): timer_keys.due_ms_of(key) for key in state if key.startswith(timer_keys.PREFIX)}
    assert left == {name: due for name, (due, _) in model.live.items()}
    assert {key for key in state if key.startswith(b"d@|")} == {timers.mark_key(*name) for name in left}


@settings(max_examples=50, deadline=None)
@given(steps=STEPS)
def test_splitting_or_joining_ticks_changes_nothing(tools, steps):
    """One by one every millisecond, or all at once: the same decisions with the same times, the same state."""
    whole, pieces = (played(steps, tools.facts, most, tick_ms=ms) for most, ms in ((500, 1000), (1, 1)))
    assert whole[0] == pieces[0]
    assert [row for done in whole[2] for row in done.decisions] == [row for done in pieces[2] for row in done.decisions]


def test_a_timer_that_an_earlier_one_drops_does_not_fire(tools):
    """Though both are due in the same turn."""
    state = MemoryState()
    put(state, ("a", "x", 1, {"drops": ["ab", "x"]}), ("ab", "x", 2))
    assert fired(chime(tools.facts, 5, state)) == [(1, "a", "x")]
    assert state == {}


def test_a_timer_set_behind_those_that_were_looked_at_waits_its_turn(tools):
    """Two of three were looked at; the first drops the second and sets one behind the third: the third comes before it."""
    state = MemoryState()
    put(state, ("a", "x", 1, {"drops": ["a", "y"], "then": [["ab", "x"], 5]}), ("a", "y", 3), ("a", "z", 5))
    assert fired(rung(state, tools.facts, 9, 2)) == [(1, "a", "x"), (5, "a", "z"), (6, "ab", "x")]


def test_what_a_late_timer_causes_bears_its_own_time(tools):
    """Fired an hour late: the handler's clock and the journal's line stand at the timer's time."""
    state = MemoryState()
    put(state, ("a", "x", 1000, {}))
    (done,) = chime(tools.facts, 3_601_000, state)
    assert done.fired == [Timer("a", "x", 1000, {})]
    (row,) = done.decisions
    assert (row["decided_at"], row["room"], row["source"], row["event_id"]) == (1000, "ring", "hub", "a/x/1000")


def test_a_timer_that_is_set_again_replaces_the_first(tools):
    """Earlier or later, the payload is the newest; nothing fires at the old time."""
    state = MemoryState()
    put(state, ("a", "x", 10, {"by": "first"}), ("a", "y", 10))
    put(state, ("a", "x", 20, {"by": "second"}), ("a", "y", 5))
    (done,) = chime(tools.facts, 10, state)
    assert fired([done]) == [(5, "a", "y")]
    (done,) = chime(tools.facts, 20, state)
    assert done.fired == [Timer("a", "x", 20, {"by": "second"})]
    assert state == {}


def test_timers_of_a_batch_cost_one_question_when_they_are_fetched(tools):
    """`fetch` brings in what `put` and `drop` need."""
    state = MemoryState()
    put(state, ("a", "x", 10))
    ledger = Ledger(state)
    timers.fetch(ledger, [("a", "x"), ("a", "y")])
    assert (timers.due_at(ledger, "a", "x"), timers.due_at(ledger, "a", "y")) == (10, None)
    ledger._state = None  # asked no more
    timers.drop(ledger, "a", "x")
    timers.put(ledger, "a", "y", 3)
    assert timers.due_at(ledger, "a", "x") is None


def test_a_timer_left_behind_by_a_damaged_state_leaves_the_newer_one_alone(tools):
    """It rings rather than being lost; the one that has its name now keeps its time."""
    state = MemoryState({timer_keys.timer_key(5, "a", "x"): b"{}"})
    put(state, ("a", "x", 20))
    assert fired(chime(tools.facts, 10, state)) == [(5, "a", "x")]
    assert fired(chime(tools.facts, 20, state)) == [(20, "a", "x")]
    assert state == {}


def test_a_kind_with_the_mark_between_names_is_refused(tools):
    """`|` ends the kind in a key."""
    with pytest.raises(ValueError, match="kind of a timer"):
        timers.put(Ledger(MemoryState()), "a|b", "x", 1)


def test_a_timer_that_sets_itself_for_its_own_time_is_our_bug(tools, monkeypatch):
    """It would ring for ever: said at once."""
    monkeypatch.setitem(ring_room.HANDLERS, "a", lambda timer, desk: timers.put(desk.ledger, "a", "x", timer.due_ms))
    state = MemoryState()
    put(state, ("a", "x", 10))
    with pytest.raises(ValueError, match="set itself again"):
        tick(tools.facts, 10, state)


def test_a_timer_that_cannot_be_done_is_given_up_and_told(tools):
    """It is deleted, and the journal says why: the lane goes on."""
    state = MemoryState()
    put(state, ("of-a-later-version", "420202005-1", 10), ("a", "x", 20))
    done = ring_room.give_up(tools.facts, 30, state, KeyError("of-a-later-version"))
    state.apply(done.changes)
    (row,) = done.decisions
    assert (row["outcome"], row["area"], row["decided_at"]) == ("broken", "420202005", 10)
    assert "KeyError" in row["note"]
    assert fired(chime(tools.facts, 30, state)) == [(20, "a", "x")]
    assert state == {}


def test_parents_listed_by_an_earlier_version_become_timers(tools, world):
    """The old list goes, each of its entries is a timer, and those that are due ring at once."""
    world.state[b"d|parents"] = orjson.dumps([[10, "420202005", "p1"], [99, "420202006", "p1"]])
    done = tick(world.facts, 50, world.state)
    world.state.apply(done.changes)
    assert fired([done]) == [(10, "parent", "p1/420202005")]
    assert [key for key in world.state if key.startswith(b"d|")] == [timer_keys.timer_key(99, "parent", "p1/420202006")]


def test_nothing_sweeps_timers_away():
    """Neither of their keys has an age."""
    assert stamp(timer_keys.timer_key(1, "a", "x"), b"{}") is None
    assert stamp(timers.mark_key("a", "x"), b"1") is None


@given(
    below=st.dictionaries(TIMES, st.just(b"{}"), max_size=9), above=st.dictionaries(TIMES, st.sampled_from([b"1", None])),
    until=TIMES, limit=st.integers(0, 9),
)  # fmt: skip
def test_an_overlay_tells_what_will_be_due(below, above, until, limit):
    """As the state would once the pending changes are in it."""
    under, over = ({timer_keys.timer_key(at, "a", "x"): value for at, value in rows.items()} for rows in (below, above))
    state, after = MemoryState(under), MemoryState(under)
    after.apply(over)
    assert Overlay(state, over).due(until, limit) == after.due(until, limit)
    expected = [(key, value) for key, value in sorted(after.items()) if timer_keys.due_ms_of(key) <= until]
    assert after.due(until, limit) == expected[:limit]


def test_a_month_old_timer_is_still_there(tools):
    """A worker that was down for long loses none."""
    state = MemoryState()
    put(state, ("a", "x", 1))
    assert fired(chime(tools.facts, 60 * DAY_MS, state)) == [(1, "a", "x")]
