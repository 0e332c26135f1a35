"""CAP messages: what is read, what is refused, and what becomes of it as the meteorology department's record."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridhub.connectors.sources.departments import Departments
from gridhub.connectors.warnings.cap import CapError, read_cap
from gridhub.connectors.warnings.events import canonical
from gridhub.connectors.warnings.records import from_alerts
from gridhub.streams.place.catalogue import Catalogue

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "cap-samples"
CATALOGUE = Catalogue.load()
METEOROLOGY = Departments.load().by_code["meteorology"]
NS = "urn:oasis:names:tc:emergency:cap:1.2"


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


def refusal(data: bytes) -> str:
    """Why a message is refused."""
    try:
        return read_cap(data)[1][0]
    except CapError as error:
        return str(error)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the real messages of ../shared/data/cap-samples are not here")
@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.[xc][ma][lp]")), ids=lambda path: path.name)
def test_real_messages_give_events(path: Path) -> None:
    """Every valid sample gives events with an id, a time and a category; the invalid one and the attack are refused."""
    if path.name in {"gcl-invalid.cap", "gcl-xee.cap"}:
        assert "scope" in refusal(path.read_bytes()) or "DOCTYPE" in refusal(path.read_bytes())
        return
    alerts, refused = read_cap(path.read_bytes())
    events = [canonical(one, METEOROLOGY, CATALOGUE) for one in from_alerts(alerts, CATALOGUE)]
    assert refused == []
    assert events
    assert all(event["event_id"] and event["occurred_at"] and event["category"] for event in events)
    assert all(event["grid_ids"] == [] and event["place_problem"] for event in events)  # none of them is in Huangshi


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (alert(scope=""), "scope is missing"),
        (alert(identifier=" "), "identifier is empty"),
        (alert(sent="2026-02-30T10:00:00+08:00"), "no time of the calendar"),
        (alert(sent="2026-11-23T10:00:00"), "no offset"),
        (alert(sent="yesterday"), "is no time"),
        (alert(sent="0001-01-01T00:00:00+14:00"), "no time of the calendar"),
        (alert(status="Real"), "none of Actual"),
        (alert(msgType="alert"), "none of Alert"),
        (alert(info(category="")), "category is missing"),
        (alert(info(severity="Orange")), "none of Extreme"),
        (alert(info(expires="2026-13-01T00:00:00+08:00")), "info 1: expires"),
        (alert("<info/>"), "category is missing"),
        (alert(info().replace("</info>", "<area><polygon>1,1</polygon></area></info>")), "areaDesc is missing"),
        (alert(references=" ".join(["s,i,t"] * 300)), "references more than"),
        (alert(space="urn:oasis:names:tc:emergency:cap:2.0"), "version of CAP"),
    ],
)
def test_what_breaks_the_standard_is_refused(message: str, sentence: str) -> None:
    """A missing element, a word or time that is none, a version that is not known: each is named."""
    alerts, refused = read_cap(message.encode())
    assert alerts == []
    assert sentence in refused[0]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("<rss/>", "no CAP alert"),
        ('<alert xmlns="urn:other"/>', "form that is not known"),
        ('<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id></entry></feed>', "fetch the alerts"),
        ("<list>" + alert() * 501 + "</list>", "more than 500 alerts"),
    ],
)
def test_what_holds_no_alert_is_refused(message: str, sentence: str) -> None:
    """Other XML, and a feed that only links, are told apart from a broken alert."""
    with pytest.raises(CapError, match=sentence):
        read_cap(message.encode())


def test_one_bad_alert_of_several_is_refused_alone() -> None:
    """The others of the file are read; the sentence says which one was bad."""
    alerts, refused = read_cap(f"<list>{alert()}{alert(scope='')}{alert(identifier='A3')}</list>".encode())
    assert [one.identifier for one in alerts] == ["A1", "A3"]
    assert refused == ["Alert 2 of 3: the required element scope is missing."]


@pytest.mark.parametrize(
    "wrapped",
    [
        alert(info()),
        alert(info()).replace("<", "<cap:").replace("<cap:/", "</cap:").replace("xmlns=", "xmlns:cap="),
        f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><content type="text/xml">{alert(info())}</content></entry></feed>',
        (
            f'<EDXLDistribution xmlns="urn:oasis:names:tc:emergency:EDXL:DE:1.0"><contentObject><xmlContent>'
            f"<embeddedXMLContent>{alert(info())}</embeddedXMLContent></xmlContent></contentObject></EDXLDistribution>"
        ),
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{alert(info())}</s:Body></s:Envelope>',
        alert(info(), space="urn:oasis:names:tc:emergency:cap:1.1"),
        alert(info(), space="http://www.incident.com/cap/1.0"),
        alert(info()).replace(f' xmlns="{NS}"', ""),
        "\n " + alert(info()),
    ],
)
def test_prefixes_versions_and_envelopes_do_not_matter(wrapped: str) -> None:
    """The same alert is read from each."""
    alerts, refused = read_cap(wrapped.encode())
    assert refused == []
    assert [(one.identifier, one.infos[0].event, one.sent) for one in alerts] == [
        ("A1", "暴雨", datetime(2026, 11, 23, 2, tzinfo=UTC))
    ]


def test_empty_optional_elements_and_odd_times_are_no_fault() -> None:
    """Empty elements are as missing ones; -00:00 and Z are UTC; fractions of seconds are read."""
    message = alert(info(expires="2026-11-23T12:00:00.5Z").replace("</info>", "<onset/><headline/></info>"),
                    sent="2026-11-23T10:00:00-00:00").replace("</alert>", "<references/><note/></alert>")  # fmt: skip
    (one,), refused = read_cap(message.encode())
    assert refused == []
    assert one.sent == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert one.infos[0].expires == datetime(2026, 11, 23, 12, 0, 0, 500_000, tzinfo=UTC)
    assert one.infos[0].onset is None


def test_version_1_0_needs_no_category() -> None:
    """It became a required element with 1.1; codes and parameters were `name=value` texts then."""
    old = info(category="", geocode="").replace("</info>", "<parameter>Depth=11</parameter></info>")
    (one,), refused = read_cap(alert(old, space="http://www.incident.com/cap/1.0").encode())
    assert refused == []
    assert (one.version, one.infos[0].categories, one.infos[0].parameters) == ("1.0", (), (("Depth", "11"),))
