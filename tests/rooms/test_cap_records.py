"""CAP messages as records and events: languages, hazards, places, chains of messages, status, signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridhub.connectors.sources.departments import Departments
from gridhub.connectors.warnings.cap import read_cap
from gridhub.connectors.warnings.events import canonical
from gridhub.connectors.warnings.records import from_alerts
from gridhub.streams.place.catalogue import Catalogue

CATALOGUE = Catalogue.load()
METEOROLOGY = Departments.load().by_code["meteorology"]
NS = "urn:oasis:names:tc:emergency:cap:1.2"
BOX = "30.19,115.00 30.24,115.00 30.24,115.06 30.19,115.06 30.19,115.00"
NATIONAL = """<?xml version="1.0" encoding="{encoding}"?><alert>
<identifier>42020041600000_20261123150900</identifier><sender>黄石市气象局</sender><senderCode>42020041600000</senderCode>
<sendTime>2026-11-23 15:09:00{zone}</sendTime><status>Actual</status><msgType>{kind}</msgType><scope>Public</scope>
<code><method><methodName>SMS</methodName><message>m</message></method></code><secClassification>None</secClassification>
<references>42020041600000_20261123090000</references>
<info><language>zh-CN</language><eventType>11B03</eventType><urgency>Unknown</urgency><severity>Orange</severity>
<certainty>Unknown</certainty><effective>2026-11-23 15:09:00{zone}</effective><onset/><expires/><senderName>某某</senderName>
<headline>{headline}</headline><description>预计未来3小时，黄石港区、西塞山区有50毫米以上降水。</description>
<area><areaDesc>黄石港区</areaDesc><polygon/><circle/><geocode>420202000000,420203000000</geocode></area></info></alert>"""


def info(area: str = "", **changes: str) -> str:
    """One info block; `area` is the inside of its area, nothing leaves the area out."""
    said = {"language": "zh-CN", "category": "Met", "event": "暴雨", "urgency": "Immediate", "severity": "Severe",
            "certainty": "Likely"} | changes  # fmt: skip
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in said.items() if text)
    return f"<info>{inner}{f'<area><areaDesc>x</areaDesc>{area}</area>' if area else ''}</info>"


def alert(*infos: str, space: str = NS, **changes: str) -> str:
    """One alert; an element that is changed to nothing is left out."""
    said = {"identifier": "A1", "sender": "s@x", "sent": "2026-11-23T10:00:00+08:00", "status": "Actual",
            "msgType": "Alert", "scope": "Public"} | changes  # fmt: skip
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in said.items() if text)
    return f'<alert xmlns="{space}">{inner}{"".join(infos)}</alert>'


def converted(*alerts: str) -> list[dict]:
    """The canonical events of messages in one file."""
    found, refused = read_cap(f"<list>{''.join(alerts)}</list>".encode())
    assert refused == []
    return [canonical(one, METEOROLOGY, CATALOGUE) for one in from_alerts(found, CATALOGUE)]


def polygon(points: str) -> str:
    """A polygon element."""
    return f"<polygon>{points}</polygon>"


def geocode(name: str, value: str) -> str:
    """A geocode element."""
    return f"<geocode><valueName>{name}</valueName><value>{value}</value></geocode>"


def test_an_index_feed_gives_what_it_tells() -> None:
    """Entries of NWS and MeteoAlarm feeds that carry CAP elements are events, and said to be index entries."""
    entry = (
        f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:cap="{NS}"><entry><id>urn:1</id>'
        "<updated>2026-11-23T10:00:00+08:00</updated><title>Rain</title><cap:event>Heavy rain</cap:event>"
        "<cap:status>Actual</cap:status><cap:msgType>Alert</cap:msgType><cap:severity>Severe</cap:severity>"
        f"<cap:areaDesc>x</cap:areaDesc><cap:polygon>{BOX}</cap:polygon></entry></feed>"
    )
    alerts, _ = read_cap(entry.encode())
    (event,) = [canonical(one, METEOROLOGY, CATALOGUE) for one in from_alerts(alerts, CATALOGUE)]
    assert (event["event_id"], event["category"], event["severity"]) == ("urn:1", "weather_rain", 2)
    assert event["grid_ids"]
    assert "It is an index entry, not the whole message." in event["notes"]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_the_national_warning_centres_form_is_read(encoding: str) -> None:
    """12379: no namespace, sendTime, eventType, colour as severity, several codes in one geocode, a bare reference."""
    text = NATIONAL.format(
        encoding=encoding, zone="+08:00", kind="Update", headline="将暴雨黄色预警升级为橙色预警[II级/严重]"
    )
    alerts, refused = read_cap(text.encode(encoding))
    assert refused == []
    (event,) = [canonical(one, METEOROLOGY, CATALOGUE) for one in from_alerts(alerts, CATALOGUE)]
    assert (event["category"], event["severity"], event["message"]) == ("weather_rain", 2, "update")
    assert event["grid_ids"] == ["420202", "420203"]
    assert event["references"] == ["42020041600000_20261123090000"]
    assert event["valid_until"] - event["valid_from"] == 3 * 3_600_000  # 未来3小时, since expires is empty


def test_a_national_message_without_offset_is_beijing_time_and_may_end_by_its_heading() -> None:
    """解除 in the heading ends the warning, whatever msgType says."""
    text = NATIONAL.format(encoding="utf-8", zone="", kind="Update", headline="黄石市气象局解除暴雨橙色预警")
    alerts, _ = read_cap(text.encode())
    (event,) = [canonical(one, METEOROLOGY, CATALOGUE) for one in from_alerts(alerts, CATALOGUE)]
    assert event["message"] == "cancel"
    assert event["occurred_at"] == int(datetime(2026, 11, 23, 7, 9, tzinfo=UTC).timestamp() * 1000)


def test_two_languages_of_one_info_are_one_event_in_chinese() -> None:
    """Chinese comes first, all languages are named; another area in the same language is another event."""
    english = info(polygon(BOX), language="en-GB", event="Heavy rain", headline="Heavy rain")
    chinese = info(polygon(BOX), headline="暴雨橙色预警")
    other = info(geocode("GB/T 2260", "420281"))
    first, second = converted(alert(english, chinese, other))
    assert (first["title"], first["said"]["languages"]) == ("暴雨橙色预警", ["zh-CN", "en-GB"])
    assert (first["event_id"], second["event_id"]) == ("A1", "A1#2")
    assert second["subject_keys"] == ["warning:A1#2"]  # another matter than the first


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Actual", "actual"), ("Exercise", "exercise"), ("Test", "test"), ("System", "test"), ("Draft", "test")],
)
def test_the_status_is_carried(status: str, expected: str) -> None:
    """Nothing but Actual is ever real to the hub; CAP's own word is kept."""
    (event,) = converted(alert(info(polygon(BOX)), status=status))
    assert (event["status"], event["said"]["status"]) == (expected, status)


def test_an_update_shares_its_subject_with_what_it_references() -> None:
    """References of several triples, and senders with commas, are read; the chain is one matter."""
    (event,) = converted(
        alert(info(), identifier="A3", msgType="Update", references="s@x,A1,2026-11-23T09:00:00+08:00 a,b,A2,t")
    )
    assert event["references"] == ["A1", "b,A2"]
    assert event["subject_keys"] == ["warning:A1", "warning:b,A2", "warning:A3"]
    assert event["message"] == "update"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"responseType": "AllClear"}, "cancel"),
        ({"urgency": "Past", "certainty": "Unlikely"}, "cancel"),
        ({"event": "Rainstorm Cancellation", "language": "en"}, "cancel"),
        ({"urgency": "Past"}, "update"),  # an earthquake is past, and not over
    ],
)
def test_an_update_that_calls_off_ends_the_warning(changes: dict[str, str], message: str) -> None:
    """AllClear, past and unlikely, or called a cancellation: the hub takes it as the end."""
    (event,) = converted(alert(info(**changes), msgType="Update", references="s,A0,t"))
    assert event["message"] == message


def test_a_cancel_without_info_takes_hazard_and_place_of_what_it_ends() -> None:
    """One cancel for each event of the message it references, with that event's places and key."""
    before = alert(info(polygon(BOX)), info(geocode("行政区划代码", "420281"), event="大风"))
    *_, first, second = converted(before, alert(identifier="A2", msgType="Cancel", references="s@x,A1,t"))
    assert [first["category"], second["category"]] == ["weather_rain", "weather_wind"]
    assert second["grid_ids"] == ["420281"]
    assert (first["references"], second["references"]) == (["A1"], ["A1#2"])
    assert first["message"] == second["message"] == "cancel"


def test_a_cancel_of_an_unknown_message_is_told_as_such() -> None:
    """Without the earlier message there is no place, unless the sender's code is of this city."""
    (foreign,) = converted(alert(msgType="Cancel", references="s@x,A0,t"))
    assert (foreign["grid_ids"], foreign["place_problem"]) == ([], "not_given")
    (ours,) = converted(
        alert(msgType="Cancel", sender="42028141600000", references="s,42028141600000_20261123090000,t")
    )
    assert ours["grid_ids"] == ["420281"]


def test_a_sender_that_keeps_one_identifier_does_not_lose_its_updates() -> None:
    """A message that references its own identifier is told apart by its time."""
    (event,) = converted(alert(info(), msgType="Update", references="s@x,A1,2026-11-23T09:00:00+08:00"))
    assert event["event_id"] == "A1,2026-11-23T10:00:00+08:00"
    assert event["references"] == ["A1"]


def test_signatures_are_kept_and_not_verified() -> None:
    """The signature travels with the record as XML; a very long one as its digest."""
    signed = alert(info()).replace(
        "</alert>", '<Signature xmlns="urn:d"><SignatureValue>Q&lt;</SignatureValue></Signature></alert>'
    )
    (one,), _ = read_cap(signed.encode())
    assert one.signature == '<Signature xmlns="urn:d"><SignatureValue>Q&lt;</SignatureValue></Signature>'
    (long,), _ = read_cap(signed.replace("Q&lt;", "Q" * 20_000).encode())
    assert long.signature.startswith("<Signature sha256=")


def test_acknowledgements_are_shown_and_never_published() -> None:
    """An Ack or Error is no warning: it is an event to look at, not one for the road."""
    (event,) = converted(alert(msgType="Ack", references="s,A0,t"))
    assert (event["published"], event["message"]) == (False, None)


@pytest.mark.parametrize(
    ("area", "codes", "note"),
    [
        (polygon("30.21,115.02 30.22,115.02 30.22,115.03 30.21,115.03 30.21,115.02"), True, ""),
        (polygon("\n 30.19, 115.00\t30.24 , 115.00\n30.24,115.06 30.19,115.06\n"), True, "was not closed"),
        (polygon("30.19,115.00 30.24,115.00"), False, "encloses nothing"),
        (polygon("115.00,30.19 115.00,30.24 115.06,30.24 115.00,30.19"), False, "swapped_axes"),
        (polygon("30.19,115.00 x,y 30.24,115.06 30.19,115.00"), False, "no latitude,longitude"),
        (polygon("30.19,115.00 nan,115 30.24,115.06 30.19,115.00"), False, "no latitude,longitude"),
        (polygon("30.19,115.00 30.24,195.00 30.24,115.06 30.19,115.00"), False, "not on the earth"),
        ("<circle>30.2256,115.0348 0</circle>", True, ""),
        ("<circle>30.2256,115.0348 2.5</circle>", True, ""),
        ("<circle>30.2256 115.0348</circle>", False, "no latitude,longitude"),
        ("<circle>30.2256,115.0348 -1</circle>", False, "no radius"),
        (polygon("39.8,116.2 40.1,116.2 40.1,116.6 39.8,116.2"), False, "outside the city"),
        (
            polygon("30.19,114.0 30.24,114.0 30.24,115.06 30.19,115.06 30.19,114.0"),
            True,
            "outside the city and was left out",
        ),
        (geocode("行政区划代码", "420202"), True, ""),
        (geocode("行政区划代码", "420202005"), False, "its code system is not named"),
        (geocode("国家统计局", "420202005"), True, ""),
        (geocode("民政部", "420202005"), True, ""),
        (geocode("行政区划代码", "420100"), False, "outside the city"),
        (geocode("SAME", "006109"), False, "no place of China"),
        (geocode("EMMA_ID", "DE202"), False, "no place of China"),
        (geocode("行政区划代码", "420000"), True, ""),  # the whole province
    ],
)
def test_areas(area: str, codes: bool, note: str) -> None:  # a column of the table
    """Shapes and codes of the city give codes; what cannot be used is named, and never moved."""
    (event,) = converted(alert(info(area)))
    assert bool(event["grid_ids"]) is codes
    assert any(note in sentence for sentence in event["notes"]) if note else event["notes"] == []


def test_an_unknown_geocode_system_is_named_and_not_guessed() -> None:
    """In a foreign message, six digits of an unknown system are no Chinese code."""
    (event,) = converted(alert(info(geocode("some-zip", "420202"), language="ru", event="Rain")))
    assert event["grid_ids"] == []
    assert "The geocode system 'some-zip' is not known; its codes are not used." in event["notes"]


def test_several_areas_are_one_place() -> None:
    """Polygons, circles and codes of all areas together; drawn ground counts before the codes of the same area."""
    one = f"{polygon(BOX)}{geocode('GB/T 2260', '420200')}"
    message = info(one).replace(
        "</info>", f"<area><areaDesc>y</areaDesc>{geocode('GB/T 2260', '420281')}</area></info>"
    )
    (event,) = converted(alert(message))
    assert "420281" in event["grid_ids"]
    assert "420200" not in event["grid_ids"]


def test_the_area_may_be_named_in_words() -> None:
    """A Chinese area without shape or code is found by its names, and said so."""
    (event,) = converted(
        alert(info().replace("</info>", "<area><areaDesc>黄石港区、西塞山区</areaDesc></area></info>"))
    )
    assert event["grid_ids"] == ["420202", "420203"]
    assert any("found by its name" in note for note in event["notes"])


def test_a_detailed_polygon_is_simplified() -> None:
    """Thousands of corners become at most a thousand, the codes stay those of the ground."""
    import numpy as np

    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    points = " ".join(f"{30.2 + 0.05 * np.sin(a):.6f},{115.03 + 0.05 * np.cos(a):.6f}" for a in angles)
    (fine,), (coarse,) = (
        converted(alert(info(polygon(points)))),
        converted(alert(info("<circle>30.2,115.03 5.2</circle>"))),
    )
    assert any("was simplified" in note for note in fine["notes"])
    assert len(set(fine["grid_ids"]) & set(coarse["grid_ids"])) > len(fine["grid_ids"]) // 2


@pytest.mark.parametrize(
    ("changes", "category", "severity"),
    [
        ({"event": "暴雨红色预警"}, "weather_rain", 1),
        ({"event": "Severe Thunderstorm Warning", "language": "en-US"}, "weather_thunder_gale", 2),
        ({"event": "Flash Flood Warning", "severity": "Extreme", "language": "en-US"}, "weather_flash_flood", 1),
        ({"event": "Wind chill", "severity": "Minor", "language": "en-US"}, "weather_cold", 4),
        ({"event": "Sismo", "category": "Geo", "language": "es-MX"}, "earthquake_warning", 2),
        ({"event": "orages", "severity": "Unknown", "language": "fr-CA"}, "weather_thunder_gale", 3),
        ({"event": "SVR", "language": "en-US"}, "weather_thunder_gale", 2),
        ({"event": "Special Weather Statement", "language": "en-US"}, "weather_other", 2),
        (
            {
                "event": "Varning",
                "language": "sv-SE",
                "parameter": "<valueName>awareness_type</valueName><value>12; Flooding</value>",
            },
            "weather_flood",
            2,
        ),
        ({"event": "Child Abduction", "category": "Rescue", "language": "en-US"}, "emergency_warning", 2),
    ],
)
def test_hazards_of_other_countries_have_a_category(changes: dict[str, str], category: str, severity: int) -> None:
    """Known names lead to the city's categories; anything else is another emergency and is named."""
    (event,) = converted(alert(info(polygon(BOX), **changes)))
    assert (event["category"], event["severity"]) == (category, severity)


def test_a_warning_that_ends_before_it_begins_is_named() -> None:
    """The event is given, with a note."""
    (event,) = converted(alert(info(polygon(BOX), expires="2026-11-22T00:00:00+08:00")))
    assert "The warning expires before it begins." in event["notes"]
    assert event["valid_until"] < event["occurred_at"] - timedelta(hours=1) / timedelta(milliseconds=1)
