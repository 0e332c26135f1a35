"""What comes in: bodies of bounded size and of a kind that no web page can send unasked, and the schema in them."""

from __future__ import annotations

import json
from typing import Any

import orjson
from fastapi import Request  # FastAPI reads the annotation at run time

from gridhub.connectors.registry import errors
from gridhub.connectors.registry.errors import RegistryError
from gridhub.schemas.form import MAX_SCHEMA_CHARS, BadSchema, load_json

MAX_BODY_BYTES = 8 * MAX_SCHEMA_CHARS
"""A schema's text is a JSON string within JSON: escaping can make it several times longer."""

_JSON_KINDS = ("application/json", "application/octet-stream", "application/vnd.schemaregistry")


async def body(request: Request) -> dict[str, Any]:
    """The JSON object of a request; 413 when it is too long, 415 when it is declared as something else, 422 else."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith(_JSON_KINDS):
        raise RegistryError(415, 415, "Send the body as application/vnd.schemaregistry.v1+json.")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise RegistryError(413, 413, f"The body is longer than {MAX_BODY_BYTES} bytes.")
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RegistryError(422, 42201, "The body is not JSON.") from error
    if not isinstance(tree, dict):
        raise RegistryError(422, 42201, "The body is no JSON object.")
    return tree


def schema_text(tree: dict[str, Any]) -> str:
    """The Avro schema in a body, without white space; 42201 for what this registry does not keep."""
    kind = tree.get("schemaType") or "AVRO"
    if kind != "AVRO":
        raise errors.bad_schema(f"this registry keeps AVRO only, not {str(kind)[:20]}.")
    for name in ("references", "metadata", "ruleSet"):
        if tree.get(name):
            raise errors.bad_schema(f"this registry does not keep {name}.")
    if not isinstance(tree.get("schema"), str):
        raise errors.bad_schema("the body has no schema text.")
    try:
        return json.dumps(load_json(tree["schema"]), separators=(",", ":"), ensure_ascii=False)
    except BadSchema as error:
        raise errors.bad_schema(str(error)) from error
