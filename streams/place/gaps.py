"""Land that no grid has: holes between grids, missing land at a district's border, communities without grids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from gridhub.streams.place.drawing import Drawing, metres2, spot, together
from gridhub.streams.place.findings import Report, Subject
from gridhub.streams.place.shapes import METRES_PER_DEGREE

_IGNORED_M2 = 1.0
_NARROW_M = 0.5
_BORDER_M2 = 2_000.0
_BORDER_WIDTH_M = 20.0
"""Missing land at a border counts from this width on: two maps of one border never agree to the metre."""
_PARTLY = 0.5


def gaps(drawing: Drawing, names: Mapping[str, str], districts: Mapping[str, Geometry], report: Report) -> None:
    """Find the land without a grid in the districts that the drawing covers for the most part."""
    survey = _Survey(drawing, names, report, shapely.STRtree(drawing.polygons))
    land = together(drawing.polygons, apart=not report.has("overlap"))
    filled = shapely.union_all(shapely.polygons(shapely.get_exterior_ring(shapely.get_parts(land))))
    survey.between(shapely.get_parts(shapely.difference(filled, land)))
    leads = {code[:6] for code in drawing.codes}
    for code, district in districts.items():
        if code in leads:
            survey.at_border(code, district, filled)
        else:
            report.add("no_grids", drawing.file, None, code, district=names.get(code, code))


@dataclass(frozen=True)
class _Survey:
    """The drawing, and where its findings go."""

    drawing: Drawing
    names: Mapping[str, str]
    report: Report
    tree: shapely.STRtree

    def between(self, holes: NDArray[np.object_]) -> None:
        """Land that grids enclose."""
        for hole, area in zip(holes, metres2(holes), strict=True):
            if area > _IGNORED_M2:
                outline_m = float(shapely.length(hole)) * METRES_PER_DEGREE
                kind = "narrow_gap" if 2 * area < _NARROW_M * outline_m else "gap"
                near = self._neighbours(hole)
                self._about("").add(kind, spot(hole), area_m2=round(float(area), 1), neighbours=near)

    def at_border(self, code: str, district: Geometry, filled: Geometry) -> None:
        """Land of one district without a grid that is wider than a border's own width."""
        name = self.names.get(code, code)
        missing = shapely.difference(district, filled)
        share = 1 - missing.area / district.area
        if share < _PARTLY:
            self._about(code).add("partly_drawn", district=name, percent=round(100 * share))
            return
        half = _BORDER_WIDTH_M / 2 / METRES_PER_DEGREE
        pieces = shapely.get_parts(shapely.buffer(shapely.buffer(missing, -half, quad_segs=2), half, quad_segs=2))
        for piece, area in zip(pieces, metres2(pieces), strict=True):
            if area > _BORDER_M2:
                values = {"district": name, "area_m2": round(float(area)), "neighbours": self._neighbours(piece)}
                self._about(code).add("gap_at_border", spot(piece), **values)
        self._communities(code)

    def _communities(self, district: str) -> None:
        """Communities of a district that have no grid at all."""
        present = {grid[:12] for grid in self.drawing.codes}
        for code, name in self.names.items():
            if len(code) == 12 and code.startswith(district) and code not in present:
                self._about(code).add("community_without_grids", community=code, name=name)

    def _about(self, code: str) -> Subject:
        return self.report.about(self.drawing.file, None, code)

    def _neighbours(self, piece: Geometry) -> str:
        """The codes of up to four grids within a metre of a piece of land."""
        beside = self.tree.query(piece, predicate="dwithin", distance=1 / METRES_PER_DEGREE)
        codes = sorted(self.drawing.codes[beside].tolist())
        return ", ".join(codes[:4]) + (" …" if len(codes) > 4 else "")
