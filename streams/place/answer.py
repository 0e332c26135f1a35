"""What the locating functions give back: a place of the catalogue, an answer, a cover."""

from dataclasses import dataclass, replace
from enum import StrEnum

CITY = "420200"


class Problem(StrEnum):
    """Why a way led to no place. The texts are those of `gridhub locate`."""

    NOT_GIVEN = "not_given"  # nothing to look for
    MALFORMED_CODE = "malformed_code"  # not digits, or a length that no form of the code has
    UNKNOWN_CODE = "unknown_code"  # in this city, but not in the catalogue
    UNKNOWN_SYSTEM = "unknown_system"  # a code system other than nbs and mca
    AMBIGUOUS_CODE = "ambiguous_code"  # the two systems give it to different places: one of the candidates
    SEVERAL_PLACES = "several_places"  # the code means all the candidates together
    WIDER_THAN_CITY = "wider_than_city"  # the province
    OUTSIDE_CITY = "outside_city"
    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_KEY = "unknown_key"
    UNKNOWN_CRS = "unknown_crs"
    NOT_A_NUMBER = "not_a_number"
    ZERO = "zero"
    SWAPPED_AXES = "swapped_axes"
    OUT_OF_RANGE = "out_of_range"
    NO_PLACE_NAMED = "no_place_named"  # the text names nothing that the gazetteer knows
    AMBIGUOUS_NAME = "ambiguous_name"  # the text's name is borne by several places
    BAD_SHAPE = "bad_shape"  # no geometry, or one too large to read
    PLACES_CONTRADICT = "places_contradict"  # two ways lead to different places


@dataclass(frozen=True, slots=True)
class Place:
    """One row of the catalogue. `lon`, `lat` is a point inside it, WGS-84; `parent` is empty for the city.

    `level` is city, district, street, community or grid; `kind` is basic, campus, market or park for a grid, else the
    level again.
    """

    code: str
    name: str
    level: str
    parent: str
    lon: float
    lat: float
    kind: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One way's answer: a code, or the problem and the candidates. Exactly one of `code` and `problem` is set."""

    method: str  # code | key | coordinates | address | area
    code: str | None = None
    confidence: float = 0.0
    candidates: tuple[str, ...] = ()
    problem: Problem | None = None

    def __post_init__(self) -> None:
        if (self.code is None) == (self.problem is None):
            raise ValueError("an answer has a code or a problem, and never both")

    def by(self, method: str) -> "Answer":
        """The same answer as the result of another way."""
        return replace(self, method=method)


@dataclass(frozen=True, slots=True)
class Cover:
    """The smallest set of codes for an area, in the order of the codes; empty with a problem.

    `coarsened`: there were too many codes, so wider ones stand for them. `unresolved`: given codes without a place.
    """

    codes: tuple[str, ...] = ()
    coarsened: bool = False
    unresolved: tuple[str, ...] = ()
    problem: Problem | None = None
