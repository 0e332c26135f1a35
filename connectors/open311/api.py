"""The REST interface: GeoReport v2's paths, and POST servicerequestupdates as clients in use have it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import orjson
import structlog
from fastapi import APIRouter, Depends, FastAPI, Request  # FastAPI reads the annotations at run time
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from gridhub.connectors.open311 import answers, reports, steps, telling
from gridhub.connectors.open311.errors import Open311Error, later, missing, not_found
from gridhub.connectors.open311.forms import form, query
from gridhub.connectors.open311.questions import question
from gridhub.connectors.open311.services import definition, listed
from gridhub.connectors.open311.store import MOST_WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gridhub.connectors.open311.gate import Gate
    from gridhub.connectors.open311.keys import Key
    from gridhub.connectors.open311.outbox import Outbox
    from gridhub.connectors.open311.services import Services
    from gridhub.connectors.open311.store import Row, Store

log = structlog.get_logger()
STARTED = "2026-11-23T00:00:00+08:00"
Fields = Annotated[dict[str, str], Depends(form)]
Query = Annotated[dict[str, str], Depends(query)]
ROOT = "/open311/v2"


@dataclass(frozen=True)
class Parts:
    """What the interface works with; `loaded` says whether the store has caught up with Kafka."""

    services: Services
    store: Store
    outbox: Outbox
    gate: Gate
    loaded: Callable[[], bool]
    now_ms: Callable[[], int]
    base: str


def create_app(parts: Parts, hosts: Sequence[str] = ("127.0.0.1", "localhost")) -> FastAPI:
    """The server as an ASGI application. `hosts` are the names it may be addressed by (against DNS rebinding)."""
    app = FastAPI(title="gridhub Open311", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_exception_handler(Open311Error, _refused)
    app.add_exception_handler(HTTPException, _no_such_path)
    app.add_exception_handler(Exception, _broken)
    for router in (_services(parts), _requests(parts), _posts(parts)):
        app.include_router(router)
    return app


def _services(parts: Parts) -> APIRouter:
    api = APIRouter()

    @api.get("/open311/discovery")
    @api.get("/open311/discovery.{form}")
    def discovery(request: Request, fields: Query) -> Response:
        parts.gate.read(request, fields)
        told = answers.discovery(parts.base, parts.services.contact, STARTED)
        return answers.answer(answers.wanted(request), "discovery", told)

    @api.get(f"{ROOT}/services")
    @api.get(f"{ROOT}/services.{{form}}")
    def services(request: Request, fields: Query) -> Response:
        parts.gate.read(request, fields)
        found = [listed(one) for one in parts.services.offered(parts.now_ms())]
        return answers.answer(answers.wanted(request), "services", found)

    @api.get(f"{ROOT}/services/{{name}}")
    def service(request: Request, name: str, fields: Query) -> Response:
        parts.gate.read(request, fields)
        found = definition(parts.services.get(_bare(name), parts.now_ms()))
        return answers.answer(answers.wanted(request), "service_definition", found)

    return api


def _requests(parts: Parts) -> APIRouter:
    api = APIRouter()

    def told(request: Request, rows: list[Row]) -> Response:
        tasks = parts.store.tasks_of({row["incident"] for row in rows if row["incident"]})
        found = [telling.request(row, tasks.get(row["incident"], []), parts.services) for row in rows]
        return answers.answer(answers.wanted(request), "service_requests", found)

    @api.get(f"{ROOT}/requests")
    @api.get(f"{ROOT}/requests.{{form}}")
    def requests(request: Request, fields: Query) -> Response:
        _enter(parts, request, fields)
        return told(request, question(fields, parts.now_ms()).ask(parts.store))

    @api.get(f"{ROOT}/requests/{{name}}")
    def one(request: Request, name: str, fields: Query) -> Response:
        _enter(parts, request, fields)
        rows = parts.store.by_ids([_bare(name)])
        if not rows:
            raise not_found("service_request_id", _bare(name))
        return told(request, rows)

    @api.get(f"{ROOT}/servicerequestupdates")
    @api.get(f"{ROOT}/servicerequestupdates.{{form}}")
    def updates(request: Request, fields: Query) -> Response:
        _enter(parts, request, fields)
        found = [telling.step(row) for row in question(fields, parts.now_ms()).steps(parts.store)]
        return answers.answer(answers.wanted(request), "service_request_updates", found)

    @api.get(f"{ROOT}/tokens/{{name}}")
    def token(request: Request, name: str, fields: Query) -> Response:
        _enter(parts, request, fields)
        known = parts.store.known(_bare(name))
        if known is None:
            raise not_found("token", _bare(name))
        found = {"service_request_id": _bare(name) if known else None, "token": _bare(name)}
        return answers.answer(answers.wanted(request), "service_requests", [found])

    return api


def _posts(parts: Parts) -> APIRouter:
    api = APIRouter()

    @api.post(f"{ROOT}/requests")
    @api.post(f"{ROOT}/requests.{{form}}")
    def report(request: Request, fields: Fields) -> Response:
        key = parts.gate.write(request, fields, ("report",))
        if not fields.get("service_code"):
            raise missing("service_code")
        service = parts.services.get(fields["service_code"], parts.now_ms())
        again = request.headers.get("idempotency-key")
        name = reports.request_id(fields["api_key"], fields, again, parts.now_ms())
        found: Row = {"service_notice": parts.services.notice, "account_id": None}
        if parts.store.known(name) or _published(parts, *reports.report(fields, service, parts.now_ms(), name)):
            found = {"service_request_id": name, **found}
        else:
            found = {"token": name, **found}
        _say(key, "report", name)
        return answers.answer(answers.wanted(request), "service_requests", [found])

    @api.post(f"{ROOT}/servicerequestupdates")
    @api.post(f"{ROOT}/servicerequestupdates.{{form}}")
    def update(request: Request, fields: Fields) -> Response:
        key = parts.gate.write(request, fields, ("handle", "check"))
        if not parts.loaded():
            raise later("The server is still reading its topics.")
        stage, task = steps.stage(fields, key), steps.task(fields, key, parts.store)
        said = reports.update(fields, parts.now_ms())
        name = _update_id(fields, task["id"], stage)
        said |= {"task_id": task["id"], "sender": f"open311/{key.name}", "actor": said["actor"] or key.name}
        for step in steps.way(fields, key, task["stage"]):
            status = {**said, "status_id": name if step == stage else f"{name}/{step}", "stage": step}
            if not parts.outbox.step(status, task["area"]):
                raise later("Kafka does not answer; send the same once more.")
        _say(key, "step", name)
        return answers.answer(answers.wanted(request), "service_request_updates", [{"update_id": name}])

    return api


def _published(parts: Parts, row: Row, event: Row) -> bool:
    """Write the report down, then send it; whether Kafka has it already. What is written down is sent in any case."""
    if parts.store.known(row["id"]) is None and len(parts.store.waiting()) >= MOST_WAITING:
        raise later("Too many reports wait for Kafka.")
    parts.store.report(row, orjson.dumps(event))
    return parts.outbox.report(event)


def _update_id(fields: dict[str, str], task_id: str, stage: str) -> str:
    """The client's own id; without one the same for the same content, so that a repetition is taken once."""
    told = " ".join(fields.get("update_id", "").split())[:100]
    text = "\x1f".join([task_id, stage, *(fields.get(name, "") for name in ("updated_datetime", "description"))])
    return told or hashlib.sha256(text.encode()).hexdigest()[:20]


def _enter(parts: Parts, request: Request, fields: dict[str, str]) -> None:
    parts.gate.read(request, fields)
    if not parts.loaded():
        raise later("The server is still reading its topics.")


def _bare(name: str) -> str:
    """An id without the ending that names the form."""
    stem, _, end = name.rpartition(".")
    return stem if end in answers.FORMATS else name


def _say(key: Key, what: str, name: str) -> None:
    log.info("open311 write", what=what, key=key.name, id=name)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Open311Error)
    return answers.refusal(answers.wanted(request), error)


def _broken(request: Request, _: Exception) -> Response:
    """Our own bug: the client is told no more than that; the log has the rest."""
    return answers.refusal(answers.wanted(request), Open311Error(500, "The server made a mistake."))


def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answers.refusal(answers.wanted(request), Open311Error(error.status_code, str(error.detail)))
