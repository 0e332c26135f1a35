"""The REST interface: Confluent's paths, bodies and error codes, for Avro schemas without references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from gridhub.connectors.registry import errors
from gridhub.connectors.registry.errors import RegistryError
from gridhub.connectors.registry.requests import body, schema_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridhub.connectors.registry.records import Version
    from gridhub.connectors.registry.store import Store

Body = Annotated[dict[str, Any], Depends(body)]


class Answer(Response):
    """JSON in the media type of schema registries."""

    media_type = "application/vnd.schemaregistry.v1+json"

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return orjson.dumps(content)


def create_app(store: Store, hosts: Sequence[str] = ("127.0.0.1", "localhost")) -> FastAPI:
    """The registry as an ASGI application. `hosts` are the names it may be addressed by (against DNS rebinding)."""
    app = FastAPI(title="gridhub schema registry", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_exception_handler(RegistryError, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _no_such_path)
    for router in (_schemas(store), _subjects(store), _versions(store), _levels(store), _checks(store)):
        app.include_router(router, dependencies=[Depends(store.require_loaded)])
    return app


def _schemas(store: Store) -> APIRouter:
    api = APIRouter(default_response_class=Answer)

    @api.get("/")
    def root() -> Answer:
        return Answer({})

    @api.get("/schemas/types")
    def types() -> Answer:
        return Answer(["AVRO"])

    @api.get("/schemas/ids/{schema_id}")
    def by_id(schema_id: int, fetchMaxId: bool = False) -> Answer:  # noqa: N803, FBT001, FBT002  # Confluent's name
        found: dict[str, Any] = {"schema": store.by_id(schema_id)[0].text}
        return Answer(found | {"maxId": store.subjects.highest_id} if fetchMaxId else found)

    @api.get("/schemas/ids/{schema_id}/schema")
    def text_by_id(schema_id: int) -> Response:
        return Response(store.by_id(schema_id)[0].text, media_type=Answer.media_type)

    @api.get("/schemas/ids/{schema_id}/subjects")
    def subjects_by_id(schema_id: int, deleted: bool = False) -> Answer:  # noqa: FBT001, FBT002  # a query parameter
        found = store.by_id(schema_id)
        return Answer(sorted({version.subject for version in found if deleted or not version.deleted}))

    @api.get("/schemas/ids/{schema_id}/versions")
    def versions_by_id(schema_id: int, deleted: bool = False) -> Answer:  # noqa: FBT001, FBT002  # a query parameter
        found = [version for version in store.by_id(schema_id) if deleted or not version.deleted]
        return Answer([{"subject": version.subject, "version": version.version} for version in found])

    return api


def _subjects(store: Store) -> APIRouter:
    api = APIRouter(default_response_class=Answer)

    @api.get("/subjects")
    def names(subjectPrefix: str = "", deleted: bool = False) -> Answer:  # noqa: N803, FBT001, FBT002
        return Answer(store.subjects.names(subjectPrefix, deleted=deleted))

    @api.post("/subjects/{subject}")
    def look_up(subject: str, tree: Body, deleted: bool = False) -> Answer:  # noqa: FBT001, FBT002
        return Answer(_version(store.look_up(subject, schema_text(tree), deleted=deleted)))

    @api.delete("/subjects/{subject}")
    def delete(subject: str, permanent: bool = False) -> Answer:  # noqa: FBT001, FBT002
        _refuse_permanent(permanent=permanent)
        return Answer(store.delete_subject(subject))

    return api


def _versions(store: Store) -> APIRouter:
    api = APIRouter(default_response_class=Answer)

    @api.get("/subjects/{subject}/versions")
    def numbers(subject: str, deleted: bool = False) -> Answer:  # noqa: FBT001, FBT002
        return Answer(store.version_numbers(subject, deleted=deleted))

    @api.post("/subjects/{subject}/versions")
    def register(subject: str, tree: Body) -> Answer:
        if tree.get("id", -1) not in (-1, None) or tree.get("version", -1) not in (-1, 0, None):
            raise errors.not_permitted("Ids and versions are given by the registry (there is no import mode).")
        return Answer({"id": store.register(subject, schema_text(tree)).id})

    @api.get("/subjects/{subject}/versions/{wanted}")
    def version(subject: str, wanted: str, deleted: bool = False) -> Answer:  # noqa: FBT001, FBT002
        return Answer(_version(store.version(subject, wanted, deleted=deleted)))

    @api.get("/subjects/{subject}/versions/{wanted}/schema")
    def text(subject: str, wanted: str, deleted: bool = False) -> Response:  # noqa: FBT001, FBT002
        return Response(store.version(subject, wanted, deleted=deleted).text, media_type=Answer.media_type)

    @api.get("/subjects/{subject}/versions/{wanted}/referencedby")
    def referenced_by(subject: str, wanted: str) -> Answer:
        store.version(subject, wanted)
        return Answer([])

    @api.delete("/subjects/{subject}/versions/{wanted}")
    def delete(subject: str, wanted: str, permanent: bool = False) -> Answer:  # noqa: FBT001, FBT002
        _refuse_permanent(permanent=permanent)
        return Answer(store.delete_version(subject, wanted))

    return api


def _levels(store: Store) -> APIRouter:
    api = APIRouter(default_response_class=Answer)

    @api.get("/config")
    def level() -> Answer:
        return Answer({"compatibilityLevel": store.subjects.level(None)})

    @api.put("/config")
    def set_level(tree: Body) -> Answer:
        return Answer({"compatibility": store.set_level(None, tree.get("compatibility"))})

    @api.delete("/config")
    def drop_level() -> Answer:
        return Answer({"compatibilityLevel": store.drop_level(None)})

    @api.get("/config/{subject}")
    def subject_level(subject: str, defaultToGlobal: bool = False) -> Answer:  # noqa: N803, FBT001, FBT002
        found = store.subjects.effective_level(subject) if defaultToGlobal else store.subjects.level(subject)
        if found is None:
            raise errors.no_level(subject)
        return Answer({"compatibilityLevel": found})

    @api.put("/config/{subject}")
    def set_subject_level(subject: str, tree: Body) -> Answer:
        return Answer({"compatibility": store.set_level(subject, tree.get("compatibility"))})

    @api.delete("/config/{subject}")
    def drop_subject_level(subject: str) -> Answer:
        return Answer({"compatibilityLevel": store.drop_level(subject)})

    @api.get("/mode")
    def mode() -> Answer:
        return Answer({"mode": store.subjects.mode(None)})

    @api.get("/mode/{subject}")
    def subject_mode(subject: str) -> Answer:
        return Answer({"mode": store.subjects.mode(subject)})

    return api


def _checks(store: Store) -> APIRouter:
    api = APIRouter(default_response_class=Answer)

    @api.post("/compatibility/subjects/{subject}/versions")
    def with_all(subject: str, tree: Body, verbose: bool = False) -> Answer:  # noqa: FBT001, FBT002
        return _verdict(store.problems(subject, schema_text(tree), None), verbose=verbose)

    @api.post("/compatibility/subjects/{subject}/versions/{wanted}")
    def with_one(subject: str, wanted: str, tree: Body, verbose: bool = False) -> Answer:  # noqa: FBT001, FBT002
        return _verdict(store.problems(subject, schema_text(tree), wanted), verbose=verbose)

    return api


def _version(version: Version) -> dict[str, Any]:
    return {"subject": version.subject, "version": version.version, "id": version.id, "schema": version.text}


def _verdict(problems: list[str], *, verbose: bool) -> Answer:
    verdict: dict[str, Any] = {"is_compatible": not problems}
    return Answer(verdict | {"messages": problems} if verbose else verdict)


def _refuse_permanent(*, permanent: bool) -> None:
    if permanent:
        raise errors.not_permitted("Permanent deletion would free an id that messages still carry; delete softly.")


def _refused(_: Request, error: Exception) -> Answer:
    assert isinstance(error, RegistryError)
    return Answer({"error_code": error.code, "message": error.message}, error.status)


def _not_valid(_: Request, error: Exception) -> Answer:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return Answer({"error_code": 422, "message": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)


def _no_such_path(_: Request, error: Exception) -> Answer:
    assert isinstance(error, HTTPException)
    return Answer(
        {"error_code": error.status_code, "message": f"HTTP {error.status_code} {error.detail}"}, error.status_code
    )
