"""What happens in the simulated city: kinds of matters, who tells of them, in which types, how often and when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

Subject = Literal["", "transformer", "feeder", "licence", "person", "warning"]
POLICE, POWER, WEATHER = "public-security", "power", "meteorology"
FOOD, SOCIAL, HEALTH, URBAN = "food-drug", "social-security", "family-planning", "urban-management"


class Voice(NamedTuple):
    """One way in which a department tells of a matter: its own type, and its own word for it."""

    department: str
    type: str
    word: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of matter. `first` may tell of it first, `more` again; `often` is its share of the city's matters.

    `again` is the chance of each further report. `subject`: what all its reports name alike. A kind that is `keyed`
    cannot be confused with its neighbours, since two of them never name the same subject. `wide`: a street or more.
    """

    name: str
    category: str  # its row in config/categories.csv: group, radius and window
    first: tuple[Voice, ...]
    often: float
    rhythm: str
    more: tuple[Voice, ...] = ()
    again: float = 0.35
    subject: Subject = ""
    keyed: bool = False
    wide: bool = False


_police, _power, _food, _urban = (partial(Voice, code) for code in (POLICE, POWER, FOOD, URBAN))
_OUTAGE, _CALL_OUTAGE = _power("1001", "故障停电"), _police("050101", "停电")
_CALL_DARK, _DARK = _police("050102", "路灯不亮"), _power("1007", "路灯回路失电")
_TREE, _FLOOD = _police("050107", "树木倒伏"), _police("050104", "道路积水")
_POISON, _FOOD_POISON = _police("060102", "疑似食物中毒"), _food("SJ01", "疑似食物中毒")

_POWER_KINDS = (
    Kind("outage", "power_outage", (_OUTAGE,), 7, "evening", (_OUTAGE, _CALL_OUTAGE, _CALL_DARK), 0.5, "transformer"),
    Kind(
        "voltage",
        "voltage_abnormal",
        (_power("1003", "低电压"), _power("1004", "过电压")),
        2.5,
        "evening",
        (_power("1003", "低电压"),),
        0.2,
        "transformer",
    ),
    Kind(
        "transformer",
        "transformer_fault",
        (_power("1005", "变压器缺陷"),),
        1.5,
        "flat",
        (_OUTAGE, _CALL_OUTAGE),
        0.5,
        "transformer",
    ),
    Kind(
        "feeder_trip",
        "power_outage",
        (_power("1002", "线路跳闸"),),
        0.4,
        "flat",
        (_power("1002", "线路跳闸"),),
        0.4,
        "feeder",
        wide=True,
    ),
    Kind(
        "wire_down",
        "cable_down",
        (_power("1006", "导线断落"),),
        0.8,
        "flat",
        (_power("1006", "导线断落"),),
        0.25,
        "transformer",
    ),
    Kind("dark_street", "dark_street", (_CALL_DARK, _DARK), 3, "night", (_CALL_DARK,), 0.3),
    Kind(
        "planned_work",
        "planned_power_work",
        (_power("2001", "计划停电"), _power("2002", "带电作业")),
        3,
        "office",
        subject="transformer",
        keyed=True,
    ),
    Kind("lift", "lift_alarm", (_police("040102", "电梯困人"),), 1.2, "evening", (_police("040102", "电梯困人"),), 0.3),
)
_POLICE_KINDS = (
    Kind("theft", "theft", (_police("010101", "盗窃"),), 4, "night", subject="person", keyed=True),
    Kind("fraud", "fraud", (_police("010301", "诈骗"),), 3, "office", subject="person", keyed=True),
    Kind("dispute", "dispute", (_police("040105", "纠纷"),), 5, "evening", subject="person", keyed=True),
    Kind(
        "domestic",
        "domestic_violence",
        (_police("010202", "家庭暴力"),),
        1.5,
        "night",
        (_police("010202", "家庭暴力"),),
        0.2,
        "person",
        keyed=True,
    ),
    Kind("brawl", "brawl", (_police("010201", "打架斗殴"),), 4, "night", (_police("010201", "打架斗殴"),), 0.45),
    Kind(
        "traffic",
        "traffic_accident",
        (_police("020101", "交通事故"),),
        7,
        "traffic",
        (_police("020101", "交通事故"),),
        0.35,
    ),
    Kind(
        "parking",
        "illegal_parking",
        (_police("020102", "违章停车"), _urban("09009", "机动车乱停放")),
        4,
        "traffic",
        (_police("020102", "违章停车"), _urban("09009", "机动车乱停放")),
        0.2,
    ),
    Kind("fire", "fire", (_police("030101", "火灾"),), 1.2, "night", (_police("030101", "火灾"),), 0.6),
    Kind("gas", "gas_leak", (_police("030102", "燃气泄漏"),), 0.6, "evening", (_police("030102", "燃气泄漏"),), 0.4),
    Kind(
        "missing",
        "missing_person",
        (_police("040101", "人员走失"),),
        0.8,
        "evening",
        (_police("040101", "人员走失"),),
        0.4,
        "person",
        keyed=True,
    ),
    Kind("suicide", "suicide_risk", (_police("040103", "轻生"),), 0.3, "night", (_police("040103", "轻生"),), 0.5),
    Kind("drowning", "drowning", (_police("040104", "溺水"),), 0.3, "evening", (_police("040104", "溺水"),), 0.5),
    Kind("noise", "noise", (_police("040106", "噪声扰民"),), 5, "night", (_police("040106", "噪声扰民"),), 0.35),
)
_STREET_KINDS = (
    Kind(
        "water",
        "water_main_burst",
        (_police("050103", "水管爆裂"), _urban("X0301", "水管爆裂")),
        1,
        "flat",
        (_police("050103", "水管爆裂"), _urban("X0301", "水管爆裂")),
        0.4,
    ),
    Kind(
        "flood",
        "flooding",
        (_FLOOD, _urban("X0303", "道路积水")),
        0.8,
        "flat",
        (_FLOOD, _urban("X0303", "道路积水")),
        0.5,
    ),
    Kind(
        "collapse",
        "road_collapse",
        (_police("050105", "路面塌陷"),),
        0.5,
        "traffic",
        (_police("050105", "路面塌陷"), _urban("X0305", "路面塌陷")),
        0.4,
    ),
    Kind(
        "landslide", "landslide", (_police("050106", "山体滑坡"),), 0.3, "flat", (_police("050106", "山体滑坡"),), 0.4
    ),
    Kind(
        "tree",
        "tree_down",
        (_TREE, _urban("X0307", "行道树倒伏")),
        1,
        "flat",
        (_TREE, _urban("X0307", "行道树倒伏")),
        0.3,
    ),
    Kind(
        "garbage", "exposed_garbage", (_urban("06010", "暴露垃圾"),), 4, "office", (_urban("06010", "暴露垃圾"),), 0.2
    ),
    Kind("manhole", "manhole_cover", (_urban("01002", "井盖缺失"),), 1, "traffic", (_urban("01002", "井盖缺失"),), 0.2),
    Kind("vending", "street_vending", (_urban("09001", "无照游商"),), 3, "meals"),
    Kind("building", "illegal_building", (_urban("06001", "私搭乱建"),), 1, "office"),
)
_FOOD_KINDS = (
    Kind(
        "unlicensed",
        "unlicensed_food",
        (_police("060101", "无证餐饮"), _food("TS02", "无证经营举报")),
        1.5,
        "meals",
        (_food("TS02", "无证经营举报"), _police("060101", "无证餐饮")),
        0.3,
    ),
    Kind("poisoning", "food_poisoning", (_POISON, _FOOD_POISON), 0.8, "meals", (_FOOD_POISON, _POISON), 0.6, "licence"),
    Kind(
        "complaint",
        "food_complaint",
        (_food("TS01", "食品投诉"),),
        5,
        "meals",
        (_food("TS01", "食品投诉"),),
        0.25,
        "licence",
        keyed=True,
    ),
    Kind(
        "food_failure",
        "food_inspection_failure",
        (_food("CJ01", "食品抽检不合格"),),
        3,
        "office",
        subject="licence",
        keyed=True,
    ),
    Kind(
        "drug_failure",
        "drug_inspection_failure",
        (_food("CJ02", "药品抽检不合格"),),
        1,
        "office",
        subject="licence",
        keyed=True,
    ),
    Kind(
        "expired",
        "expired_drugs",
        (_food("TS03", "过期药品举报"),),
        1,
        "meals",
        (_food("TS03", "过期药品举报"),),
        0.15,
        "licence",
        keyed=True,
    ),
    Kind("food_recall", "food_recall", (_food("ZH01", "食品召回"),), 0.6, "office", subject="licence", keyed=True),
    Kind("drug_recall", "drug_recall", (_food("ZH02", "药品召回"),), 0.4, "office", subject="licence", keyed=True),
)


def _service(department: str, name: str, category: str, code: str, often: float, *more: str) -> Kind:
    again = tuple(Voice(department, other, "") for other in more)
    return Kind(name, category, (Voice(department, code, ""),), often, "office", again, 0.15, "person", keyed=True)


_SERVICES = (
    _service(SOCIAL, "pension", "pension_verification", "RZYQ", 6),
    _service(SOCIAL, "benefit", "benefit_anomaly", "DYYC", 3, "YSML"),
    _service(SOCIAL, "gap", "insurance_gap", "CBZD", 3),
    _service(SOCIAL, "jobless", "unemployment_visit", "SYDJ", 3),
    _service(HEALTH, "pregnancy", "pregnancy_visit", "PRENATAL_VISIT", 4),
    _service(HEALTH, "postpartum", "postpartum_visit", "POSTPARTUM_VISIT", 2),
    _service(HEALTH, "newborn", "newborn_visit", "NEWBORN_VISIT", 2),
    _service(HEALTH, "health", "health_visit", "HEALTH_VISIT", 5),
    _service(HEALTH, "vaccination", "vaccination_due", "VACCINATION_DUE", 4),
    _service(HEALTH, "registration", "population_registration", "POPULATION_REGISTRATION", 2),
)


def _warning(name: str, category: str, code: str, often: float) -> Kind:
    voice = Voice(WEATHER, code, "")
    return Kind(name, category, (voice,), often, "flat", (voice,), 0.5, "warning", wide=True)


_WEATHER_KINDS = (
    _warning("rain", "weather_rain", "02", 0.5),
    _warning("gale", "weather_wind", "05", 0.4),
    _warning("heat", "weather_heat", "07", 0.4),
    _warning("lightning", "weather_lightning", "09", 0.6),
    _warning("fog", "weather_fog", "12", 0.4),
    _warning("geological", "weather_geological", "99", 0.2),
    Kind("wind_seen", "wind_observed", (Voice(WEATHER, "S2", ""),), 0.5, "flat"),
)

KINDS = (*_POWER_KINDS, *_POLICE_KINDS, *_STREET_KINDS, *_FOOD_KINDS, *_SERVICES, *_WEATHER_KINDS)
BY_NAME = {kind.name: kind for kind in KINDS}
QUIET = "health"  # a kind that never collides: what happens instead where the ground is taken
