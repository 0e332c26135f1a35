"""Make the declared example tables of config/organisation from the bundled city's divisions.

    python -m gridhub.streams.organisation.example config/organisation

The places are the city's, everything else is invented in the city's form: which units there are, where they stand, who
is on duty. A deployer replaces these files. organisation.yaml is written by hand and left alone.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from gridhub.streams.organisation.roles import VILLAGE_ENDINGS
from gridhub.streams.organisation.tables import TABLES
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.rows import csv_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gridhub.streams.place.answer import Place

Cells = tuple[str, ...]
SINCE = "2026-01-01"
_TURNS_OF_STREET, _TURNS_OF_CENTRE = 3, 4


def tables(city: Catalogue) -> dict[str, bytes]:
    """The example tables by file name, the same bytes each time."""
    duties = [*_street_duties(city), *_centre_duties(city)]
    rows: dict[str, Sequence[Cells]] = {
        "workdays.csv": (),
        "units.csv": list(_units(city)),
        "persons.csv": [person for _, persons in duties for person in persons],
        "duty.csv": [duty for duty, _ in duties],
        "absences.csv": (),
    }
    return {name: csv_bytes(TABLES[name], list(cells)) for name, cells in rows.items()}


def _units(city: Catalogue) -> Iterator[Cells]:
    for district in (city.place(city.root), *city.places("district")):
        if district is not None:
            yield _unit(f"department_unit:governance-{district.code}", f"{district.name}网格化管理中心")
    yield _unit(f"department_unit:supervision-{city.root}", "黄石市网格化监督中心")
    for district in city.places("district"):
        streets = [place for code in city.children(district.code) if (place := city.place(code)) is not None]
        yield from _stations(district, streets, "fire", "消防救援站", 2)
        yield from _stations(district, streets, "power", "供电所", 3)
    towns = [place for place in city.places("community") if not place.name.endswith(VILLAGE_ENDINGS)]
    for number, community in enumerate(towns):
        yield from _teams(city, community, number)


def _stations(district: Place, streets: Sequence[Place], department: str, name: str, each: int) -> Iterator[Cells]:
    """One station at every `each`th street, serving the streets up to the next one."""
    serial = count(2)
    for begin in range(0, len(streets), each):
        served, at = streets[begin : begin + each], streets[begin]
        area = " ".join(street.code for street in served)
        yield _unit(
            f"department_unit:{department}-{district.code}.{next(serial)}",
            f"{at.name}{name}",
            parent=f"department_unit:{department}-{district.code}",
            area=area,
            at=at,
        )


def _teams(city: Catalogue, community: Place, number: int) -> Iterator[Cells]:
    """A town community's volunteers, each third team with first aid, and at each second one a social organisation."""
    name = community.name.removesuffix("居委会").removesuffix("居民委员会")
    grids = city.children(community.code)
    at = city.place(grids[number % len(grids)]) if grids else community
    able = "visit first-aid" if number % 3 == 0 else "visit"
    yield _unit(f"volunteer_team:{community.code}", f"{name}志愿服务队", capabilities=able, at=at)
    if number % 2 == 0:
        yield _unit(f"social_organisation:{community.code}", f"{name}社会组织服务站", at=at)


def _unit(  # noqa: PLR0913  # the columns of units.csv that examples fill
    unit: str, name: str, *, parent: str = "", area: str = "", capabilities: str = "", at: Place | None = None
) -> Cells:
    point = (f"{at.lon:.6f}", f"{at.lat:.6f}") if at is not None else ("", "")
    return (unit, name, parent, area, capabilities, *point, "", "example")


def _street_duties(city: Catalogue) -> Iterator[tuple[Cells, list[Cells]]]:
    """A street's night watch: three people take turns day by day; each has the next one as substitute, the last none."""
    for street in city.places("street"):
        numbers = [f"ZB{street.code}-{turn}" for turn in range(1, _TURNS_OF_STREET + 1)]
        yield _duty(f"street:{street.code}", "street-night", numbers, "day"), _persons(f"street:{street.code}", numbers)


def _centre_duties(city: Catalogue) -> Iterator[tuple[Cells, list[Cells]]]:
    """The grid centres' desks: four people take turns week by week."""
    for code in (city.root, *city.children(city.root)):
        numbers = [f"ZX{code}-{turn}" for turn in range(1, _TURNS_OF_CENTRE + 1)]
        unit = f"department_unit:governance-{code}"
        yield _duty(unit, "round-the-clock", numbers, "week"), _persons(unit, numbers)


def _duty(unit: str, shift: str, numbers: list[str], turn: str) -> Cells:
    return (unit, shift, " ".join(numbers), turn, SINCE, "")


def _persons(unit: str, numbers: list[str]) -> list[Cells]:
    following = [*numbers[1:], ""]
    return [
        (number, unit, "", f"{number.lower()}@duty.invalid", substitute)
        for number, substitute in zip(numbers, following, strict=True)
    ]


def main(folder: str) -> None:
    """Write the tables into a folder."""
    for name, content in tables(Catalogue.load()).items():
        (Path(folder) / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
