"""What the server answers from: a bounded copy, in SQLite, of what Kafka's topics say about reports and tasks.

It may be deleted at any time: the follower makes it anew. Only reports that Kafka does not have yet are nowhere else.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]
DAY_MS = 86_400_000
KEPT_DAYS = 180
MOST_WAITING = 1_000  # reports that Kafka does not have yet
_MOST_MERGES = 5

_TABLES = """
CREATE TABLE IF NOT EXISTS requests(
  id TEXT PRIMARY KEY, code TEXT NOT NULL, text TEXT, media TEXT, lat REAL, lon REAL, address TEXT, address_id TEXT,
  requested INTEGER NOT NULL, incident TEXT, refused TEXT, event BLOB);
CREATE INDEX IF NOT EXISTS requests_by_time ON requests(requested);
CREATE INDEX IF NOT EXISTS requests_by_incident ON requests(incident) WHERE incident IS NOT NULL;
CREATE INDEX IF NOT EXISTS requests_waiting ON requests(requested) WHERE event IS NOT NULL;
CREATE TABLE IF NOT EXISTS incidents(
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, merged TEXT, place TEXT, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tasks(
  id TEXT PRIMARY KEY, incident TEXT NOT NULL, version INTEGER NOT NULL, action TEXT NOT NULL, role TEXT NOT NULL,
  recipient TEXT NOT NULL, recipient_name TEXT NOT NULL, category TEXT NOT NULL, severity INTEGER NOT NULL,
  area TEXT NOT NULL, stage TEXT NOT NULL, since INTEGER NOT NULL, finish_by INTEGER, note TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS tasks_by_incident ON tasks(incident);
CREATE INDEX IF NOT EXISTS tasks_by_time ON tasks(since);
CREATE TABLE IF NOT EXISTS steps(
  task TEXT, version INTEGER, incident TEXT NOT NULL, stage TEXT NOT NULL, since INTEGER NOT NULL, note TEXT NOT NULL,
  PRIMARY KEY(task, version));
CREATE INDEX IF NOT EXISTS steps_by_time ON steps(since);
CREATE TABLE IF NOT EXISTS places(topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY(topic, partition));
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_CLOSED = "(refused IS NOT NULL OR state IN ('closed', 'cancelled'))"
_FOUND = """
SELECT r.*, i.state, i.place, i.at AS incident_at FROM requests r LEFT JOIN incidents i ON i.id = r.incident
WHERE r.event IS NULL AND {where} ORDER BY r.requested DESC, r.id LIMIT ? OFFSET ?"""  # no value is put in
TASK = ("id", "incident", "version", "action", "role", "recipient", "recipient_name", "category", "severity", "area",
        "stage", "since", "finish_by", "note")  # fmt: skip


class Store:
    """The copy. Every method is safe from any thread; what is written together is there together or not at all."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")  # a report that we took is on the disk before we say so
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is one transaction."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _all(self, sql: str, values: Sequence[Any] | Row = ()) -> list[Row]:
        with self._lock:
            return [dict(row) for row in self._db.execute(sql, values)]

    def _run(self, sql: str, values: Sequence[Any] | Row = ()) -> int:
        with self._lock:
            return self._db.execute(sql, values).rowcount

    # reports

    def report(self, row: Row, event: bytes | None) -> None:
        """Keep a report; `event` is what Kafka does not have yet. One that is there already stays as it is."""
        names = ("id", "code", "text", "media", "lat", "lon", "address", "address_id", "requested")
        marks = ", ".join("?" * (len(names) + 1))
        self._run(
            f"INSERT OR IGNORE INTO requests({', '.join(names)}, event) VALUES({marks})",  # our own names
            (*(row[name] for name in names), event),
        )

    def told(self, row: Row) -> None:
        """Kafka has this report: keep what it says, and wait for it no longer."""
        self.report(row, None)
        self._run(
            "UPDATE requests SET event = NULL, text = ?, media = ?, lat = ?, lon = ?, address = ?, address_id = ?"
            " WHERE id = ?",
            (*(row[name] for name in ("text", "media", "lat", "lon", "address", "address_id")), row["id"]),
        )

    def waiting(self) -> list[Row]:
        """Reports that Kafka does not have yet, oldest first: id and event."""
        return self._all("SELECT id, event FROM requests WHERE event IS NOT NULL ORDER BY requested LIMIT 2000")

    def sent(self, request_id: str) -> None:
        """Kafka has it now."""
        self._run("UPDATE requests SET event = NULL WHERE id = ?", (request_id,))

    def known(self, request_id: str) -> bool | None:
        """Whether Kafka has this report; None when there is no such report."""
        found = self._all("SELECT event IS NULL AS sent FROM requests WHERE id = ?", (request_id,))
        return bool(found[0]["sent"]) if found else None

    def refused(self, request_id: str, reason: str) -> None:
        """The hub refuses the report."""
        self._run("UPDATE requests SET refused = ? WHERE id = ? AND incident IS NULL", (reason, request_id))

    def linked(self, request_id: str, incident: str, *, anew: bool) -> None:
        """The report belongs to this incident; unless `anew`, only if it belongs to none yet."""
        sql = "UPDATE requests SET incident = ?, refused = NULL WHERE id = ?"
        self._run(sql if anew else f"{sql} AND incident IS NULL", (self._absorber(incident), request_id))

    def _absorber(self, incident: str) -> str:
        for _ in range(_MOST_MERGES):
            found = self._all("SELECT merged FROM incidents WHERE id = ? AND merged IS NOT NULL", (incident,))
            if not found:
                break
            incident = found[0]["merged"]
        return incident

    # incidents and tasks

    def incident(self, row: Row) -> None:
        """Keep an incident's newest version; the reports of one that was merged follow it."""
        names = ("id", "version", "state", "merged", "place", "at")
        self._newest("incidents", names, row)
        if row["merged"]:
            self._run("UPDATE requests SET incident = ? WHERE incident = ?", (row["merged"], row["id"]))

    def task(self, row: Row) -> None:
        """Keep a task's newest version; of tasks that reports led to, and that are to be handled, each step."""
        self._newest("tasks", TASK, row)
        if row["action"] == "handle":
            self._run(
                "INSERT OR IGNORE INTO steps SELECT :id, :version, :incident, :stage, :since, :note"
                " WHERE EXISTS (SELECT 1 FROM incidents WHERE id = :incident)",
                row,
            )

    def _newest(self, table: str, names: Sequence[str], row: Row) -> None:
        news = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        self._run(
            f"INSERT INTO {table}({', '.join(names)}) VALUES({', '.join('?' * len(names))})"  # our own names
            f" ON CONFLICT(id) DO UPDATE SET {news} WHERE excluded.version >= {table}.version",
            tuple(row[name] for name in names),
        )

    def get_task(self, task_id: str) -> Row | None:
        """A task, or None."""
        return next(iter(self._all("SELECT * FROM tasks WHERE id = ?", (task_id,))), None)

    def tasks_of(self, incidents: Iterable[str]) -> dict[str, list[Row]]:
        """The tasks of these incidents."""
        found: dict[str, list[Row]] = {name: [] for name in incidents}
        marks = ", ".join("?" * len(found))
        for row in self._all(f"SELECT * FROM tasks WHERE incident IN ({marks}) ORDER BY since", tuple(found)):  # noqa: S608
            found[row["incident"]].append(row)
        return found

    # questions

    def by_ids(self, ids: Sequence[str]) -> list[Row]:
        """The reports with these ids, with the state of their incidents."""
        return self._all(_FOUND.format(where=f"r.id IN ({', '.join('?' * len(ids))})"), (*ids, len(ids), 0))

    def between(  # noqa: PLR0913  # the questions of GET requests
        self, first_ms: int, last_ms: int, codes: Sequence[str], closed: bool | None, most: int, skip: int  # noqa: FBT001
    ) -> list[Row]:  # fmt: skip
        """Reports of this time, newest first: of these services (none: all), open or closed (None: both)."""
        where, values = "r.requested BETWEEN ? AND ?", [first_ms, last_ms, *codes]
        if codes:
            where += f" AND r.code IN ({', '.join('?' * len(codes))})"
        if closed is not None:
            where += f" AND {'' if closed else 'NOT '}coalesce({_CLOSED}, 0)"
        return self._all(_FOUND.format(where=where), (*values, most, skip))

    def steps(self, ids: Sequence[str], first_ms: int, last_ms: int, most: int, skip: int) -> list[Row]:
        """What happened to these reports (none: to all) in this time, oldest first: a row for each step of a task."""
        where = f"AND r.id IN ({', '.join('?' * len(ids))})" if ids else ""
        return self._all(
            "SELECT s.*, r.id AS request FROM steps s JOIN requests r ON r.incident = s.incident"  # noqa: S608  # no value is put in
            f" WHERE s.since BETWEEN ? AND ? {where} ORDER BY s.since, s.task, s.version, r.id LIMIT ? OFFSET ?",
            (first_ms, last_ms, *ids, most, skip),
        )

    # where the follower is

    def places(self) -> dict[tuple[str, int], int]:
        """The next offset of each partition that was read."""
        return {(row["topic"], row["partition"]): row["next"] for row in self._all("SELECT * FROM places")}

    def went_on(self, topic: str, partition: int, following: int) -> None:
        """What lies before this offset is in the copy."""
        self._run("INSERT OR REPLACE INTO places VALUES(?, ?, ?)", (topic, partition, following))

    def belongs_to(self, cluster: str) -> None:
        """Empty the copy when it is another Kafka's; reports that no Kafka has yet stay."""
        before = self._all("SELECT value FROM facts WHERE name = 'cluster'")
        with self.together():
            if before and before[0]["value"] != cluster:
                for sql in ("DELETE FROM incidents", "DELETE FROM tasks", "DELETE FROM steps", "DELETE FROM places",
                            "DELETE FROM requests WHERE event IS NULL"):  # fmt: skip
                    self._run(sql)
            self._run("INSERT OR REPLACE INTO facts VALUES('cluster', ?)", (cluster,))

    def prune(self, now_ms: int) -> int:
        """Forget what is older than KEPT_DAYS; how many reports that were."""
        before = now_ms - KEPT_DAYS * DAY_MS
        with self.together():
            gone = self._run("DELETE FROM requests WHERE requested < ? AND event IS NULL", (before,))
            self._run("DELETE FROM tasks WHERE since < ?", (before,))
            self._run("DELETE FROM steps WHERE since < ?", (before,))
            self._run(
                "DELETE FROM incidents WHERE at < ? AND id NOT IN (SELECT incident FROM requests WHERE incident IS NOT NULL)",
                (before,),
            )
        return gone
