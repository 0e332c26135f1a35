"""What comes in: forms and queries of bounded size, each field once."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import Request  # FastAPI reads the annotation at run time

from gridhub.connectors.open311.errors import Open311Error, bad

MOST_BYTES = 65_536
MOST_FIELDS = 100
_KIND = "application/x-www-form-urlencoded"


async def form(request: Request) -> dict[str, str]:
    """The fields of a POST; Open311Error 413, 415 or 400 for what is too long, of another kind, or not readable."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise Open311Error(415, f"Send the fields as {_KIND}.")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BYTES:
            raise Open311Error(413, f"The body is longer than {MOST_BYTES} bytes.")
    return _once(bytes(data))


def query(request: Request) -> dict[str, str]:
    """The fields of a query, as `form`."""
    data = request.scope["query_string"]
    if len(data) > MOST_BYTES:
        raise Open311Error(414, f"The query is longer than {MOST_BYTES} bytes.")
    return _once(data)


def _once(data: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Open311Error(400, f"The fields cannot be read: UTF-8, at most {MOST_FIELDS} of them.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise bad(
            next(name for name, _ in pairs if [n for n, _ in pairs].count(name) > 1)[:60], "it stands there twice"
        )
    return found
