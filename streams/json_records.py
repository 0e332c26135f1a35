"""Records as people write them in JSON: where the schema has a time, ISO 8601 text becomes milliseconds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

_BRANCHES = {"record": dict, "array": list, "map": dict}


class JsonForm:
    """A record schema's JSON form."""

    def __init__(self, text: str) -> None:
        self._named: dict[str, Any] = {}
        self._root = json.loads(text)

    def avro_ready(self, value: Any) -> Any:
        """The value with every ISO 8601 time as ms since the epoch; a time without an offset is UTC.

        ValueError when it is no JSON object, or a text stands where a time belongs and is none.
        """
        if not isinstance(value, dict):
            raise ValueError("a line holds one JSON object")  # noqa: TRY004  # the caller refuses values, not types
        return self._walk(self._root, value)

    def _walk(self, kind: Any, value: Any) -> Any:  # noqa: PLR0911  # one return per kind of schema
        if isinstance(kind, list):
            return self._walk(self._branch(kind, value), value)
        if isinstance(kind, str):
            return self._walk(self._named[kind], value) if kind in self._named else value
        if kind.get("logicalType") == "timestamp-millis":
            return _milliseconds(value)
        if kind["type"] == "record":
            return self._record(kind, value)
        if kind["type"] == "array" and isinstance(value, list):
            return [self._walk(kind["items"], item) for item in value]
        if kind["type"] == "map" and isinstance(value, dict):
            return {key: self._walk(kind["values"], item) for key, item in value.items()}
        return value

    def _record(self, kind: Any, value: Any) -> Any:
        self._named.setdefault(kind["name"], kind)
        if not isinstance(value, dict):
            return value
        kinds = {field["name"]: field["type"] for field in kind["fields"]}
        return {key: self._walk(kinds[key], item) if key in kinds else item for key, item in value.items()}

    def _branch(self, kinds: list[Any], value: Any) -> Any:
        """The union's branch that a JSON value means: null for null, else the first that can hold it."""
        rest = [kind for kind in kinds if kind != "null"]
        if value is None or not rest:
            return "null"
        for kind in rest:
            full = self._named.get(kind, kind) if isinstance(kind, str) else kind
            python = _BRANCHES.get(full["type"]) if isinstance(full, dict) else None
            if python is None or isinstance(value, python):
                return full
        return rest[0]


def _milliseconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
