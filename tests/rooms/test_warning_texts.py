"""Chinese warning titles and texts: hazard, colour, verb, body, times and places; what is not announced is refused."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pytest

from gridhub.connectors.sources.departments import Departments
from gridhub.connectors.warnings.events import canonical
from gridhub.connectors.warnings.lines import convert_lines
from gridhub.connectors.warnings.signals import by_name, level
from gridhub.connectors.warnings.text import WarningTextError, issuer_in, read_warning
from gridhub.connectors.warnings.text_areas import areas_in
from gridhub.connectors.warnings.text_times import BEIJING
from gridhub.streams.categories import Categories
from gridhub.streams.place.catalogue import Catalogue

DATA = Path(__file__).parents[3] / "shared" / "data"
CATALOGUE = Catalogue.load()
METEOROLOGY = Departments.load().by_code["meteorology"]
AT = datetime(2026, 11, 23, 16, 0, tzinfo=BEIJING)
SIGNALS = [
    "台风",
    "暴雨",
    "暴雪",
    "寒潮",
    "大风",
    "沙尘暴",
    "高温",
    "干旱",
    "雷电",
    "冰雹",
    "霜冻",
    "大雾",
    "霾",
    "道路结冰",
]
ACTIONS = {"issue": "issue", "continue": "continue", "upgrade": "upgrade"}


def told(text: str, title: str = "") -> list[tuple[str, str, str]]:
    """Hazard, colour and action of each warning."""
    return [(one.signal.name, one.level.name, one.action) for one in read_warning(text, AT, title)]


def until(text: str) -> str:
    """Until when a text holds, month-day hour."""
    (one,) = read_warning(text, AT)
    return one.valid.end.strftime("%m-%d %H:%M") if one.valid.end else f"? {one.valid.unread}"


@pytest.mark.skipif(not DATA.is_dir(), reason="the real texts of ../shared/data are not here")
def test_real_texts_are_read() -> None:
    """Each of the real texts gives its hazard, its action and its time; an upgrade gives the new colour."""
    for line in (DATA / "weather-warning-texts.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        at = datetime.fromisoformat(row["issued_local"]).replace(tzinfo=BEIJING) if row["issued_local"] else AT
        (one,) = read_warning(row["text"], at)
        assert (one.signal.name, one.action) == (row["hazard"], ACTIONS[row["action"]])
        assert (one.before or one.level).name == row["colour"]
        assert row["issued_local"] is None or one.issued == at


@pytest.mark.skipif(not DATA.is_dir(), reason="the real titles of ../shared/data are not here")
def test_real_titles_are_read() -> None:
    """Each of the real titles gives its hazard, colour and body; none of them is about this city."""
    with (DATA / "nmc-alert-titles-2026-09-20.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    for row in rows:
        (one,) = read_warning("", AT, row["title"])
        assert row["title"].endswith(f"{one.issuer}发布{one.signal.name}{one.level.name}预警信号")
        assert areas_in(row["title"], one.issuer, CATALOGUE).codes == ()


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("colour", "蓝黄橙红")
def test_every_signal_in_every_colour(signal: str, colour: str) -> None:
    """The fourteen signals in the four colours, as every body writes them, have the codes of the national feed."""
    (one,) = read_warning(f"黄石市气象台2026年11月23日15时10分发布{signal}{colour}色预警信号：请注意防范。", AT)
    assert (one.signal.code, one.level) == (f"{SIGNALS.index(signal) + 1:02d}", level(colour))


def test_every_hazard_has_a_category_and_the_mapping_knows_it() -> None:
    """Each row of the table leads through the department's mapping to the category that the table names."""
    categories = Categories.load()
    for signal in by_name().values():
        record = {"signal": {"typeCode": signal.code, "typeName": signal.name, "levelCode": "02"}, "identifier": "i",
                  "sent": AT.isoformat(), "status": "Actual", "msgType": "Alert", "areas": []}  # fmt: skip
        assert signal.category in categories
        assert METEOROLOGY.event(record)["category"] == signal.category


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("黄石市气象台继续发布大风蓝色预警信号", [("大风", "蓝色", "continue")]),
        ("黄石市气象台将大风蓝色预警信号升级为黄色预警信号", [("大风", "黄色", "upgrade")]),
        ("黄石市气象台将暴雨橙色预警信号变更为暴雨红色预警信号", [("暴雨", "红色", "upgrade")]),
        ("黄石市气象台将高温红色预警降级为橙色预警", [("高温", "橙色", "downgrade")]),
        ("大风预警信号由蓝色升级为黄色", [("大风", "黄色", "upgrade")]),
        ("黄石市气象台变更发布高温橙色预警信号为高温红色", [("高温", "红色", "upgrade")]),
        ("黄石市气象台变更发布雷电黄色预警信号", [("雷电", "黄色", "change")]),
        ("黄石市气象台升级发布暴雨红色预警信号", [("暴雨", "红色", "upgrade")]),
        ("黄石市气象台确认发布霾橙色预警信号", [("霾", "橙色", "confirm")]),
        ("黄石市气象台更新台风蓝色预警信号", [("台风", "蓝色", "update")]),
        ("黄石市气象台解除大雾橙色预警信号", [("大雾", "橙色", "cancel")]),
        ("大雾黄色预警信号已解除", [("大雾", "黄色", "cancel")]),
        ("黄石市气象台23日8时解除暴雨预警", [("暴雨", "", "cancel")]),
        ("此前发布的暴雨橙色预警信号继续有效", [("暴雨", "橙色", "continue")]),
        ("黄石市气象台发布暴雨橙色、雷电黄色预警信号", [("暴雨", "橙色", "issue"), ("雷电", "黄色", "issue")]),
        ("解除大风蓝色预警信号，同时发布寒潮蓝色预警信号", [("大风", "蓝色", "cancel"), ("寒潮", "蓝色", "issue")]),
        ("将雷电黄色预警变更为雷雨大风黄色预警", [("雷电", "黄色", "cancel"), ("雷雨大风", "黄色", "issue")]),
        ("【暴雨橙色预警】黄石市气象台11月23日15时发布暴雨橙色预警信号：请注意", [("暴雨", "橙色", "issue")]),
        ("暴雨橙色预警", [("暴雨", "橙色", "issue")]),
        ("暴雨预警信号（橙色）", [("暴雨", "橙色", "issue")]),
        ("黄石市气象台发布暴雨Ⅲ级预警", [("暴雨", "黄色", "issue")]),
        ("黄石市发布重污染天气Ⅱ级（橙色）预警", [("重污染天气", "橙色", "issue")]),
        (
            "黄石市自然资源和规划局、黄石市气象局联合发布地质灾害气象风险橙色预警（Ⅱ级）",
            [("地质灾害气象风险", "橙色", "issue")],
        ),
        ("黄石市水利和湖泊局与黄石市气象局联合发布山洪灾害气象黄色预警", [("山洪灾害", "黄色", "issue")]),
        ("黄石市气象台发布森林火险气象红色预警", [("森林火险", "红色", "issue")]),
        ("黄石市气象台发布强对流黄色预警", [("强对流", "黄色", "issue")]),
        ("黄石市气象台发布臭氧黄色预警", [("臭氧", "黄色", "issue")]),
        ("黄石市气象台发布持续低温蓝色预警信号", [("持续低温", "蓝色", "issue")]),
        ("黄石市气象台发布台风白色预警信号", [("台风", "白色", "issue")]),
        ("黄石市气象台 发布 雷 电 黄色 预警 信号", [("雷电", "黄色", "issue")]),
        ("黄石市气象台发布雷雨大风橙色预警信号，此前的大风蓝色预警另行解除。", [("雷雨大风", "橙色", "issue")]),
    ],
)
def test_verbs_and_forms(text: str, expected: list[tuple[str, str, str]]) -> None:
    """Every usual way of saying what was done with which warning."""
    assert told(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("可能发布暴雨红色预警，请关注", "mentions a warning"),
        ("将发布暴雨红色预警", "mentions a warning"),
        ("请注意收听后续暴雨橙色预警", "mentions a warning"),
        ("今年以来共发布暴雨橙色预警12次", "mentions a warning"),
        ("关于发布暴雨橙色预警信号的通知", "mentions a warning"),
        ("网传黄石发布暴雨红色预警为谣言", "mentions a warning"),
        ("暴雨预警信号分为四级，分别以蓝色、黄色、橙色、红色表示", "mentions a warning"),
        ("黄石市气象台发布沙漠化蓝色预警信号", "the hazard 沙漠化 is not known"),
        ("黄石市今天多云转晴", "announces no warning"),
        ("黄石市启动防汛四级应急响应", "announces no warning"),
        ("", "announces no warning"),
        ("黄石市气象台2026年2月30日10时发布大风蓝色预警", "no day of the calendar"),
        ("黄石市气象台23日25时10分发布大风蓝色预警", "no time of the day"),
        ("黄石市气象台发布大风蓝色预警、大风黄色预警", "two colours"),
        ("雨" * 30_000, "more than"),
    ],
)
def test_what_is_not_announced_for_certain_is_refused(text: str, sentence: str) -> None:
    """Mentions, forecasts of warnings, unknown hazards and impossible times give no event, and say why."""
    with pytest.raises(WarningTextError, match=sentence):
        read_warning(text, AT)


def test_title_and_text_must_agree() -> None:
    """The title says which warning it is; a text with another colour or another hazard is refused."""
    body = "黄石市气象台11月23日15时发布暴雨橙色预警信号：预计未来3小时有强降水。"
    assert told(body, "黄石市气象台发布暴雨橙色预警信号") == [("暴雨", "橙色", "issue")]
    with pytest.raises(WarningTextError, match="title says 红色, the text 橙色"):
        told(body, "黄石市气象台发布暴雨红色预警信号")
    with pytest.raises(WarningTextError, match="different warnings"):
        told(body, "黄石市气象台发布雷电黄色预警信号")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("【演练】黄石市气象台发布台风红色预警信号", "Exercise"),
        ("黄石市气象台发布台风红色预警信号（此为演习）", "Exercise"),
        ("【测试】黄石市气象台发布台风红色预警信号", "Test"),
        ("黄石市气象台发布台风红色预警信号，这不是演习", "Actual"),
    ],
)
def test_an_exercise_says_so(text: str, status: str) -> None:
    """What calls itself an exercise or a test never becomes real."""
    assert [one.status for one in read_warning(text, AT)] == [status]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("预计未来6小时", "11-23 21:10"),
        ("预计未来两小时", "11-23 17:10"),
        ("预计未来24到48小时", "11-25 15:10"),
        ("24小时内最高气温将升至37℃", "11-24 15:10"),
        ("预计22日20时至23日22时", "11-23 22:00"),
        ("预计23日20时至24日08时", "11-24 08:00"),
        ("预计23日22时至6时", "11-24 06:00"),
        ("当前至23日18时", "11-23 18:00"),
        ("预计今天夜间", "11-24 08:00"),
        ("预计今天下午到夜里", "11-24 08:00"),
        ("预计今天下午到明天白天", "11-24 20:00"),
        ("预计24日夜间至25日夜间", "11-26 08:00"),
        ("预计30日20时至1日08时", "12-01 08:00"),
        ("过去3小时降水50毫米，预计持续至23日24时", "11-24 00:00"),
        ("预计明天全市有大风", "? 明天"),
        ("请注意防范", "? "),
    ],
)
def test_until_when_it_holds(said: str, expected: str) -> None:
    """Hours from the issue, spans over midnight and month, parts of the day; what is not exact is named."""
    assert until(f"黄石市气象台2026年11月23日15时10分发布大风蓝色预警信号：{said}，请防范。") == expected


@pytest.mark.parametrize(
    ("said", "at", "expected"),
    [
        ("12月31日23时", "2027-01-01T01:00:00+08:00", "2026-12-31T23:00"),
        ("31日23时50分", "2027-01-01T01:00:00+08:00", "2026-12-31T23:50"),
        ("1日00时10分", "2026-12-31T23:50:00+08:00", "2027-01-01T00:10"),
        ("02月29日08时", "2028-02-29T09:00:00+08:00", "2028-02-29T08:00"),
        ("今天10时5分", "2026-11-23T16:00:00+08:00", "2026-11-23T10:05"),
        ("2026年11月23日15:10", "2026-11-23T16:00:00+08:00", "2026-11-23T15:10"),
        ("23日24时", "2026-11-24T00:10:00+08:00", "2026-11-24T00:00"),
    ],
)
def test_a_year_or_month_that_is_left_out(said: str, at: str, expected: str) -> None:
    """It comes from the moment of arrival, over the ends of months and years."""
    (one,) = read_warning(f"黄石市气象台{said}发布大风蓝色预警信号", datetime.fromisoformat(at))
    assert one.issued is not None
    assert one.issued.strftime("%Y-%m-%dT%H:%M") == expected


@pytest.mark.parametrize(
    ("issuer", "text", "codes"),
    [
        ("黄石市气象台", "预计未来3小时，黄石港区、西塞山区有强降水", ("420202", "420203")),
        ("黄石市气象台", "预计我市大部有大风", ("420200",)),
        ("黄石市气象台", "预计大冶、阳新有雷电", ("420281", "420222")),
        ("湖北省黄石市大冶市气象台", "", ("420281",)),
        (
            "大冶市气象台",
            "预计保安镇、还地桥镇、金山店、灵乡等乡镇有雷电",
            ("420281101", "420281104", "420281103", "420281102"),
        ),
        ("黄石市气象台", "除铁山区外，全市有大风", ("420202", "420203", "420204", "420222", "420281")),
        ("黄石市气象台", "解除大风蓝色预警信号", ("420200",)),
        ("湖北省气象台", "预计武汉、黄石有暴雨", ("420200",)),
        ("武汉中心气象台", "竹山局部有暴雨", ()),
        ("中央气象台", "安徽、江苏有暴雨", ()),
        ("张家港市气象台", "我市部分地区", ()),
        ("市气象台", "我市部分地区", ()),
        ("昭苏县气象台", "预计黄石港区", ()),
        ("", "受台风影响，全市有大风", ()),
    ],
)
def test_the_places_that_a_text_names(issuer: str, text: str, codes: tuple[str, ...]) -> None:
    """Our districts and towns by name, else what the body speaks for; another city's body gives none, nor does a guess."""
    assert areas_in(text, issuer, CATALOGUE).codes == codes


def test_bodies_that_issue_together() -> None:
    """和 inside a body's name does not part it; what stands before the body does not belong to it."""
    text = "受冷空气影响，黄石市自然资源和规划局、黄石市气象局联合"
    assert issuer_in(text) == "黄石市自然资源和规划局、黄石市气象局"
    assert issuer_in("和平县气象台于04月26日") == "和平县气象台"


def test_lines_of_a_feed() -> None:
    """A cancel that names no place has the places of the warning it ends; a bad line is named and stops nothing."""
    lines = [
        (
            '{"id":"42020041600000_20261123090000","title":"黄石市气象台发布大风蓝色预警信号",'
            '"text":"黄石市气象台23日9时发布大风蓝色预警信号：预计黄石港区、下陆区有大风"}'
        ),
        "不是预警",
        "",
        '{"text":"黄石市气象台11月23日12时解除大风蓝色预警信号。"}',
        '{"text": 7}',
    ]
    found = list(convert_lines([line.encode() for line in lines], AT, CATALOGUE))
    events = [canonical(one, METEOROLOGY, CATALOGUE) for made, _ in found for one in made]
    sentences = [sentence for _, sentence in found if sentence]
    assert sentences == ["Line 2: The text announces no warning.", "Line 5: text must be text."]
    assert [event["grid_ids"] for event in events] == [["420202", "420204"]] * 2
    assert [event["message"] for event in events] == ["alert", "cancel"]
    assert set(events[0]["subject_keys"]) & set(events[1]["subject_keys"]) == {"warning:420200/大风"}
    assert events[0]["event_id"] == "42020041600000_20261123090000"
