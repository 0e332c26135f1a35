"""The real worker as a process, with a real broker and registry: every department, every topic, every way to stop."""

from __future__ import annotations

import copy
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from gridhub import config, schemas
from gridhub.connectors.broker import Broker, free_port
from gridhub.connectors.simulator import City as SimulatedCity
from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Decoded
from gridhub.schemas.registry import connect, load_codec
from gridhub.streams import topics
from gridhub.streams.city import load as load_city
from gridhub.streams.cli import gridhub
from gridhub.streams.journal_check import check
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.coordinates import to_gcj02
from gridhub.streams.transport.murmur2 import partitions

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

GRIDHUB = str(Path(sys.executable).with_name("gridhub"))
EXAMPLES = Path(schemas.__path__[0]) / "examples"
PARTITIONS = 3
LIMIT_S = 90
BIG = 4_100_000  # bytes: what the broker takes, and more than the hub reads
DEPARTMENTS = {
    "PowerEvent": "power",
    "PoliceCall": "public-security",
    "WeatherWarning": "meteorology",
    "FoodDrugCase": "food-drug",
    "SocialSecurityNotice": "social-security",
    "FamilyPlanningVisit": "family-planning",
}
_numbers = itertools.count(1)


class Hub:
    """A broker, a registry and the topics; workers come and go."""

    def __init__(self, folder):
        self.folder = folder
        self.broker = Broker(folder, free_port(), free_port())
        self.env = os.environ | {
            "GRIDHUB_KAFKA": self.broker.bootstrap,
            "GRIDHUB_DATA_DIR": str(folder),
            "GRIDHUB_REGISTRY_PORT": str(free_port()),
            "GRIDHUB_METRICS_PORT": "0",
            "GRIDHUB_PARTITIONS": str(PARTITIONS),
            "GRIDHUB_MAX_AGE_DAYS": "100000",
            "GRIDHUB_FUTURE_TOLERANCE_S": "3000000000",
        }
        self.published = 0

    def open(self):
        """Start it all; the registry process."""
        self.broker.start()
        with (self.folder / "registry.log").open("wb") as log:
            registry = subprocess.Popen([GRIDHUB, "registry"], env=self.env, stdout=log, stderr=log)
        done = subprocess.run(
            [GRIDHUB, "provision"], env=self.env, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert done.returncode == 0, done.stderr
        self.codec = load_codec(
            connect(f"http://127.0.0.1:{self.env['GRIDHUB_REGISTRY_PORT']}"), catalogue(), (), topics.HUB_BYTES
        )
        self.producer = Producer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "partitioner": "murmur2_random",
                "message.max.bytes": 5_000_000,
                "enable.idempotence": True,  # a retry must not change the order of what is copied
                "log_level": 0,
            }
        )
        return registry

    @contextmanager
    def worker(self, name="w1"):
        """A worker process, killed at the end if it still runs."""
        with self.log(name).open("wb") as log:
            command = [GRIDHUB, "worker", "--name", name]
            process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def log(self, name="w1"):
        """What a worker said."""
        return self.folder / f"{name}.log"

    def publish(self, topic, value, key=b"k"):
        """Publish a message and wait until the broker has it."""
        errors = []
        self.producer.produce(topic, key=key, value=value, on_delivery=lambda error, _: errors.append(error))
        self.producer.flush(30)
        assert errors == [None]
        self.published += topic.startswith("dept.")

    def tell(self, code, record):
        """Publish a department's record; the bytes."""
        value = self.codec.encode(f"dept.{code}.events-value", record)
        self.publish(f"dept.{code}.events", value)
        return value

    def report(self, task_id, stage, actor):
        """Publish a step of a task, keyed by area, as a ticketing system does."""
        record = {
            "status_id": f"status-{next(_numbers)}", "task_id": task_id, "stage": stage, "actor": actor,
            "at": time.time_ns() // 1_000_000, "note": "", "sender": "tickets",
        }  # fmt: skip
        value = self.codec.encode("hub.status-gridhub.hub.TaskStatus", record)
        self.publish("hub.status", value, task_id.split("-")[0].encode())

    def messages(self, topic):
        """Committed messages of a topic up to its end, in order per partition."""
        settings = {"bootstrap.servers": self.broker.bootstrap, "group.id": "reader", "enable.partition.eof": True}
        consumer = Consumer(settings | {"enable.auto.commit": False, "log_level": 0})
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        found, ended, until = [], 0, time.monotonic() + LIMIT_S
        while ended < PARTITIONS and time.monotonic() < until:
            message = consumer.poll(1.0)
            if message is not None and message.error() is None:
                found.append(message)
            ended += message is not None and message.error() is not None
        consumer.close()
        assert ended == PARTITIONS
        return found

    def records(self, topic):
        """The decoded records of a topic."""
        found = self.codec.decode_many(message.value() for message in self.messages(topic))
        assert all(isinstance(row, Decoded) for row in found), found
        return [row.record for row in found]

    def until(self, condition):
        """The first true answer; fails when none comes in time."""
        end = time.monotonic() + LIMIT_S
        while not (answer := condition()):
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.2)
        return answer

    def settled(self):
        """Wait until every published event is located or refused, and every located one decided."""

        def all_there():
            located = len(self.records("hub.located"))
            refused = sum(row["source_topic"].startswith("dept.") for row in self.records("hub.quarantine"))
            decided = [row for row in self.records("hub.journal") if row["room"] == "deduplicate"]
            assert located + refused <= self.published
            return located + refused == self.published and len(decided) == located

        self.until(all_there)

    def decided(self, event_id):
        """What the journal says about an event in deduplicate, in order."""
        return [
            row for row in self.records("hub.journal") if row["event_id"] == event_id and row["room"] == "deduplicate"
        ]


@contextmanager
def opened(folder):
    """A hub that is closed at the end."""
    hub = Hub(folder)
    registry = None
    try:
        registry = hub.open()
        yield hub
    finally:
        if registry is not None:
            registry.terminate()
            registry.wait(20)
        hub.broker.stop()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """One hub for all tests of this module; they keep apart by the ids of their events."""
    with opened(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


def example(name, record="PowerEvent"):
    """An example record of a department."""
    return json.loads((EXAMPLES / record / f"{name}.json").read_text(encoding="utf-8"))


def outage():
    """An outage with an id that no other has; the id and the record."""
    record = copy.deepcopy(example("outage"))
    event_id = f"TD{next(_numbers):013d}"
    record["event"]["eventNo"] = event_id
    record["header"]["msgId"] = f"P-{event_id}"
    return event_id, record


def chains(records):
    """The journal's records by chain."""
    return {name: [row for row in records if row["chain"] == name] for name in {row["chain"] for row in records}}


def test_every_example_of_every_department_is_accounted_for(hub):
    """Each twice: located or refused with its original bytes; what came again is a duplicate; the chains hold."""
    values = []
    with hub.worker():
        for record, code in DEPARTMENTS.items():
            for path in sorted((EXAMPLES / record).glob("*.json")):
                values += [hub.tell(code, json.loads(path.read_text(encoding="utf-8"))) for _ in range(2)]
        hub.settled()
    located, refused = hub.records("hub.located"), hub.records("hub.quarantine")
    origins = {(row["origin_topic"], row["origin_partition"], row["origin_offset"]) for row in located}
    origins |= {(row["source_topic"], row["source_partition"], row["source_offset"]) for row in refused}
    lay = {
        (message.topic(), message.partition(), message.offset())
        for code in DEPARTMENTS.values()
        for message in hub.messages(f"dept.{code}.events")
    }
    assert lay <= origins
    assert {row["source"] for row in located} == set(DEPARTMENTS.values())
    ids = {row["event_id"] for row in located}
    assert ids <= {row["event_id"] for row in hub.records("hub.journal")}
    assert {row["value"] for row in refused if row["room"] in {"admit", "normalise"}} & set(values) or not refused
    for name, chain in chains(hub.records("hub.journal")).items():
        assert check(chain, int(name.rpartition("-")[2])) == []
        assert [row["seq"] for row in chain] == list(range(1, len(chain) + 1))


def test_conservation_of_what_was_decided(hub):
    """An outage told three times: opened or merged once, a duplicate twice; its tasks and incident are published."""
    event_id, record = outage()
    with hub.worker():
        for _ in range(3):
            hub.tell("power", record)
        hub.settled()
    outcomes = [row["outcome"] for row in hub.decided(event_id)]
    assert outcomes[0] in {"opened", "merged", "possible", "attached"}
    assert outcomes[1:] == ["duplicate", "duplicate"]
    incident_id = hub.decided(event_id)[0]["incident_id"]
    assert incident_id in {row["incident_id"] for row in hub.records("hub.incidents")}
    assert incident_id in {row["incident_id"] for row in hub.records("hub.tasks")}


def test_records_lie_where_their_keys_belong(hub):
    """Located events are keyed by area, incidents and tasks by id; a key's partition is the one of other clients."""
    with hub.worker():
        hub.tell("power", outage()[1])
        hub.settled()
    for topic, key in (("hub.located", "area"), ("hub.incidents", "incident_id"), ("hub.tasks", "task_id")):
        found = hub.messages(topic)
        keys = [message.key() for message in found]
        assert [message.partition() for message in found] == partitions(keys, PARTITIONS)
        assert [row[key].encode() for row in hub.records(topic)] == keys


def goes_on_behind(hub, value):
    """Publish these bytes and an outage behind them; the refusals of the bytes, when the outage was decided."""
    event_id, record = outage()
    with hub.worker() as worker:
        hub.publish("dept.power.events", value)
        offset = hub.messages("dept.power.events")[-1].offset()
        hub.tell("power", record)
        hub.settled()
        assert worker.poll() is None
    assert hub.decided(event_id)
    return [row for row in hub.records("hub.quarantine") if row["source_offset"] == offset and row["source"] == "power"]


@pytest.mark.parametrize(
    "value", [b"garbage", b"", b"\x00\x00\x00\x00\x01", b"\x00\x7f\xff\xff\xffx"],
    ids=["garbage", "empty", "cut", "unknown-schema"],
)  # fmt: skip
def test_what_cannot_be_read_is_quarantined_and_what_follows_is_not_held_up(hub, value):
    """The refusal has the original bytes; an event behind it goes its way."""
    refused = goes_on_behind(hub, value)
    assert value in [row["value"] for row in refused]
    assert {row["reason"] for row in refused} <= {"bad_bytes", "unknown_schema"}


@pytest.mark.parametrize("size", [1_048_576, BIG], ids=["as large as may be", "too large"])
def test_a_huge_message_does_not_stop_a_partition(tmp_path, size):
    """It is refused, also when the refusal is larger than a message may be; an event behind it goes its way."""
    with opened(tmp_path) as hub:
        assert {row["reason"] for row in goes_on_behind(hub, bytes(size))} <= {"unknown_schema", "too_large"}


def test_a_task_goes_from_dispatched_to_closed(hub):
    """Steps told on hub.status come out as versions of the task; closed by another, the incident is closed."""
    event_id, record = outage()
    record["event"]["occurTime"] -= 3 * 86_400_000  # far from the other tests' outages: an incident of its own
    with hub.worker():
        hub.tell("power", record)
        hub.settled()
        (decision,) = hub.decided(event_id)
        assert decision["outcome"] == "opened"

        def tasks():
            rows = [row for row in hub.records("hub.tasks") if row["incident_id"] == decision["incident_id"]]
            return {name: [row for row in rows if row["task_id"] == name] for name in {row["task_id"] for row in rows}}

        handlers = [name for name, versions in tasks().items() if versions[0]["action"] == "handle"]
        assert handlers
        for task_id in handlers:
            for stage in ("accepted", "handling", "reported"):
                hub.report(task_id, stage, "wang")
            hub.report(task_id, "checked", "wang")  # the handler may not
            hub.report(task_id, "checked", "li")
            hub.report(task_id, "closed", "li")
        hub.until(lambda: all(tasks()[name][-1]["stage"] == "closed" for name in handlers))
        steps = ["dispatched", "accepted", "handling", "reported", "checked", "closed"]
        assert [[row["stage"] for row in tasks()[name]][-6:] for name in handlers] == [steps] * len(handlers)
        versions = [[row["version"] for row in tasks()[name]] for name in handlers]
        assert versions == [list(range(1, len(row) + 1)) for row in versions]

    incidents = [row for row in hub.records("hub.incidents") if row["incident_id"] == decision["incident_id"]]
    assert incidents[-1]["state"] == "closed"
    refused = [row for row in hub.records("hub.quarantine") if row["room"] == "track"]
    assert "same_actor" in {row["reason"] for row in refused}
    told = explained(hub, event_id, "--lang", "zh")
    for part in (
        "收到原文：dept.power.events/",
        "由部门键确定，置信度 0.9975",
        "坐标（GCJ-02）指向",
        decision["incident_id"],
        "已结案",
    ):
        assert part in told
    steps = [json.loads(line) for line in explained(hub, event_id).splitlines()]
    assert [step["step"] for step in steps[:2]] == ["received", "located"]
    assert "no open incident of its kind is within reach" in next(
        step["en"] for step in steps if step["step"] == "decided"
    )


def explained(hub, event_id, *options):
    """What `gridhub explain` says about an event."""
    command = [GRIDHUB, "explain", event_id, *options]
    done = subprocess.run(command, env=hub.env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sigterm_stops_within_ten_seconds(hub):
    """While it works: exit code 0, and nothing of what it was doing is lost or doubled."""
    ids = []
    with hub.worker() as worker:
        for number in range(60):
            event_id, record = outage()
            hub.tell("power", record)
            ids.append(event_id)
            if number == 30:
                hub.until(lambda: b"lanes assigned" in hub.log().read_bytes())
                worker.terminate()
        assert worker.wait(10) == 0
    with hub.worker():
        hub.settled()
    found = [row["event_id"] for row in hub.records("hub.located")]
    assert sorted(event_id for event_id in found if event_id in ids) == sorted(ids)


def test_sigterm_stops_while_the_broker_is_away(hub):
    """Who cannot reach the broker can still be stopped, in time and with exit code 0."""
    with hub.worker("w-alone") as worker:
        hub.tell("power", outage()[1])
        hub.settled()
        hub.broker.stop()
        try:
            time.sleep(2)
            worker.terminate()
            assert worker.wait(20) == 0
        finally:
            hub.broker.start()


def test_a_second_worker_joins_and_leaves(hub):
    """Events flow all the time: each is located once and decided once as new."""
    ids = []

    def some():
        for _ in range(40):
            event_id, record = outage()
            hub.tell("power", record)
            ids.append(event_id)

    with hub.worker("w1"):
        some()
        with hub.worker("w2") as second:
            some()
            hub.until(lambda: b"lanes assigned" in hub.log("w2").read_bytes())
            some()
            second.terminate()
            assert second.wait(10) == 0
        some()
        hub.settled()
    for topic in ("hub.located", "hub.journal"):
        found = [row["event_id"] for row in hub.records(topic) if row.get("room", "deduplicate") == "deduplicate"]
        assert sorted(event_id for event_id in found if event_id in ids) == sorted(ids)


def test_a_deleted_state_folder_changes_nothing(hub):
    """The state comes back from its changelog: an event told again is known as a duplicate."""
    event_id, record = outage()
    with hub.worker("w-state") as worker:
        hub.tell("power", record)
        hub.settled()
        worker.terminate()
        assert worker.wait(10) == 0
    shutil.rmtree(hub.folder / "w-state" / "state")
    with hub.worker("w-state"):
        hub.tell("power", record)
        hub.settled()
    assert [row["outcome"] for row in hub.decided(event_id)][1:] == ["duplicate"]
    for name, chain in chains(hub.records("hub.journal")).items():
        assert check(chain, int(name.rpartition("-")[2])) == []


FIRST, SECOND = "420205003001001", "420205003001002"
HOUR_MS = 3_600_000


def at_grid(code, occurred_ms):
    """An outage at a point of a grid, known by nothing else; its id and the record."""
    event_id, record = outage()
    place = Catalogue.load().place(code)
    record["header"]["sendTime"] = record["event"]["occurTime"] = occurred_ms
    record["equipment"] = dict.fromkeys(record["equipment"], "")
    lon, lat = to_gcj02([place.lon], [place.lat])
    record["position"] = {"x": float(lon[0]), "y": float(lat[0]), "coordType": "GCJ02"}
    return event_id, record


def grids_of(hub, event_id):
    """Where hub.located says that an event is, and by which version of the grids."""
    (row,) = [row for row in hub.records("hub.located") if row["event_id"] == event_id]
    return row["grid_ids"], row["catalogue"]


def test_a_change_of_boundaries_counts_without_a_restart(hub, tmp_path):
    """Two grids exchange their codes while a worker runs: what occurred before stays, what occurs after moves."""
    folder = shutil.copytree(Path(config.__path__[0]) / "grids", tmp_path / "grids")
    path = folder / "grids.geojson"
    path.write_text(path.read_text().replace(FIRST, "#").replace(SECOND, FIRST).replace("#", SECOND))
    now_ms = time.time_ns() // 1_000_000
    since = datetime.fromtimestamp(now_ms / 1000 - 3600, UTC).isoformat(timespec="seconds")
    words = ["--actor", "tests", "--reason", "exchange", "--valid-from", since]
    with hub.worker() as process:
        hub.until(lambda: "lane opened" in hub.log().read_text())
        done = subprocess.run(
            [GRIDHUB, "grids", "load", str(folder), *words], env=hub.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        manifest = json.loads(done.stdout)
        hub.until(lambda: '"applied":true' in hub.log().read_text())
        before, record = at_grid(FIRST, now_ms - 2 * HOUR_MS)
        hub.tell("power", record)
        after, record = at_grid(FIRST, now_ms)
        hub.tell("power", record)
        hub.settled()
        assert process.poll() is None
    assert grids_of(hub, before) == ([FIRST], Catalogue.load().version)
    assert grids_of(hub, after) == ([SECOND], manifest["version"])


def beijing(seconds):
    """A moment so many seconds from now, with its offset."""
    return datetime.fromtimestamp(time.time() + seconds, tz=timezone(timedelta(hours=8))).replace(microsecond=0)


def warning(number, **changes):
    """A red rain warning for two districts, of the last minute."""
    record = copy.deepcopy(example("rain-orange", "WeatherWarning"))
    times = {"sent": beijing(-60).isoformat(), "onset": beijing(-60).isoformat(), "expires": beijing(7200).isoformat()}
    return record | times | {"identifier": f"42020041600000_parent_{number}"} | changes


def fallen_tree():
    """A call about a fallen tree in one of their streets, of now; the id and the record."""
    name = next(path.stem for path in sorted((EXAMPLES / "PoliceCall").glob("*.json")) if "lift" in path.stem)
    record = copy.deepcopy(example(name, "PoliceCall"))
    event_id = f"4202020051002026{next(_numbers):09d}"
    at = f"{beijing(0):%Y-%m-%d %H:%M:%S}"
    return event_id, record | {
        "jqbh": event_id, "jjsj": at, "fssj": at, "jqlb": {"lbdm": "050107", "lbmc": "树木倒伏"}, "jqdj": "4",
        "jyjq": "树木倒伏，影响出行。",
    }  # fmt: skip


def test_a_warning_reaches_its_streets_and_people_decide(hub):
    """A notice goes to the street's own lane: a fallen tree waits there until the warning ends; a command ends the tree's."""
    event_id, record = fallen_tree()
    with hub.worker():
        hub.tell("meteorology", warning(1))
        hub.settled()
        (parent,) = hub.decided("42020041600000_parent_1")
        hub.until(
            lambda: sum(row["event_id"].startswith(parent["incident_id"]) for row in hub.records("hub.journal")) >= 10
        )
        hub.tell("public-security", record)
        hub.settled()
        (child,) = hub.decided(event_id)
        assert (child["outcome"], child["parent_id"]) == ("attached", parent["incident_id"])
        name = child["incident_id"]
        assert name not in {row["incident_id"] for row in hub.records("hub.tasks")}
        hub.tell("meteorology", warning(2, msgType="Cancel", firstIdentifier="42020041600000_parent_1"))
        hub.until(lambda: name in {row["incident_id"] for row in hub.records("hub.tasks")})
        order_words = ["incident", "cancel", name, "--actor", "zhang", "--reason", "已清理"]
        done = CliRunner(env=hub.env).invoke(gridhub, order_words)
        assert done.exit_code == 0, done.output
        order = json.loads(done.stdout)["command_id"]
        hub.until(lambda: order in {row["event_id"] for row in hub.records("hub.journal")})
    (decision,) = [row for row in hub.records("hub.journal") if row["event_id"] == order]
    assert (decision["outcome"], decision["actor"], decision["note"]) == ("cancelled", "zhang", "已清理")
    for name, chain in chains(hub.records("hub.journal")).items():
        assert check(chain, int(name.rpartition("-")[2])) == []


def run(hub, *words):
    """A command of the hub's: exit code and the JSON objects on its stdout."""
    done = CliRunner(env=hub.env).invoke(gridhub, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def journal_of(hub, partition):
    """The journal's messages of a partition, in order."""
    return [message for message in hub.messages("hub.journal") if message.partition() == partition]


def copied(hub, messages, partition):
    """A new topic with these (key, value) in one partition, from offset 0 on."""
    topic = f"copy-{next(_numbers)}"
    admin = AdminClient({"bootstrap.servers": hub.broker.bootstrap, "log_level": 0})
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        future.result(30)
    for key, value in messages:
        hub.producer.produce(topic, key=key, value=value, partition=partition)
    hub.producer.flush(30)
    return topic


def verified(hub, topic, partition, *options):
    """Exit code, and what `journal verify` finds in a copy: (kind, offset)."""
    words = ("--topic", topic, "--partition", partition, "--no-state", *options)
    code, told = run(hub, "journal", "verify", *words)
    return code, [(finding["kind"], finding["offset"]) for row in told[:-1] for finding in row["findings"]]


def test_the_journal_holds_and_what_was_done_to_a_copy_is_found(hub, tmp_path):
    """Chains and state agree; one changed byte is told at its offset; an anchor shows that the end was cut off."""
    with hub.worker():
        for _ in range(5):
            hub.tell("power", outage()[1])
        hub.settled()
    code, told = run(hub, "journal", "verify")
    chains_found = {chain["chain"] for row in told[:-1] for chain in row["chains"]}
    assert (code, told[-1]["findings"], told[-1]["records"]) == (0, 0, len(hub.records("hub.journal")))
    assert {name.partition("-")[0] for name in chains_found} == {"inbound", "outbound"}
    partition = next(m.partition() for m in hub.messages("hub.journal") if b"deduplicate" in m.value())
    kept = [(message.key(), message.value()) for message in journal_of(hub, partition)]
    place = max(at for at, (_, value) in enumerate(kept) if b"deduplicate" in value)
    tampered = [
        (key, value.replace(b"deduplicate", b"deduplicatf") if at == place else value)
        for at, (key, value) in enumerate(kept)
    ]
    assert verified(hub, copied(hub, kept, partition), partition) == (0, [])
    assert verified(hub, copied(hub, tampered, partition), partition) == (1, [("changed", place)])
    (tmp_path / "key").write_bytes(b"k" * 32)
    signed = ("--key", tmp_path / "key")
    code, anchors = run(hub, "journal", "anchor", "--file", tmp_path / "anchors", *signed)
    assert (code, {anchor["chain"] for anchor in anchors}) == (0, chains_found)
    cut = copied(hub, kept[:-1], partition)
    assert verified(hub, cut, partition) == (0, [])
    code, found = verified(hub, cut, partition, "--anchors", tmp_path / "anchors", *signed)
    assert (code, [kind for kind, _ in found]) == (1, ["truncated"])


def ends(hub):
    """Where every partition of every topic ends, but for the broker's own notes: it writes those when it likes."""
    asking = Consumer({"bootstrap.servers": hub.broker.bootstrap, "group.id": "reader", "log_level": 0})
    found = {
        (name, number): asking.get_watermark_offsets(TopicPartition(name, number), timeout=30)[1]
        for name, topic in asking.list_topics(timeout=30).topics.items()
        if not name.startswith("__")
        for number in topic.partitions
    }
    asking.close()
    return found


def groups(hub):
    """The consumer groups that the broker knows."""
    listed = AdminClient({"bootstrap.servers": hub.broker.bootstrap}).list_consumer_groups().result(30)
    return {group.group_id for group in listed.valid}


def test_what_if_finds_no_difference_where_nothing_changes_and_sends_nothing(hub, tmp_path):
    """Two hundred simulated events: the same rules, then a stricter list; the cluster is as it was before."""
    city = load_city()
    simulated = SimulatedCity(city.catalogue, city.departments, 7, categories=city.categories)
    from_ms = time.time_ns() // 1_000_000
    with hub.worker():
        for message in simulated.generate(200, 7, from_ms):
            hub.publish(message.topic, message.encoded(hub.codec), message.key)
        hub.settled()
    before, known, since = ends(hub), groups(hub), datetime.fromtimestamp(from_ms / 1000, tz=UTC).isoformat()
    for name in ("routing.yaml", "admissions.yaml"):
        (tmp_path / name).write_bytes((files("gridhub.config") / name).read_bytes())
    code, (told,) = run(hub, "whatif", "--config", tmp_path, "--from", since, "--json")
    assert (code, told["differences"], told["changed"], told["replayed_from"]) == (0, 0, [], "departments")
    assert told["tasks"]["live"] == told["tasks"]["proposed"] > 200
    assert told["reality"]["agree"] > 0.9 * told["outcomes"]["opened"]["live"]
    rules = yaml.safe_load((tmp_path / "admissions.yaml").read_text("utf-8"))
    rules["rules"] = [rule for rule in rules["rules"] if rule["department"] != "power"]
    (tmp_path / "admissions.yaml").write_text(yaml.safe_dump(rules, allow_unicode=True), "utf-8")
    code, (told,) = run(hub, "whatif", "--config", tmp_path / "admissions.yaml", "--from", since, "--json")
    refused = told["outcomes"]["refused by admit: not_admitted"]
    assert (code, refused["proposed"] > refused["live"] + 10) == (0, True)
    assert told["tasks"]["only_live"] > told["tasks"]["only_proposed"]
    assert ends(hub) == before
    assert groups(hub) <= known
