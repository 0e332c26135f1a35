"""The closed table, what is made of it, and its page."""

from __future__ import annotations

import socket
import urllib.request
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from gridhub.streams.batch_histogram import BatchHistogram
from gridhub.streams.metrics import Metrics
from gridhub.streams.metrics_page import MetricsPortError, serve
from gridhub.streams.records import LOCATED, Reason, table
from gridhub.streams.series import ROOM_REASONS, SERIES, SINK_SERIES, TABLE, UNKNOWN, Series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.samples import Sample

LABELS = {
    "department", "room", "reason", "method", "district", "matter_group", "severity", "action", "role", "stage",
    "result", "topic", "partition", "version", "worker", "python", "rule", "target", "fate", "kind",
}  # fmt: skip


@pytest.fixture
def registry() -> CollectorRegistry:
    """An empty registry."""
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    """The series of a worker with two departments."""
    return Metrics(registry, ["power", "meteorology"], matter_groups=["fire"], districts=["420202"], roles=["station"])


def samples(registry: CollectorRegistry) -> Iterator[Sample]:
    """Every sample of the registry."""
    for family in registry.collect():
        yield from family.samples


def test_the_registry_holds_exactly_the_table(registry: CollectorRegistry, metrics: Metrics) -> None:
    """Every line of the table that is a worker's is made, and nothing else but the process's own series."""
    made = {family.name: family for family in registry.collect()}
    own = {name for name in made if not name.startswith("process_")}
    workers = [series for series in SERIES if series not in SINK_SERIES]
    assert own == {series.name.removesuffix("_total") for series in workers}
    for series in workers:
        family = made[series.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (series.kind, series.help)


def test_label_names_come_from_the_table(registry: CollectorRegistry, metrics: Metrics) -> None:
    """Each sample carries the labels of its line (and le for a bucket), so no label can grow without a bound."""
    for sample in samples(registry):
        if sample.name.startswith("gridhub_"):
            stem = sample.name
            for suffix in ("_bucket", "_sum", "_count", "_created"):
                stem = stem.removesuffix(suffix)
            series = TABLE.get(stem) or TABLE[f"{stem}_total"]
            assert set(sample.labels) - {"le"} == set(series.labels)


@pytest.mark.parametrize("series", SERIES, ids=lambda series: series.name)
def test_names_follow_the_prometheus_rules(series: Series) -> None:
    """gridhub_ first, base units last, _total on counters only, labels from the known low-cardinality set."""
    line = TABLE[series.name]
    assert line.name.startswith("gridhub_")
    assert line.name.endswith("_total") == (line.kind == "counter")
    assert line.name.endswith("_seconds") == (line.unit.startswith("seconds"))
    assert set(line.labels) <= LABELS
    assert bool(line.buckets) == (line.kind == "histogram")
    assert list(line.buckets) == sorted(set(line.buckets))


def test_failures_exist_before_the_first_one(registry: CollectorRegistry, metrics: Metrics) -> None:
    """Every department has a zero for each reason that the inbound rooms can give."""
    zeros = {
        (one.labels["department"], one.labels["room"], one.labels["reason"])
        for one in samples(registry)
        if one.name == "gridhub_refused_total" and one.value == 0
    }
    for room in ("admit", "normalise"):
        for department in ("power", "meteorology", UNKNOWN):
            assert {(department, room, str(reason)) for reason in ROOM_REASONS[room]} <= zeros


def test_every_reason_belongs_to_a_room() -> None:
    """Only a duplicate is no refusal: it has a counter of its own."""
    assert {reason for reasons in ROOM_REASONS.values() for reason in reasons} == set(Reason) - {Reason.DUPLICATE}


def test_rows_are_counted_by_their_columns(registry: CollectorRegistry, metrics: Metrics) -> None:
    """Each row counts once; the area becomes its district; a source that nobody knows becomes `unknown`."""
    rows: list[dict[str, object]] = [{"source": "power", "method": "code", "area": "420202005"}] * 3
    rows += [{"source": "'); drop", "method": "code", "area": "420202005"}, {"source": None, "area": ""}]
    metrics.count_rows(metrics.located, table(LOCATED, rows), ["source", "method", "area"])
    labels = {"department": "power", "method": "code", "district": "420202"}
    assert registry.get_sample_value("gridhub_located_total", labels) == 3
    labels["department"] = UNKNOWN
    assert registry.get_sample_value("gridhub_located_total", labels) == 1
    labels = {"department": UNKNOWN, "method": UNKNOWN, "district": UNKNOWN}
    assert registry.get_sample_value("gridhub_located_total", labels) == 1
    metrics.count_rows(metrics.located, table(LOCATED, []), ["source", "method", "area"])
    assert sum(one.value for one in samples(registry) if one.name == "gridhub_located_total") == 5


@given(batches=st.lists(st.lists(st.floats(0, 100), max_size=30), max_size=5))
def test_batch_histogram_equals_the_librarys(batches: list[list[float]]) -> None:
    """Observing arrays gives the very page that observing each value gives."""
    series = TABLE["gridhub_end_to_end_seconds"]
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = BatchHistogram(series, ours, ["power"])
    single = Histogram(series.name, series.help, series.labels, registry=theirs, buckets=series.buckets)
    single.labels("power")
    for batch in batches:
        histogram.observe_many("power", np.asarray(batch))
        for value in batch:
            single.labels("power").observe(value)
    expected = {(one.name, one.labels.get("le", "")): one.value for one in samples(theirs)}
    found = {(one.name, one.labels.get("le", "")): one.value for one in samples(ours)}
    expected.pop((f"{series.name}_created", ""), None)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected)


def test_end_to_end_is_kept_by_department(registry: CollectorRegistry, metrics: Metrics) -> None:
    """Milliseconds become seconds; a broker clock ahead of ours counts as zero, not as a negative time."""
    metrics.observe_end_to_end(["power", "power", "meteorology"], np.array([1000, 4000, 9000]), 5000)
    name = "gridhub_end_to_end_seconds"
    assert registry.get_sample_value(f"{name}_sum", {"department": "power"}) == 5.0
    assert registry.get_sample_value(f"{name}_count", {"department": "power"}) == 2
    assert registry.get_sample_value(f"{name}_sum", {"department": "meteorology"}) == 0.0


def test_the_newest_event_never_goes_back(registry: CollectorRegistry, metrics: Metrics) -> None:
    """An older event leaves the time alone; an unknown source has none."""
    for source, broker_ms in (("power", 5000), ("power", 3000), ("nobody", 9000)):
        metrics.newest_event(source, broker_ms)
    name = "gridhub_last_event_timestamp_seconds"
    assert [(one.labels, one.value) for one in samples(registry) if one.name == name] == [({"department": "power"}, 5)]


def test_a_lanes_age_is_asked_at_each_scrape(registry: CollectorRegistry, metrics: Metrics) -> None:
    """The age grows from scrape to scrape though the worker does nothing, falls with progress, is gone with the lane."""
    now = [100.0]
    metrics.clock = lambda: now[0]
    labels = {"stage": "outbound", "partition": "3"}
    ages = []
    metrics.progress("outbound", 3)
    for seconds in (0.0, 30.0, 40.0):
        now[0] += seconds
        ages.append(registry.get_sample_value("gridhub_commit_age_seconds", labels))
    metrics.progress("outbound", 3)
    ages.append(registry.get_sample_value("gridhub_commit_age_seconds", labels))
    assert ages == [0.0, 30.0, 70.0, 0.0]
    metrics.forget_lane("outbound", 3, [])
    assert registry.get_sample_value("gridhub_commit_age_seconds", labels) is None
    metrics.progress("outbound", 3)
    assert registry.get_sample_value("gridhub_commit_age_seconds", labels) == 0.0


def test_a_lost_lane_takes_its_series_with_it(registry: CollectorRegistry, metrics: Metrics) -> None:
    """Lag and state of the lost partition go; those of another stay; forgetting twice is harmless."""
    for partition in ("0", "1"):
        metrics.lag_events.labels("hub.located", partition).set(5)
        metrics.state_keys.labels(partition).set(5)
        metrics.incidents_open.labels(partition, "420202").set(5)
    metrics.forget_lane("outbound", 0, ["hub.located"])
    metrics.forget_lane("outbound", 0, ["hub.located"])
    for name in ("gridhub_lag_events", "gridhub_state_keys", "gridhub_incidents_open"):
        assert [one.labels["partition"] for one in samples(registry) if one.name == name] == ["1"]


def test_the_page_is_served_and_a_taken_port_is_said(registry: CollectorRegistry, metrics: Metrics) -> None:
    """The page holds the series; a second one on the same port names the setting to change."""
    metrics.introduce("worker-1")
    server, thread = serve(registry, "127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as page:
            text = page.read().decode()
        assert 'gridhub_worker_info{version="' in text
        assert "process_resident_memory_bytes" in text
        assert "_created" not in text
        with pytest.raises(MetricsPortError, match="GRIDHUB_METRICS_PORT"):
            serve(registry, "127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_foreign_address_is_said(registry: CollectorRegistry) -> None:
    """An address that is not of this machine names the setting to change."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(MetricsPortError, match="GRIDHUB_METRICS_HOST"):
        serve(registry, "192.0.2.1", port)


def test_two_workers_cannot_share_a_registry(registry: CollectorRegistry, metrics: Metrics) -> None:
    """A second set of the same names is refused at the start, not merged in silence."""
    page = generate_latest(registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(registry, ["power"])
    assert page.startswith(b"# HELP")
