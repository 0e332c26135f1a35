"""The words of `gridhub explain` in Chinese and English, beside each other."""

from __future__ import annotations

ZH, EN = "zh", "en"
LANGUAGES = (ZH, EN)
Words = dict[str, tuple[str, str]]

WAYS: Words = {
    "code": ("编码", "the code"),
    "key": ("部门键", "the department's key"),
    "coordinates": ("坐标", "the point"),
    "address": ("地址文字", "the address"),
    "area": ("范围", "the area"),
}
PROBLEMS: Words = {
    "not_given": ("为空", "is empty"),
    "malformed_code": ("不是区划或网格编码", "is no division or grid code"),
    "unknown_code": ("不在编码库中", "is not in the catalogue"),
    "unknown_system": ("所用编码体系未知", "is of an unknown code system"),
    "ambiguous_code": ("在两套编码体系中指不同的地方", "means different places in the two official code systems"),
    "several_places": ("指多处地方", "means several places"),
    "wider_than_city": ("大于全市", "is wider than the city"),
    "outside_city": ("在本市之外", "lies outside the city"),
    "unknown_table": ("所属对照表不存在", "belongs to a table that the hub does not have"),
    "unknown_key": ("在对照表中查不到", "is not in its table"),
    "unknown_crs": ("坐标系未知", "has an unknown coordinate system"),
    "not_a_number": ("不是数字或缺一半", "is not a number, or half of it is missing"),
    "zero": ("为零，多半是没有填", "is zero, the usual sign of a point that was not filled in"),
    "swapped_axes": ("经纬度填反了", "would lie in the city with its axes exchanged"),
    "out_of_range": ("超出范围", "is out of range"),
    "no_place_named": ("没有写明能认出的地方", "names no place that the gazetteer knows well enough"),
    "ambiguous_name": ("写的地名不止一处", "names a place that exists more than once"),
    "bad_shape": ("不是可读的范围", "is no shape that can be read"),
    "places_contradict": ("写的几处地方互相矛盾", "names places that do not lie in each other"),
}
REASONS: Words = {
    "bad_bytes": ("报文无法解读", "the bytes cannot be read"),
    "unknown_schema": ("报文模式未登记", "its schema is not registered"),
    "too_large": ("报文过大", "it is too large"),
    "unknown_department": ("没有这个部门", "no such department"),
    "wrong_department": ("报文属于别的部门", "it is another department's record"),
    "missing_field": ("缺少必填项", "a field that is needed is empty"),
    "wrong_time": ("时间不合理", "its time cannot be right"),
    "unknown_type": ("事件类型没有对应类别", "its type has no category"),
    "not_admitted": ("不在社区协助事项准入清单内", "it is not on the approved list"),
    "not_located": ("找不到地点", "no way led to a place"),
    "places_contradict": ("几种途径指向不同地方", "two ways lead to different places"),
    "outside_city": ("在本市之外", "it lies outside the city"),
    "duplicate": ("重复上报", "it was told before"),
    "broken": ("枢纽自身规则出错", "the hub's own rules failed on it"),
}
STAGES: Words = {
    "dispatched": ("已派发", "dispatched"),
    "accepted": ("已受理", "accepted"),
    "handling": ("处置中", "being handled"),
    "reported": ("已反馈", "reported done"),
    "checked": ("已核查", "checked"),
    "closed": ("已结案", "closed"),
    "returned": ("已退回", "returned"),
    "cancelled": ("已撤销", "cancelled"),
}
PARTS: Words = {
    "place": ("地点", "place"),
    "time": ("时间", "time"),
    "category": ("类别", "category"),
    "keys": ("关联对象", "keys"),
    "words": ("文字", "words"),
    "area": ("范围", "area"),
}


def word(table: Words, name: str, language: str) -> str:
    """A word in a language; what the table does not know stays as it is."""
    pair = table.get(name)
    return name if pair is None else pair[LANGUAGES.index(language)]
