"""What-if in memory: two sides on the hub's own road; no difference where nothing changes, the right ones where it does."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.resources import files
from itertools import chain
from pathlib import Path

import pytest
import yaml

from gridhub.connectors.simulator import City as SimulatedCity
from gridhub.connectors.simulator.ticketing import chosen, statuses
from gridhub.schemas.registry import local_codec
from gridhub.streams import city as city_data
from gridhub.streams import messages, road, topics, whatif
from gridhub.streams.journal import Chain
from gridhub.streams.memory import MemoryState
from gridhub.streams.messages import SUBJECTS, Origin
from gridhub.streams.settings import Settings
from gridhub.streams.whatif.disk import disk_states
from gridhub.streams.whatif.proposal import ProposalError, known_names, propose
from gridhub.streams.whatif.reality import Reality
from gridhub.streams.whatif.replay import Replay, Result
from gridhub.streams.whatif.side import NO_REPORTS, Facts, Side
from gridhub.streams.whatif.steps import reports_of, steps
from gridhub.streams.whatif.told import lines, to_json

NOW_MS = 1_795_410_000_000  # 2026-11-23T13:00:00+08:00
FEW, MANY = 300, 2000
SPAN_MS = 3_600_000
END_MS = NOW_MS + 2 * SPAN_MS
CONFIG = files("gridhub.config")


class Past:
    """What Kafka would keep of a day: departments' messages, located events, reports, and the journal of a hub."""

    def __init__(self, events):
        self.events, self.gap_ms = events, SPAN_MS // events
        self.codec, self.city, self.settings = local_codec(), city_data.load(), Settings()
        simulated = SimulatedCity(self.city.catalogue, self.city.departments, 3, categories=self.city.categories)
        made = list(simulated.generate(events, 3, NOW_MS))
        self.told = [
            Origin(m.topic, 0, at, NOW_MS + at * self.gap_ms, m.key, m.encoded(self.codec)) for at, m in enumerate(made)
        ]
        self.located = list(self._located())
        self.reports, self.journal = [], []
        self._lived()

    def _located(self):
        facts = city_data.inbound_facts(self.city, self.settings, self.codec.decode_many)
        names = self.codec.fields(SUBJECTS["LocatedEvent"])
        for first in range(0, self.events, 500):
            part = self.told[first : first + 500]
            result = road.inbound(messages.raw_table(part), facts, part[-1].timestamp_ms)
            columns = messages.located_columns(result.located, result.raw, names)
            values = self.codec.encode_columns(SUBJECTS["LocatedEvent"], columns)
            for row, value in zip(result.located.column("row").to_pylist(), values, strict=True):
                yield Origin(topics.LOCATED.name, 0, first + row, part[row].timestamp_ms, b"", value)

    def _lived(self):
        """A first life of the hub: half of the tasks were worked off, and what was decided was written down."""
        side = Side(self.facts(self.city), MemoryState())
        for step in steps(iter([self.located])):
            happened = side.take([], messages.read_located(step.events, self.codec).table, NO_REPORTS, step.at_ms)
            done = [t for t in happened.tasks if t["action"] == "handle" and chosen(t["incident_id"], 50)]
            for status in chain.from_iterable(statuses(task, step.at_ms) for task in done):
                value = self.codec.encode(SUBJECTS["TaskStatus"], status)
                at_ms = step.at_ms + 60_000
                self.reports.append(Origin(topics.STATUS.name, 0, len(self.reports), at_ms, b"", value))
        side, chained = Side(self.facts(self.city), MemoryState()), Chain("outbound-0", MemoryState())
        for step in steps(iter([in_order(self.located, self.reports)])):
            located = messages.read_located(step.events, self.codec).table
            happened = side.take([], located, reports_of(step.reports, self.codec), step.at_ms)
            own = [row for row in happened.decisions if row["room"] in {"deduplicate", "dispatch"}]
            decisions = messages.decision_records(own, step.events)
            for value in self.codec.encode_rows(SUBJECTS["Decision"], chained.extend(decisions)):
                self.journal.append(Origin(topics.JOURNAL.name, 0, len(self.journal), step.at_ms + 5, b"", value))

    def facts(self, city, *, inbound=False):
        """What the rooms of a side know."""
        admitting = city_data.inbound_facts(city, self.settings, self.codec.decode_many) if inbound else None
        return Facts(city_data.outbound_facts(city, self.settings), admitting)

    def replay(self, proposal, states=None, from_ms=NOW_MS, *, reality=False):
        """The result of a what-if over this past, as JSON."""
        live, proposed = (
            Side(self.facts(city, inbound=proposal.inbound), state)
            for city, state in zip(
                (proposal.live, proposal.proposed), states or (MemoryState(), MemoryState()), strict=True
            )
        )
        kept = in_order(self.told if proposal.inbound else self.located, self.reports, self.journal)
        before = [origin for origin in kept if origin.timestamp_ms < from_ms]
        since = [origin for origin in kept if origin.timestamp_ms >= from_ms]
        result = Result(from_ms, END_MS)
        if reality:
            result.reality = Reality(self.codec, proposal.live.rules, {})
        parts = chain(steps(iter([before])), steps(iter([since])))
        Replay(live, proposed, self.codec, result).run(parts)
        return to_json(result, proposal, result.reality.report(live.state) if reality else None)


def in_order(*many):
    """Records of several topics in the order of time."""
    return sorted(chain(*many), key=lambda origin: origin.timestamp_ms)


@pytest.fixture(scope="module")
def past():
    """One past for all tests; nobody changes it."""
    return Past(FEW)


@pytest.fixture
def changed(tmp_path):
    """Write a bundled file with a change into a folder of its own; the proposal that it makes."""

    def make(name, change=lambda text: text, given=None):
        file = tmp_path / (given or name)
        file.write_text(change((CONFIG / name).read_text("utf-8")), "utf-8")
        return propose(None, file, [], NOW_MS)

    return make


def test_thousands_of_events_make_no_difference_under_the_same_rules(changed):
    """Two thousand events, their reports and timers: the same on both sides, and as the first life of the hub had it."""
    past = Past(MANY)
    told = past.replay(changed("routing.yaml"), reality=True)
    assert (told["differences"], told["events"]) == (0, len(past.located))
    assert told["tasks"]["live"] == told["tasks"]["proposed"] > MANY
    assert (told["reality"]["agree"], told["reality"]["differ"]) == (len(past.located), 0)


@pytest.mark.parametrize("name", ["admissions.yaml", "matching.yaml", "clocks.yaml"])
def test_the_same_file_makes_no_difference(past, changed, name):
    """Both sides did the same to the last task, timer and decision; and the live side did what the hub had done."""
    told = past.replay(changed(name), reality=True)
    assert (told["differences"], told["changed"], told["examples"]) == (0, [], [])
    assert told["tasks"]["live"] == told["tasks"]["proposed"] > FEW
    assert told["late"]["escalated"]["live"] > 0
    assert told["events"] == (FEW if name == "admissions.yaml" else len(past.located))
    assert told["reports"] == len(past.reports) > 100
    assert told["reality"]["agree"] > 0.95 * len(past.located)
    assert any("No difference" in line for line in lines(told))


def test_a_withdrawn_approval_refuses_what_it_admitted(past, changed):
    """Events of that rule alone are refused, their tasks are gone, and nobody gets a new one."""

    def without(text):
        rules = yaml.safe_load(text)
        rules["rules"] = [rule for rule in rules["rules"] if rule["id"] != "HSZR-SB-01"]
        return yaml.safe_dump(rules, allow_unicode=True)

    told = past.replay(changed("admissions.yaml", without))
    assert told["replayed_from"] == "departments"
    assert {change["proposed"] for change in told["changed"]} == {"refused by admit: not_admitted"}
    assert {example["source"] for example in told["examples"]} == {"social-security"}
    refused = told["outcomes"]["refused by admit: not_admitted"]
    assert refused["proposed"] - refused["live"] == sum(change["events"] for change in told["changed"]) > 3
    assert told["tasks"]["only_live"] > 3
    assert told["tasks"]["only_proposed"] == 0
    assert all(row["proposed"] < row["live"] for row in told["tasks"]["recipients"])


def test_another_recipient_takes_the_tasks_over(past, changed):
    """What grid members handled the stations handle; whom nobody reports for stays open, so a later event may join."""
    told = past.replay(
        changed(
            "routing.yaml", lambda text: text.replace("grid_member, action: handle", "grid_station, action: handle")
        )
    )
    gone = [row for row in told["tasks"]["recipients"] if row["recipient"].startswith("grid_member:")]
    assert gone
    assert all(row["proposed"] < row["live"] for row in gone)
    assert sum(change["events"] for change in told["changed"]) < 0.02 * told["events"]
    assert any("grid_station:" in line and "→" in line for line in lines(told))


def test_a_higher_threshold_merges_less(past, changed):
    """Fewer events join, more are left to a person or open their own incident; the numbers add up."""
    told = past.replay(changed("matching.yaml", lambda text: text.replace("merge: 0.66", "merge: 0.85")))
    outcomes = told["outcomes"]
    assert outcomes["merged"]["proposed"] < outcomes["merged"]["live"]
    assert outcomes["opened"]["proposed"] > outcomes["opened"]["live"]
    assert sum(pair["live"] for pair in outcomes.values()) == sum(pair["proposed"] for pair in outcomes.values())
    assert told["tasks"]["proposed"] > told["tasks"]["live"]


def test_longer_limits_breach_later(past, changed):
    """The same tasks with other limits: their reminders and breaches come at other times, or not at all."""

    def longer(text):
        return text.replace(
            "accept:    {time: natural, remind_min", "accept:    {time: natural, minutes: 600, remind_min"
        )

    told = past.replay(changed("clocks.yaml", longer))
    assert told["tasks"]["other_limits"] > 100
    assert told["late"]["escalated"]["proposed"] < told["late"]["escalated"]["live"]
    assert told["changed"] == []


def test_what_came_before_fills_the_state_and_is_not_compared(past, changed):
    """Events before --from are not counted, but what they opened is there to be joined."""
    half = NOW_MS + SPAN_MS // 2
    proposal = changed("matching.yaml", lambda text: text.replace("merge: 0.66", "merge: 0.85"))
    whole, part = past.replay(proposal), past.replay(proposal, from_ms=half)
    assert part["events"] + part["reports"] + part["warmed_up_with"] == whole["events"] + whole["reports"]
    assert 0 < part["outcomes"]["merged"]["live"] < whole["outcomes"]["merged"]["live"]
    assert part["differences"] < whole["differences"]


def test_states_on_the_disk_say_the_same(past, changed):
    """RocksDB in place of the dict changes no number."""
    proposal = changed("routing.yaml", lambda text: text.replace("max_fanout: 60", "max_fanout: 61"))
    with disk_states(16) as states:
        disk = past.replay(proposal, states)
    memory = past.replay(proposal)
    skipped = {"cpu_seconds", "events_per_second"}
    assert {k: v for k, v in disk.items() if k not in skipped} == {k: v for k, v in memory.items() if k not in skipped}


def test_reality_says_why_it_differs(past, changed):
    """A journal that other rules wrote, one that ends early, and one that begins later are told apart."""
    proposal = changed("matching.yaml", lambda text: text.replace("merge: 0.66", "merge: 0.85"))
    other = propose(None, Path(str(CONFIG / "routing.yaml")), [], NOW_MS)
    other = type(other)(proposal.proposed, proposal.proposed, ("matching.yaml",))
    told = past.replay(other, reality=True)["reality"]
    assert told["why"]["other_rules"]["events"] > 0
    assert any(version.startswith("matching ") for version in told["versions"])
    kept = past.journal
    try:
        past.journal = kept[: len(kept) // 2]
        told = past.replay(changed("routing.yaml"), reality=True)["reality"]
    finally:
        past.journal = kept
    assert set(told["why"]) == {"not_decided"}
    assert told["agree"] + told["differ"] == len(past.located)


def test_a_folder_holds_only_what_is_to_change(tmp_path):
    """Several files at once; what is none of the city's is refused with the names that there are."""
    (tmp_path / "routing.yaml").write_bytes((CONFIG / "routing.yaml").read_bytes())
    (tmp_path / "matching.yaml").write_bytes((CONFIG / "matching.yaml").read_bytes())
    found = propose(None, tmp_path, [], NOW_MS)
    assert (found.names, found.inbound) == (("matching.yaml", "routing.yaml"), False)
    assert found.live.rules == found.proposed.rules
    (tmp_path / "rooting.yaml").write_text("", "utf-8")
    with pytest.raises(ProposalError, match=r"rooting\.yaml, which is none of"):
        propose(None, tmp_path, [], NOW_MS)
    with pytest.raises(ProposalError, match="named like none"):
        propose(None, tmp_path / "rooting.yaml", [], NOW_MS)
    assert {"routing.yaml", "admissions.yaml", "matching.yaml", "clocks.yaml", "departments"} <= set(known_names())


def test_a_wrong_file_is_told_and_nothing_is_replayed(changed):
    """The same sentence as at a worker's start."""
    with pytest.raises(city_data.CityError, match="merge"):
        changed("matching.yaml", lambda text: text.replace("merge: 0.66", "merge: 66"), given="matching-new.yaml")


def test_what_operators_published_is_live_and_gives_way_to_a_proposed_file(tmp_path):
    """A published routing.yaml is in force on the live side; the proposed one takes its place, approvals stay."""
    published = (CONFIG / "routing.yaml").read_bytes().replace(b'version: "2026-11"', b'version: "published"')
    (tmp_path / "routing.yaml").write_bytes((CONFIG / "routing.yaml").read_bytes())
    found = propose(None, tmp_path, [(topics.CONFIG.name, b"routing.yaml/1", published)], NOW_MS)
    assert found.live.rules["routing"].startswith("published")
    assert found.proposed.rules["routing"].startswith("2026-11")


def test_there_is_nothing_in_it_that_could_send():
    """No module of the package names a producer or imports one; a fresh interpreter that loads the command has none."""
    sources = sorted(Path(whatif.__path__[0]).glob("*.py"))
    assert sources
    for source in [*sources, Path(whatif.__path__[0]).parent / "kept.py"]:
        tree = ast.parse(source.read_text("utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not {name for name in names if "roducer" in name or name in {"produce", "send", "commit"}}, source
    code = (
        "import sys, gc, gridhub.streams.whatif.cli\n"
        "from aiokafka import AIOKafkaProducer\nfrom kafka import KafkaProducer\nfrom confluent_kafka import Producer\n"
        "kinds = (AIOKafkaProducer, KafkaProducer, Producer)\n"
        "sys.exit(sum(isinstance(one, kinds) for one in gc.get_objects()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
