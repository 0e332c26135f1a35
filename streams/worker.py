"""The worker: a Faust app with one thin agent per stage. Everything that decides is in road.py."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any, cast

import faust
import uvloop
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from gridhub.schemas.catalogue import catalogue
from gridhub.schemas.codec import Codec, UnknownSchema
from gridhub.schemas.registry import RegistryLater, connect, load_codec
from gridhub.streams import city as city_data
from gridhub.streams import clock, logs, topics
from gridhub.streams.city import City
from gridhub.streams.metrics import Metrics
from gridhub.streams.metrics_page import serve
from gridhub.streams.observer import LANE_TOPICS, Observer, Watch
from gridhub.streams.organisation.notes import known_until_ms, notes
from gridhub.streams.provision import all_topics
from gridhub.streams.rooms.organisation import ROLES
from gridhub.streams.settings import Settings
from gridhub.streams.stage_inbound import InboundStage
from gridhub.streams.stage_outbound import OutboundStage
from gridhub.streams.standing import Standing, Told
from gridhub.streams.standing_reader import StandingReader
from gridhub.streams.state.budget import Budget
from gridhub.streams.state.rocks import RocksStore
from gridhub.streams.sweep import Sweeper, stamp
from gridhub.streams.transport import Batch, BatchSchema, Consumer, Effects, LaneGroup, Options, Plan, State, install
from gridhub.streams.transport.errors import HOPELESS, LATER

WAIT_S = 1.0
HEARTBEATS = 10  # in a session: a survivor learns of a death within a tenth of it
DAY_MS = 86_400_000
TICK_S = 0.25  # how often a lane looks for what falls due while no record comes
FOLLOWING_MS = 10  # the outbound stage gets its events in the rhythm in which the inbound stage commits them


class Stages:
    """The stages as they are now. They are replaced whole: a batch that has begun ends with the facts it began with."""

    def __init__(self, inbound: InboundStage, outbound: OutboundStage) -> None:
        self.inbound, self.outbound = inbound, outbound

    def work_inbound(self, batch: Batch, state: State) -> Effects:
        """A batch of departments' events, by the facts of this moment."""
        return self.inbound.work(batch, state)

    def work_outbound(self, batch: Batch, state: State) -> Effects:
        """A batch of located events or status reports, by the facts of this moment."""
        return self.outbound.work(batch, state)

    def refresh(self, city: City, settings: Settings, decode: Any) -> None:
        """From the next batch on, work with what this city knows."""
        self.inbound = replace(self.inbound, facts=city_data.inbound_facts(city, settings, decode))
        self.outbound = replace(self.outbound, facts=city_data.outbound_facts(city, settings))


def make_app(
    settings: Settings, city: City, codec: Codec, registry: CollectorRegistry, standing: Standing | None = None
) -> faust.App:
    """The app of one worker, ready to be started; with `standing`, it follows what operators publish."""
    metrics = _metrics(settings, city, registry)
    log = logs.get("gridhub.worker")
    inbound_topics = tuple(sorted(d.topic.name for d in city.departments))
    outbound_topics = LANE_TOPICS["outbound"]
    observer = Observer(metrics, log, {"inbound": inbound_topics, **LANE_TOPICS})
    app = faust.App(
        settings.group,
        broker=[f"batch://{host}" for host in settings.bootstrap.split(",")],
        store="memory://",
        datadir=str(settings.data_dir / settings.worker_name),
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        stream_wait_empty=False,
        canonical_url=f"http://{settings.worker_name}",
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / HEARTBEATS,
        table_standby_replicas=max(1, settings.standby),  # 1 is Faust's own: it keeps assignments where they are
    )
    now_ms = clock.chosen(settings.clock_file)
    inbound = InboundStage(
        city_data.inbound_facts(city, settings, codec.decode_many), codec, metrics, now_ms, observer.room,
        settings.partitions, settings.max_broken_in_row,
    )  # fmt: skip
    outbound = OutboundStage(
        city_data.outbound_facts(city, settings), codec, metrics,
        Sweeper(int(settings.duplicate_retention_h * 3_600_000)), now_ms, observer.room, settings.max_broken_in_row,
    )  # fmt: skip
    stages = Stages(inbound, outbound)
    groups = (
        LaneGroup("inbound", inbound_topics),
        LaneGroup("outbound", outbound_topics, topics.STATE.name, TICK_S, stages.work_outbound, FOLLOWING_MS),
    )
    stores = partial(RocksStore, budget=Budget(settings.state_memory_mb, settings.partitions), stamp=stamp)
    install(app, Plan(groups, _options(settings, city), observer, log, stores))
    app.districts = city.districts  # type: ignore[attr-defined]  # Watch names them
    _agents(app, inbound_topics, outbound_topics, stages)
    _watch(app, metrics, settings, log)
    if standing is not None:
        _follow(standing, settings, stages, codec, metrics)
    return app


def _follow(standing: Standing, settings: Settings, stages: Stages, codec: Codec, metrics: Metrics) -> None:
    """Read the standing data to its end, and follow it from then on."""
    log = logs.get("gridhub.standing")

    def listen(city: City, told: list[Told]) -> None:
        stages.refresh(city, settings, codec.decode_many)
        _show_rules(metrics, city, stages)
        for change in told:
            metrics.standing_changes.labels(change.topic, "applied" if change.applied else "refused").inc()
            say = log.info if change.applied else log.error
            say("standing data", topic=change.topic, item=change.item, applied=change.applied, detail=change.detail)

    _show_rules(metrics, standing.city, stages)

    def complain(why: str) -> None:
        log.error("standing data cannot be read", why=why)

    reader = StandingReader(settings.bootstrap, standing, stages.inbound.now_ms, listen, complain)
    while (trouble := reader.caught_up()) is not None:
        log.warning("waiting", what=f"for hub.grids, hub.admissions and hub.config: {trouble}")
    reader.start()


def _show_rules(metrics: Metrics, city: City, stages: Stages) -> None:
    metrics.rules_in_force(city.rules)
    metrics.calendar_until.set(known_until_ms(city.charter, stages.inbound.now_ms()) / 1000)


def _agents(
    app: faust.App,
    inbound_topics: tuple[str, ...],
    outbound_topics: tuple[str, ...],
    stages: Stages,
) -> None:
    @app.agent(app.topic(*inbound_topics, schema=BatchSchema(), acks=False), name="gridhub.inbound")
    async def inbound_agent(batches: Any) -> None:
        async for batch in batches:
            batch.hand_over(stages.work_inbound)

    @app.agent(app.topic(*outbound_topics, schema=BatchSchema(), acks=False), name="gridhub.outbound")
    async def outbound_agent(batches: Any) -> None:
        async for batch in batches:
            batch.hand_over(stages.work_outbound)


def _watch(app: faust.App, metrics: Metrics, settings: Settings, log: Any) -> None:
    @app.task  # type: ignore[untyped-decorator]  # Faust's decorators carry no types
    async def watch() -> None:
        look = Watch(cast("Consumer", app.consumer), metrics, settings, log)
        while not app.should_stop:
            await asyncio.sleep(WAIT_S)
            look.look()


def _metrics(settings: Settings, city: City, registry: CollectorRegistry) -> Metrics:
    groups = sorted({row.matter_group for row in city.categories.values()})
    metrics = Metrics(
        registry, list(city.departments.by_code), matter_groups=groups, districts=city.districts, roles=list(ROLES)
    )
    metrics.introduce(settings.worker_name)
    metrics.rehearsal_clock.set(settings.clock_file is not None)
    return metrics


def _options(settings: Settings, city: City) -> Options:
    names = [topic.name for topic in all_topics(city.departments)]
    state_dir = settings.data_dir / settings.worker_name / "state"
    state_dir.mkdir(parents=True, exist_ok=True)
    return Options(
        bootstrap=tuple(settings.bootstrap.split(",")),
        state_dir=state_dir,
        partition_counts=dict.fromkeys(names, settings.partitions),
        transaction_timeout_s=settings.transaction_timeout_s,
        session_timeout_s=settings.session_timeout_s,
        heartbeat_s=settings.session_timeout_s / HEARTBEATS,
        fetch_wait_ms=settings.fetch_wait_ms,
        batch_events=settings.batch_events,
        min_free_bytes=settings.state_min_free_mb << 20,
        max_state_bytes=settings.state_max_mb << 20,
        standby=settings.standby > 0,
    )


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop; the exit code. A worker that lost its Kafka for long starts itself anew."""
    logs.configure(settings.log_level, settings.worker_name)
    log = logs.get("gridhub.worker")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until Faust has its own: nothing is under way yet
    now_ms = clock.chosen(settings.clock_file)
    if settings.clock_file is not None:
        log.warning("rehearsal: the time comes from a file", clock_file=str(settings.clock_file), now_ms=now_ms())
    city = city_data.load(settings.config_dir)
    for note in notes(city.charter, now_ms()):
        log.warning("organisation", note=note)
    codec = _await_world(settings, city, log)
    registry = CollectorRegistry()
    app = make_app(settings, city, codec, registry, Standing(city, int(settings.max_age_days * DAY_MS)))
    if settings.metrics_port:
        serve(registry, settings.metrics_host, settings.metrics_port)
    _calm_collector()
    error = _run_app(app, settings)
    if error is None:
        return 0
    log.error("worker stopped", error=repr(error))
    if isinstance(error, LATER) and not isinstance(error, HOPELESS):
        time.sleep(WAIT_S)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # our own command line again
    return 1


def _calm_collector() -> None:
    """Leave what lives as long as the worker out of garbage collection, and collect the rest less often.

    A batch makes thousands of dicts and few cycles: with Python's own thresholds a quarter of the road's time went into
    looking through them (5,000 events, 2.1 s against 1.6 s).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _run_app(app: faust.App, settings: Settings) -> BaseException | None:
    """Run the app to its end; the error that ended it, or None when it was asked to stop."""
    uvloop.install()  # for Kafka's thread too: while few events come, a sixth less of the processor than asyncio's own
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(app, loop=loop, loglevel=settings.log_level, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    found: BaseException | None = None
    try:
        worker._starting_fut = asyncio.ensure_future(worker.start(), loop=loop)  # noqa: SLF001  # its signal handler cancels it
        loop.run_until_complete(worker._starting_fut)  # noqa: SLF001
    except asyncio.CancelledError:
        found = None
    except Exception as error:  # noqa: BLE001  # whatever ended the app is judged by our caller
        found = error
    try:
        worker.stop_and_shutdown()
    except Exception as error:  # noqa: BLE001  # the crash reason comes up here once more
        found = found or error
    return getattr(app, "lane_failure", None) or found or app.crash_reason


def _await_world(settings: Settings, city: City, log: Any) -> Codec:
    """Wait for Kafka, the topics and the registry; the codec. Says every few seconds what it waits for."""
    wanted = {topic.name for topic in all_topics(city.departments)}
    schemas = connect(settings.registry, settings.data_dir / "schemas")
    told_at = 0.0
    while True:
        try:
            missing = wanted - _topics(settings.bootstrap)
            if not missing:
                return load_codec(schemas, catalogue(city.further), city.further, topics.HUB_BYTES)
            waiting = f"for {len(missing)} topics ({min(missing)}, …); run `gridhub provision`"
        except KafkaError as error:
            waiting = f"for Kafka at {settings.bootstrap}: {error}"
        except RegistryLater as error:
            waiting = f"for the schema registry at {settings.registry}: {error}"
        except UnknownSchema as error:
            waiting = f"for the schemas; run `gridhub provision`: {error}"
        if time.monotonic() - told_at > 5:
            told_at = time.monotonic()
            log.warning("waiting", what=waiting)
        time.sleep(WAIT_S / 4)


def _topics(bootstrap: str) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        return set(admin.list_topics())
    finally:
        admin.close()
