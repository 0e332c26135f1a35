"""What can be wrong with a city's grids: one closed table, each entry a sentence and an instruction in two languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ERROR, WARNING = "error", "warning"
MOST_OF_A_KIND = 20
"""Findings of one kind that are told one by one; the rest is counted."""


class Kind(NamedTuple):
    """How serious one kind of finding is, what is wrong, and what to do about it; texts take the finding's values."""

    severity: str
    zh: str
    en: str
    do_zh: str
    do_en: str


KINDS: dict[str, Kind] = {
    # the file
    "too_large": Kind(ERROR, "文件超过{most}字节", "the file has more than {most} bytes", "按区分成几个文件检查，或简化边界", "check it in parts by district, or simplify the lines"),
    "not_utf8": Kind(ERROR, "文件不是UTF-8编码（第{position}字节处）", "the file is not UTF-8 (at byte {position})", "另存为UTF-8编码（常见原因：GBK编码）", "save it as UTF-8 (it is often GBK)"),
    "not_json": Kind(ERROR, "不是有效的JSON：{detail}", "not valid JSON: {detail}", "从GIS软件重新导出GeoJSON", "export the GeoJSON from the GIS again"),
    "not_a_collection": Kind(ERROR, "不是GeoJSON要素集合（FeatureCollection）", "not a GeoJSON FeatureCollection", "导出为FeatureCollection，每个网格一个要素", "export a FeatureCollection, one feature a grid"),
    "no_features": Kind(ERROR, "文件中没有网格", "the file has no grid", "检查导出的图层是否正确", "check that the right layer was exported"),
    "too_many_features": Kind(ERROR, "要素有{count}个，最多{most}个", "there are {count} features; at most {most} are read", "检查是否导出了多余的图层", "check whether other layers were exported too"),
    "too_many_vertices": Kind(ERROR, "边界点有{count}个，最多{most}个", "the outline has {count} points; at most {most} are allowed", "在GIS中按1米容差简化边界", "simplify the outline in the GIS with a tolerance of 1 m"),
    "wrong_crs": Kind(ERROR, "坐标系声明为{detail}", "the file declares the coordinate system {detail}", "转换为WGS-84或CGCS2000经纬度后再导出", "convert to WGS-84 or CGCS2000 degrees and export again"),
    "wrong_datum": Kind(ERROR, "{district}的坐标像是{datum}：与区界不一致{before_km2}平方公里，按{datum}还原后只有{after_km2}平方公里", "the coordinates in {district} look like {datum}: they differ from its border by {before_km2} km², read as {datum} by {after_km2} km²", "从{datum}转换为WGS-84后再导入", "convert from {datum} to WGS-84 and import again"),
    "shifted_grids": Kind(ERROR, "{count}个网格相对现有网格整体偏移约{metres}米，正是{datum}的偏移量", "{count} grids lie about {metres} m from where they are now, which is the offset of {datum}", "从{datum}转换为WGS-84后再导入", "convert from {datum} to WGS-84 and import again"),
    # one feature
    "no_code": Kind(ERROR, "没有网格编码（属性code）", "it has no grid code (property code)", "填写15位网格编码", "fill in the 15-digit grid code"),
    "bad_code": Kind(ERROR, "网格编码“{given}”不是15位数字", "the grid code '{given}' is not 15 digits", "改为15位：6位县区+3位街道+3位社区+3位网格；编码须存为文本", "make it 15 digits: 6 county, 3 street, 3 community, 3 grid; store it as text"),
    "unknown_community": Kind(ERROR, "编码前12位{community}不是本市的社区或村", "the first 12 digits, {community}, are no community of this city", "对照divisions.csv改正编码，或先在该表增加该社区", "correct the code by divisions.csv, or add the community there first"),
    "other_code_system": Kind(ERROR, "编码前9位{given}是民政部编码（{other_name}），本平台使用国家统计局编码{wanted}", "the first 9 digits, {given}, are the Ministry of Civil Affairs' code of {other_name}; the hub uses the Bureau of Statistics' {wanted}", "将整个文件的编码按对照表crosswalk-mca-nbs.csv转换", "convert all codes of the file by crosswalk-mca-nbs.csv"),
    "duplicate_code": Kind(ERROR, "编码与第{other_feature}个要素重复，且有效期重叠", "feature {other_feature} has the same code for the same time", "更正其中一个编码；同一网格的多块土地用一个MultiPolygon；边界调整时填写valid_from和valid_until", "correct one of the codes; several pieces of one grid are one MultiPolygon; for a change of borders give valid_from and valid_until"),
    "wrong_parent": Kind(ERROR, "编码属于{community}（{name}），但要素写的是{given}", "the code belongs to {community} ({name}), but the feature says {given}", "核对编码和所属社区，改正其中之一", "compare code and community, and correct one of them"),
    "unknown_kind": Kind(ERROR, "网格类型“{given}”未知", "the kind '{given}' is not known", "填写basic（基础网格）或专属网格类型：{kinds}", "write basic, or the kind of a special grid: {kinds}"),
    "empty_name": Kind(ERROR, "名称为空", "the name is empty", "填写名称，或删除该属性以使用“第001网格”形式的名称", "fill it in, or leave the property out: then the grid is called by its number"),
    "long_name": Kind(ERROR, "名称超过{most}个字", "the name has more than {most} characters", "缩短名称", "shorten it"),
    "bad_validity": Kind(ERROR, "有效期“{given}”有误", "the validity '{given}' is wrong", "写成2026-12-01的形式；结束日须晚于开始日，长期有效则留空", "write days as 2026-12-01; the end comes after the beginning, and is empty for no end"),
    "no_geometry": Kind(ERROR, "没有图形", "it has no geometry", "在GIS中补画边界，或删除该要素", "draw it in the GIS, or remove the feature"),
    "wrong_geometry": Kind(ERROR, "图形类型是{given}，应为面", "the geometry is a {given}, not a polygon", "把边界线转换为面", "make an area of the line"),
    "bad_geometry": Kind(ERROR, "坐标无法读取", "its coordinates cannot be read", "从GIS软件重新导出该要素", "export the feature from the GIS again"),
    "open_ring": Kind(ERROR, "边界没有闭合", "a ring is not closed", "让最后一个点与第一个点相同", "make the last point the same as the first"),
    "few_points": Kind(ERROR, "边界不足4个点", "a ring has fewer than 4 points", "重新画该边界", "draw it again"),
    "self_crossing": Kind(ERROR, "边界自相交或无效：{detail}", "the outline crosses itself or is invalid: {detail}", "在GIS中转到该处，修正边界", "go to this point in the GIS and mend the line"),
    "swapped_axes": Kind(ERROR, "经纬度颠倒", "longitude and latitude are exchanged", "导出时先写经度、后写纬度", "write the longitude first, then the latitude"),
    "projected": Kind(ERROR, "坐标不是经纬度（像是投影坐标，单位米）", "the coordinates are no degrees; they look like metres of a projection", "转换为WGS-84或CGCS2000经纬度后再导出", "convert to WGS-84 or CGCS2000 degrees and export again"),
    "outside_city": Kind(ERROR, "位于本市之外", "it lies outside the city", "检查坐标和坐标系", "check the coordinates and their system"),
    "outside_district": Kind(ERROR, "面积的{percent}%在编码所属的{district}之外（多在{other_name}）", "{percent} % of it lies outside {district}, which its code belongs to (mostly in {other_name})", "核对编码；若区界过粗，先换用准确的districts.geojson", "check the code; if the district's border is too coarse, give a better districts.geojson first"),
    "over_border": Kind(WARNING, "有{area_m2}平方米越过{district}的边界", "{area_m2} m² of it lie beyond the border of {district}", "若区界准确，请修正边界", "mend it where the district's border is exact"),
    "apart": Kind(ERROR, "与本社区{community}的其他网格不相邻，周围都是{others}的网格", "it touches no other grid of its community {community}; all around it are grids of {others}", "核对编码是否应属于相邻社区", "check whether the code should be of the neighbouring community"),
    "tiny": Kind(WARNING, "面积只有{area_m2}平方米", "it has only {area_m2} m²", "检查是否为误画的碎片", "check whether it is a splinter"),
    # between features
    "overlap": Kind(ERROR, "与{other}重叠{area_m2}平方米", "it overlaps {other} by {area_m2} m²", "在GIS中打开捕捉，修正公共边界", "mend the shared line with snapping on"),
    "too_many_overlaps": Kind(ERROR, "重叠超过{most}处，其余未检查", "more than {most} pairs overlap; the rest is not checked", "检查图层是否重复导出", "check whether a layer was exported more than once"),
    "narrow_overlap": Kind(WARNING, "与{other}有窄条重叠，共{area_m2}平方米", "it overlaps {other} by a narrow strip of {area_m2} m²", "有条件时修正公共边界", "mend the shared line when you can"),
    "gap": Kind(ERROR, "{neighbours}之间有{area_m2}平方米不属于任何网格", "{area_m2} m² between {neighbours} belong to no grid", "将该处划入相邻网格；若为水面等无人区域，可用--accept gap确认", "give the land to a neighbour; if it is water, confirm with --accept gap"),
    "narrow_gap": Kind(WARNING, "{neighbours}之间有窄缝，共{area_m2}平方米", "there is a narrow gap of {area_m2} m² between {neighbours}", "有条件时修正公共边界", "mend the shared line when you can"),
    "gap_at_border": Kind(ERROR, "{district}边界内有{area_m2}平方米不属于任何网格（邻近{neighbours}）", "{area_m2} m² inside the border of {district} belong to no grid (near {neighbours})", "补画缺少的网格；若区界过粗，可用--accept gap_at_border确认", "draw the missing grid; if the district's border is too coarse, confirm with --accept gap_at_border"),
    "partly_drawn": Kind(WARNING, "{district}只画了{percent}%的面积", "only {percent} % of {district} is drawn", "若只检查部分网格，可忽略", "fine where only a part is being checked"),
    "no_grids": Kind(WARNING, "{district}没有网格", "{district} has no grid", "若只检查部分区，可忽略", "fine where only some districts are being checked"),
    "community_without_grids": Kind(WARNING, "社区{community}（{name}）没有网格", "the community {community} ({name}) has no grid", "补画网格，或确认该社区已撤并", "draw its grids, or make sure that it was dissolved"),
    # tables
    "missing_file": Kind(ERROR, "缺少文件", "the file is missing", "从config/grids复制或补齐", "copy it from config/grids or make it"),
    "missing_column": Kind(ERROR, "缺少列{given}", "the column {given} is missing", "补上该列，表头与config/grids相同", "add it; the header is that of config/grids"),
    "bad_row": Kind(ERROR, "{detail}", "{detail}", "修正该行", "correct the row"),
    "bad_division": Kind(ERROR, "行政区划{code}（{name}）：{detail_zh}", "the division {code} ({name}): {detail_en}", "对照统计用区划代码修正", "correct it by the statistical division codes"),
    "unknown_code": Kind(ERROR, "第{line}行的编码{code}不在目录中", "line {line}: the code {code} is not in the catalogue", "改正编码或删除该行", "correct the code or remove the row"),
    "duplicate_key": Kind(ERROR, "键{given}出现多次", "the key {given} stands there more than once", "只保留一行", "keep one row"),
    "no_station": Kind(WARNING, "社区{community}（{name}）没有网格站", "the community {community} ({name}) has no grid station", "在stations.csv中补充", "add it to stations.csv"),
    "no_staff": Kind(WARNING, "网格没有网格员", "the grid has no grid member", "在staff.csv中补充", "add one to staff.csv"),
    "unknown_station": Kind(ERROR, "第{line}行的网格站{given}不在stations.csv中", "line {line}: the station {given} is not in stations.csv", "改正网格站编号", "correct the station"),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: of which file, feature (1 is the first) and code, with the values of its sentence."""

    kind: str
    file: str = ""
    feature: int | None = None
    code: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    at: tuple[float, float] | None = None  # longitude, latitude to look at, as the file has them
    severity: str = ""

    def text(self, language: str) -> str:
        """What is wrong, in `zh` or `en`."""
        template = KINDS[self.kind].zh if language == "zh" else KINDS[self.kind].en
        return template.format(**{"code": self.code, **self.values})

    def remedy(self, language: str) -> str:
        """What to do, in `zh` or `en`."""
        template = KINDS[self.kind].do_zh if language == "zh" else KINDS[self.kind].do_en
        return template.format(**{"code": self.code, **self.values})

    def line(self) -> dict[str, Any]:
        """The finding as one JSON object."""
        where = {"file": self.file, "feature": self.feature, "code": self.code or None, **self.values}
        point = {"lon": self.at[0], "lat": self.at[1]} if self.at else {}
        told = {"zh": self.text("zh"), "en": self.text("en"), "do_zh": self.remedy("zh"), "do_en": self.remedy("en")}
        return {"severity": self.severity, "kind": self.kind} | where | point | told

    def report(self) -> str:
        """The finding for a person: two lines, Chinese and English."""
        number = f"#{self.feature}" if self.feature is not None else ""
        point = f"@{self.at[0]:.6f},{self.at[1]:.6f}" if self.at else ""
        place = " ".join(filter(None, (self.file, number, self.code, point)))
        mark_zh, mark_en = ("错误", "error") if self.severity == ERROR else ("提示", "warning")
        zh = f"[{mark_zh}] {place}：{self.text('zh')}。{self.remedy('zh')}。"
        return f"{zh}\n  [{mark_en}] {self.kind}: {self.text('en')}. To do: {self.remedy('en')}."


class Report:
    """Findings as they come, bounded: of one kind the first 20 are kept, the others counted."""

    def __init__(self, accepted: Collection[str] = ()) -> None:
        """`accepted` kinds are warnings, whatever the table says. ValueError for a kind that the table has not."""
        unknown = sorted(set(accepted) - set(KINDS))
        if unknown:
            raise ValueError(f"there is no kind of finding {unknown[0]}; {', '.join(KINDS)}")
        self.accepted = frozenset(accepted)
        self.findings: list[Finding] = []
        self.counts: Counter[str] = Counter()

    def add(
        self,
        kind: str,
        file: str = "",
        feature: int | None = None,
        code: str = "",
        at: tuple[float, float] | None = None,
        **values: Any,
    ) -> None:
        """Take a finding."""
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_OF_A_KIND:
            self.findings.append(Finding(kind, file, feature, code, values, at, self.severity(kind)))

    def about(self, file: str, feature: int | None = None, code: str = "") -> Subject:
        """One feature of a file, to add findings to."""
        return Subject(self, file, feature, code)

    def severity(self, kind: str) -> str:
        """`error` or `warning`, after what was accepted."""
        return WARNING if kind in self.accepted else KINDS[kind].severity

    @property
    def errors(self) -> int:
        """How many errors there are, told or counted."""
        return self._total(ERROR)

    @property
    def warnings(self) -> int:
        """How many warnings there are, told or counted."""
        return self._total(WARNING)

    def _total(self, severity: str) -> int:
        return sum(count for kind, count in self.counts.items() if self.severity(kind) == severity)

    def untold(self) -> Iterable[tuple[str, int]]:
        """Kinds of which more were found than are told, and how many more."""
        return [(kind, count - MOST_OF_A_KIND) for kind, count in self.counts.items() if count > MOST_OF_A_KIND]

    def has(self, *kinds: str) -> bool:
        """Whether anything of these kinds was found."""
        return any(self.counts[kind] for kind in kinds)


@dataclass(frozen=True)
class Subject:
    """What several findings are about."""

    report: Report
    file: str
    feature: int | None
    code: str

    def add(self, kind: str, at: tuple[float, float] | None = None, **values: Any) -> None:
        """Take a finding about it."""
        self.report.add(kind, self.file, self.feature, self.code, at, **values)
