"""JSON and XML of every answer. A JSON list of one kind is an XML element of the same parts, as the specification has it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, tostring

import orjson
from starlette.responses import Response

from gridhub.streams.moments import CHINA

if TYPE_CHECKING:
    from starlette.requests import Request

    from gridhub.connectors.open311.errors import Open311Error

FORMATS = {"json": "application/json", "xml": "text/xml"}
PARTS = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "errors": "error",
    "endpoints": "endpoint",
    "formats": "format",
}
"""Of each list the name of one of its parts."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def answer(form: str, root: str, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The content as JSON, or as XML below an element called `root`."""
    body = orjson.dumps(content) if form == "json" else xml(root, content)
    return Response(body, status, headers, media_type=f"{FORMATS[form]}; charset=utf-8")


def xml(root: str, content: Any) -> bytes:
    """An XML document with declaration. What XML has no characters for is left out."""
    document: bytes = tostring(_element(root, content), encoding="UTF-8", xml_declaration=True)
    return document


def _element(name: str, content: Any) -> Element:
    element = Element(name)
    if isinstance(content, dict):
        for key, value in content.items():
            element.append(_element(key, value))
    elif isinstance(content, list):
        for item in content:
            element.append(_element(PARTS[name], item))
    elif content is not None:
        element.text = str(content).lower() if isinstance(content, bool) else _NO_XML.sub("", str(content))
    return element


def refusal(form: str, error: Open311Error) -> Response:
    """An error in the specification's shape."""
    headers = {"retry-after": str(error.wait_s)} if error.wait_s else None
    return answer(form, "errors", [{"code": error.code, "description": error.description}], error.code, headers)


def wanted(request: Request) -> str:
    """The form that the client asks for: the path's ending, else Accept, else XML, which every client has to read."""
    told = request.path_params.get("form") or request.url.path.rpartition(".")[2]
    if told in FORMATS:
        return str(told)
    return "json" if "json" in request.headers.get("accept", "") else "xml"


def w3_time(at_ms: int | None) -> str | None:
    """A time as the specification writes it, in Beijing time."""
    return None if at_ms is None else datetime.fromtimestamp(at_ms // 1000, CHINA).isoformat()


def discovery(base: str, contact: str, changed: str) -> dict[str, Any]:
    """The answer of GET discovery; `base` is the server's own address."""
    return {
        "changeset": changed,
        "contact": contact,
        "key_service": contact,
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": f"{base}/open311/v2",
                "changeset": changed,
                "type": "production",
                "formats": ["text/xml", "application/json"],
            }
        ],
    }
