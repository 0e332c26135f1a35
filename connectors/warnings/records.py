"""From CAP alerts to the meteorology department's record (WeatherWarning)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gridhub.connectors.warnings import signals, text
from gridhub.connectors.warnings.message import Alert, Info
from gridhub.connectors.warnings.places import Ground, ground
from gridhub.connectors.warnings.text_times import TimeError, validity
from gridhub.connectors.warnings.text_words import plain

if TYPE_CHECKING:
    from gridhub.connectors.warnings.signals import Level, Signal
    from gridhub.streams.place.catalogue import Catalogue

Record = dict[str, Any]

_STATION_CODE = 14
MOST_WORDS = 3_500
MOST_TITLE = 300
_NOT_PUBLISHED = ("Ack", "Error")


@dataclass(slots=True)
class Converted:
    """One event of a message: its record, what was said in CAP's own words, and sentences on what was left out."""

    record: Record
    said: Record
    notes: list[str] = field(default_factory=list)
    publish: bool = True
    by_issuer: bool = False  # the area is only that of the issuing body


def from_alerts(alerts: Sequence[Alert], catalogue: Catalogue, earlier: Sequence[Alert] = ()) -> list[Converted]:
    """The records of a message's alerts; a cancel without areas takes those of what it ends, where that is at hand.

    `earlier` are alerts that came before and are not converted again.
    """
    known: dict[str, list[Converted]] = {}
    for alert in earlier:
        known[alert.identifier] = _converted(alert, catalogue, known)
    found: list[Converted] = []
    for alert in alerts:
        made = _converted(alert, catalogue, known)
        known[alert.identifier] = made
        found += made
    return found


def _converted(alert: Alert, catalogue: Catalogue, known: Mapping[str, list[Converted]]) -> list[Converted]:
    groups = _languages(alert.infos)
    if not groups:
        ended = [one for reference in alert.references for one in known.get(reference.identifier, ())]
        return [_without_info(alert, number, of, catalogue) for number, of in enumerate(ended or [None], 1)]
    return [_of_info(alert, number, group, catalogue) for number, group in enumerate(groups, 1)]


def _languages(infos: Sequence[Info]) -> list[list[Info]]:
    """Infos that say the same in several languages, together; Chinese first, then English."""
    groups: list[list[Info]] = []
    for info in infos:
        for group in groups:
            if group[0].ground == info.ground and info.language not in {other.language for other in group}:
                group.append(info)
                break
        else:
            groups.append([info])
    return [sorted(group, key=lambda info: _rank(info.language)) for group in groups]


def _rank(language: str) -> int:
    return 0 if language.lower().startswith("zh") else 1 if language.lower().startswith("en") else 2


def _of_info(alert: Alert, number: int, group: list[Info], catalogue: Catalogue) -> Converted:
    info = group[0]
    notes = list(alert.notes)
    chinese = alert.version == "12379" or _rank(info.language) == 0
    place = ground(info.areas, catalogue, chinese=chinese)
    if not place.areas and not any(area.polygons or area.circles or area.geocodes for area in info.areas):
        _by_sender(alert, place, catalogue)
    record = _record(alert, number, _kind(alert, group, notes), _hazard(alert, info, notes), place)
    record |= {
        "senderName": info.sender_name[:MOST_TITLE],
        "headline": _words(info.headline or info.event, MOST_TITLE),
        "description": _words(info.description, MOST_WORDS),
        "defence": _words(info.instruction, MOST_WORDS),
        "onset": iso(info.onset),
        "expires": iso(info.expires or (_told_end(info, alert, notes) if chinese else None)),
        "language": info.language,
    }
    if info.expires and info.expires < (info.onset or alert.sent):
        notes.append("The warning expires before it begins.")
    if info.resources:
        notes.append(f"{info.resources} attached resources were not read.")
    said = _said(alert) | _said_info(info, [other.language for other in group])
    return Converted(record, said, notes + place.notes, alert.kind not in _NOT_PUBLISHED)


def _without_info(alert: Alert, number: int, ended: Converted | None, catalogue: Catalogue) -> Converted:
    """An alert without info, as cancels often are: hazard and place are those of what it speaks of."""
    place, notes = Ground(), list(alert.notes)
    signal, level = signals.by_name()[signals.EMERGENCY], signals.Level()
    if ended is not None:
        place.areas = ended.record["areas"]
    else:
        found = text.signals_in(alert.note)
        signal, level = found[0] if found else (signal, level)
        notes.append("The message has no info: what it is about, and where, stands in the messages that it references.")
        _by_sender(alert, place, catalogue)
    record = _record(alert, number, _kind(alert, [], notes), (signal, level), place)
    record["headline"] = (alert.note or f"CAP {alert.kind} {alert.identifier}")[:MOST_TITLE]
    if ended is not None:
        record |= {"signal": ended.record["signal"], "references": [ended.record["identifier"]]}
        record["headline"] = alert.note[:MOST_TITLE] or f"{alert.kind}: {ended.record['headline']}"[:MOST_TITLE]
    return Converted(record, _said(alert), notes + place.notes, alert.kind not in _NOT_PUBLISHED)


def _record(alert: Alert, number: int, kind: str, hazard: tuple[Signal, Level], place: Ground) -> Record:
    """A WeatherWarning; of several events of one alert, the second's id ends in #2, and so do its references."""
    mark = f"#{number}" if number > 1 else ""
    own = alert.identifier
    references = [reference.identifier for reference in alert.references]
    if own in references:  # some senders keep one identifier for all messages about a matter
        references = [name for name in references if name != own] + [own]
        own = f"{own},{iso(alert.sent)}"
    references = [f"{name}{mark}" for name in dict.fromkeys(references)]
    return {
        "identifier": f"{own}{mark}",
        "sender": alert.sender[:MOST_TITLE],
        "senderName": "",
        "sent": iso(alert.sent),
        "status": alert.status,
        "msgType": kind,
        "firstIdentifier": references[0] if references else None,
        "signal": signal_record(*hazard),
        "headline": "",
        "description": "",
        "defence": "",
        "expires": None,
        "station": None,
        "areas": place.areas,
        "references": references,
        "onset": None,
        "language": "zh-CN",
        "signature": alert.signature,
        "series": None,
    }


def signal_record(signal: Signal, level: Level) -> Record:
    """The `signal` of a record."""
    return {"typeCode": signal.code, "typeName": signal.name, "levelCode": level.code, "levelName": level.name}


def _kind(alert: Alert, group: list[Info], notes: list[str]) -> str:
    """Alert, Update or Cancel; an update that says that the danger is past, or is called 解除, ends the warning."""
    said = text.action_in(group[0].headline) if group else ""
    past = alert.kind == "Update" and bool(group) and all(info.ended for info in group)
    if alert.kind != "Cancel" and (past or said == "cancel"):
        notes.append("The message says that the danger is past: it ends the warning.")
        return "Cancel"
    return alert.kind if alert.kind not in _NOT_PUBLISHED else "Update"


def _hazard(alert: Alert, info: Info, notes: list[str]) -> tuple[Signal, Level]:
    """What the warning is about, by its codes, its Chinese heading and its event's name; what is not known is said."""
    level = signals.level(signals.CAP_LEVELS.get(info.severity, ""))
    headed = text.signals_in(info.headline) or text.signals_in(info.event)
    national = next((code for name, code in info.event_codes if name == "12379"), info.event)
    by_code = signals.of_national(national) or signals.by_name().get(info.event)
    if headed:
        signal, named = headed[-1] if text.action_in(info.headline) in text.UPDATES else headed[0]
        if by_code and by_code is not signal:
            notes.append(f"The event code means {by_code.name}, the heading says {signal.name}: the heading counts.")
        return signal, level if alert.version == "12379" and level.name else (named if named.name else level)
    names = [info.event, *(code for _, code in info.event_codes), *_awareness(info)]
    foreign = next((found for name in names if (found := signals.of_foreign(name.replace("_", " ")))), None)
    if known := by_code or foreign:
        return known, level
    weather = national.startswith("11B") or info.categories[:1] == ("Met",)
    notes.append(f"The event {info.event[:60]!r} is none of the hazards that have a category of their own.")
    return signals.by_name()[signals.OTHER_WEATHER if weather else signals.EMERGENCY], level


def _awareness(info: Info) -> list[str]:
    """The kind of danger in MeteoAlarm's own words, which are English in every language: `10; Rain`."""
    return [value for name, value in info.parameters if name == "awareness_type"]


def _by_sender(alert: Alert, place: Ground, catalogue: Catalogue) -> None:
    """Without any area, a Chinese sender's code (six digits of division, eight of the body) says whose warning it is."""
    code = alert.sender if len(alert.sender) == _STATION_CODE else alert.identifier.partition("_")[0]
    if len(code) == _STATION_CODE and code.isdigit():
        answer = catalogue.resolve_codes([code[:6]], ["nbs"])[0]
        if answer.code:
            place.areas.append({"areaDesc": "", "codes": [answer.code], "polygon": None, "circle": None})
            place.note(f"No area is given: taken as that of the sender, {answer.code}.")


def _said(alert: Alert) -> Record:
    return {
        "version": alert.version,
        "identifier": alert.identifier,
        "sender": alert.sender,
        "sent": iso(alert.sent),
        "status": alert.status,
        "msg_type": alert.kind,
        "scope": alert.scope,
        "references": [{"sender": r.sender, "identifier": r.identifier, "sent": r.sent} for r in alert.references],
        "signature": alert.signature,
    }


def _said_info(info: Info, languages: list[str]) -> Record:
    return {
        "event": info.event,
        "categories": list(info.categories),
        "urgency": info.urgency,
        "severity": info.severity,
        "certainty": info.certainty,
        "responses": list(info.responses),
        "languages": languages,
        "event_codes": [f"{name}={value}" for name, value in info.event_codes],
        "areas": [area.description for area in info.areas][:50],
    }


def _told_end(info: Info, alert: Alert, notes: list[str]) -> datetime | None:
    """Until when a Chinese text says that it holds, where the message itself does not."""
    begin = info.onset or alert.sent
    try:
        end = validity(plain(info.description), begin).end
    except TimeError:
        return None
    if end:
        notes.append("When the warning ends was read from its text.")
    return end


def _words(said: str, most: int) -> str:
    """In one line: XML is indented for its own readers."""
    return " ".join(said.split())[:most]


def iso(moment: datetime | None) -> str | None:
    """A moment as ISO 8601 text."""
    return None if moment is None else moment.isoformat()
