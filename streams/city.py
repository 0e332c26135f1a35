"""The city's data, loaded and checked once: departments, categories, admissions, grids, matching, routing, organisation, clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridhub.connectors.sources.departments import DepartmentError, Departments, department_folders
from gridhub.streams.admissions import AdmissionError, Admissions
from gridhub.streams.categories import Categories, CategoryError
from gridhub.streams.clocks import Clocks, bundled
from gridhub.streams.matching import Matching, MatchingError
from gridhub.streams.organisation.charter import Charter
from gridhub.streams.organisation.load import Around, load_charter
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.rooms.admit import InboundFacts, Limits
from gridhub.streams.rooms.outbound import OutboundFacts
from gridhub.streams.routing import Routing, RoutingError
from gridhub.streams.settings import Settings
from gridhub.streams.silences import NO_SILENCES, Silences

CITY_CODE = "420200"
"""Huangshi, GB/T 2260."""
HOUR_MS = 3_600_000
_WRONG = (DepartmentError, AdmissionError, CategoryError, MatchingError, RoutingError, ValueError, OSError)


class CityError(Exception):
    """The city's data is wrong; the message says which file and what to change."""


@dataclass(frozen=True)
class City:
    """Everything the rooms know of this city, and the versions that decisions are written down with."""

    departments: Departments
    categories: Categories
    admissions: Admissions
    matching: Matching
    routing: Routing
    catalogue: Catalogue
    further: tuple[Path, ...] = ()  # folders of departments outside the package
    charter: Charter = field(default_factory=Charter)  # config/organisation
    clocks: Clocks = field(default_factory=bundled)
    silences: Silences = NO_SILENCES  # of operators, from hub.config

    def __post_init__(self) -> None:
        # routes by calendar follow the city's workdays.csv; a copy, since another city may share the routing (what-if)
        object.__setattr__(self, "routing", self.routing.by_calendar(self.charter.calendar.is_workday))

    @property
    def rules(self) -> dict[str, str]:
        """Version of each rule file, for the journal."""
        return {
            "admissions": self.admissions.version,
            "categories": self.categories.version,
            "matching": self.matching.digest,
            "routing": self.routing.version,
            "grids": self.catalogue.version,
            "organisation": self.charter.version,
            "clocks": self.clocks.version,
        }

    @property
    def districts(self) -> list[str]:
        """The 6-digit codes of the city and its districts."""
        return [CITY_CODE, *self.catalogue.children(CITY_CODE)]


def load(folder: Path | None = None) -> City:
    """The city from a folder laid out like the bundled config/ (None: the bundled one); CityError when it is wrong."""

    def place(name: str) -> Path | None:
        found = folder / name if folder is not None else None
        return found if found is not None and found.exists() else None

    try:
        categories = Categories.load(place("categories.csv"))
        root = place("departments")
        further = tuple(Path(str(found)) for found in department_folders(root)) if root else ()
        departments = Departments.load(further=further, categories=categories)
        routing = Routing.load(place("routing.yaml"), categories)
        catalogue = Catalogue.load(place("grids"))
        strict = folder is None or place("organisation") is not None
        around = Around(categories, catalogue, routing.departments, strict)
        # other grids than the bundled ones have none of the bundled units
        tables = place("organisation") is not None or place("grids") is None
        return City(
            departments,
            categories,
            Admissions.load(place("admissions.yaml"), departments.by_code, categories),
            Matching.load(place("matching.yaml"), categories),
            routing,
            catalogue,
            further,
            load_charter(place("organisation"), around, tables=tables),
            Clocks.load(place("clocks.yaml"), categories),
        )
    except _WRONG as error:
        raise CityError(f"The city's data cannot be used: {error}") from error


def inbound_facts(city: City, settings: Settings, decode: Callable[[list[bytes]], list[Any]]) -> InboundFacts:
    """What admit and normalise know."""
    limits = Limits(settings.future_tolerance_s, settings.max_age_days * 86_400, settings.max_message_bytes)
    return InboundFacts(city.departments, city.admissions, city.catalogue, decode, limits)


def outbound_facts(city: City, settings: Settings) -> OutboundFacts:
    """What deduplicate, dispatch and track know."""
    return OutboundFacts(
        city.categories,
        city.matching,
        city.routing,
        city.catalogue,
        retention_ms=int(settings.duplicate_retention_h * HOUR_MS),
        accept_limit_ms=int(settings.accept_limit_min * 60_000),
        rules=city.rules,
        charter=city.charter,
        clocks=city.clocks,
        silences=city.silences,
    )
