"""What operators have published before the day: the items of hub.config, as `gridhub config publish` would write them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

from gridhub.connectors.demo.day.script import Script, ScriptError
from gridhub.streams import topics
from gridhub.streams.city import City
from gridhub.streams.silences import Hidden, Silence
from gridhub.streams.standing import Standing, settled
from gridhub.streams.standing_silences import silence_key

Item = tuple[bytes, bytes]
_ROUTING = "routing.yaml"


def items(script: Script) -> list[Item]:
    """Key and value of each item of hub.config. ScriptError for a route that routing.yaml has not."""
    found = [_routing(script)] if script.rules.routes else []
    begin_ms = script.ms(script.steps[0].at)
    for quiet in script.rules.silences:
        silence = Silence(
            id=quiet.id, matchers=quiet.matchers, starts_at=script.ms(quiet.begins), ends_at=script.ms(quiet.ends),
            author=quiet.author, comment=quiet.comment, created_at=begin_ms,
            would_hide=Hidden(hours=24, incidents=0, tasks=0),
        )  # fmt: skip
        found.append((silence_key(silence.id), silence.model_dump_json().encode()))
    return found


def city_by(script: Script, city: City) -> City:
    """The city with these items in force. ScriptError when a worker would refuse one."""
    standing = Standing(city)
    messages = [(topics.CONFIG.name, key, value) for key, value in items(script)]
    wrong = [one for one in settled(standing, messages, script.ms(script.steps[0].at)) if not one.applied]
    if wrong:
        raise ScriptError("; ".join(f"{one.item}: {one.detail}" for one in wrong))
    return standing.city


def _routing(script: Script) -> Item:
    """The bundled routing.yaml with these changes of single routes."""
    tree = yaml.safe_load((files("gridhub.config") / _ROUTING).read_text("utf-8"))
    for name, change in script.rules.routes.items():
        node = _find(tree["route"], name)
        if node is None:
            raise ScriptError(f"{_ROUTING} has no route {name}.")
        node.update(change)
    return f"{_ROUTING}/day".encode(), yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode()


def _find(node: dict[str, Any], name: str) -> dict[str, Any] | None:
    if node["name"] == name:
        return node
    return next((found for child in node.get("routes", ()) if (found := _find(child, name)) is not None), None)
