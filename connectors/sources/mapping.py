"""What a department.yaml may say: a strict model, so that a slip stops the load instead of losing events."""

from __future__ import annotations

import re
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from gridhub.streams.place.coordinates import CRS_NAMES

CODE = re.compile(r"[a-z][a-z0-9]{0,19}(-[a-z0-9]{1,20}){0,3}")
Status = Literal["actual", "exercise", "test"]
System = Literal["nbs", "mca"]
TimeForm = Literal["epoch_ms", "epoch_s", "iso", "compact"]
WAYS = ("code", "key", "coordinates", "address", "area")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _text_keys(table: object) -> object:
    """YAML reads 1001 as a number and 01 as 1: a table with such a key would never match the record's text."""
    for key in table if isinstance(table, dict) else ():
        if not isinstance(key, str):
            raise ValueError(f"put the key {key!r} in quotes, or YAML reads it as a number or a truth value")  # noqa: TRY004  # pydantic makes sentences of ValueError only
    return table


def _known_crs(name: str) -> str:
    if name not in CRS_NAMES:
        raise ValueError(f"{name} is not one of {', '.join(CRS_NAMES)}")
    return name


Path = Annotated[StrictStr, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,7}$", max_length=200)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_listed), Field(min_length=1, max_length=8)]
Words = Annotated[StrictStr, Field(min_length=1, max_length=2000)]
Word = Annotated[StrictStr, Field(min_length=1, max_length=100)]
Severity = Annotated[StrictInt, Field(ge=1, le=4)]
CrsName = Annotated[StrictStr, AfterValidator(_known_crs)]
KeyTable = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z_]{1,39}$")]
Value = TypeVar("Value")


class Strict(BaseModel):
    """Unknown keys are errors; nothing changes after the load."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Names(Strict):
    """The department's name in Chinese and English."""

    zh: Word
    en: Word


class Joined(Strict):
    """Several fields made one word, e.g. 02/Cancel."""

    join: Annotated[tuple[Path, ...], Field(min_length=2, max_length=4)]
    by: Annotated[StrictStr, Field(max_length=3)] = "/"


class Time(Strict):
    """A time and the form in which it is written; text without a zone is Beijing time."""

    path: Paths
    form: TimeForm = "epoch_ms"


class Fields(Strict):
    """Where the record says what the hub cannot do without. `source`: where it names its own department, if it does."""

    event_id: Paths
    type: Paths | Joined
    occurred_at: Time
    source: Path | None = None


class Table(Strict, Generic[Value]):
    """A field's value looked up in a table; what is not in it becomes the default, if there is one."""

    path: Paths | None = None
    table: Annotated[dict[Word, Value], Field(max_length=2000), BeforeValidator(_text_keys)]
    default: Value | None = None


class Condition(Strict):
    """True when the field has one of these values."""

    path: Path
    values: Annotated[tuple[StrictBool | int | StrictStr, ...], Field(min_length=1, max_length=100)]


class SubjectKey(Strict):
    """What the event is about, as kind:value. Same kind and other value: not the same matter."""

    kind: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z_]{1,29}$")] | None = None
    path: Paths


class Warned(Strict):
    """What kind of message a warning is, the event ids it speaks about, and from when until when it holds."""

    message: Table[Literal["alert", "update", "cancel"]]
    references: Annotated[tuple[Path, ...], BeforeValidator(_listed), Field(max_length=8)] = ()
    valid_from: Time | None = None
    valid_until: Time | None = None


class CodePlace(Strict):
    """A grid or division code; `system` says whose code it is, since some codes mean two places."""

    path: Paths
    system: System | Table[System]


class KeyPlace(Strict):
    """A key of the department's own and the crosswalk table that knows it; `table` may itself stand in the record."""

    path: Paths
    table: KeyTable | Table[KeyTable]


class CoordinatesPlace(Strict):
    """A point; for a projected system `lon` is the easting and `lat` the northing, in metres.

    `unless`: a field that, when it is filled, says that the point is not where the event is.
    """

    lon: Path
    lat: Path
    crs: CrsName | Table[CrsName]
    unless: Path | None = None


class AreaPlace(Strict):
    """A wide place: of each area the first that is filled of code list, polygon and circle (texts as in CAP 1.2).

    `each`: a list of areas in the record; the other paths then begin in each of them. The event's place is their sum.
    """

    each: Path | None = None
    codes: Path | None = None
    system: System | None = None
    polygon: Path | None = None
    circle: Path | None = None

    @model_validator(mode="after")
    def _something(self) -> AreaPlace:
        if self.codes is None and self.polygon is None and self.circle is None:
            raise ValueError("an area needs codes, polygon or circle")
        if (self.codes is None) != (self.system is None):
            raise ValueError("codes and system go together")
        return self

    def full(self, path: str) -> str:
        """A path of this area from the record's beginning."""
        return f"{self.each}.{path}" if self.each else path


class Place(Strict):
    """One way to the place: exactly one of the five."""

    code: CodePlace | None = None
    key: KeyPlace | None = None
    coordinates: CoordinatesPlace | None = None
    address: Paths | None = None
    area: AreaPlace | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Place:
        if len(self.ways()) != 1:
            raise ValueError(f"name exactly one way of {', '.join(WAYS)}")
        return self

    def ways(self) -> list[str]:
        """The ways that are filled in."""
        return [way for way in WAYS if getattr(self, way) is not None]


class Mapping(Strict):
    """A whole department.yaml."""

    code: Annotated[StrictStr, Field(max_length=60)]
    names: Names
    aliases: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    record: Annotated[StrictStr, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=200)]
    fields: Fields
    category: Table[Word] | Annotated[tuple[Table[Word], ...], Field(min_length=1, max_length=4)]
    severity: (
        Severity | Table[Severity] | Annotated[tuple[Table[Severity], ...], Field(min_length=1, max_length=4)] | None
    ) = None
    status: Status | Table[Status] = "actual"
    planned: StrictBool | Annotated[tuple[Condition, ...], Field(min_length=1, max_length=8)] = False
    warning: Warned | None = None
    title: Words
    text: Words
    subject_keys: Annotated[tuple[SubjectKey, ...], Field(max_length=12)] = ()
    places: Annotated[tuple[Place, ...], Field(min_length=1, max_length=12)]

    @field_validator("code")
    @classmethod
    def _topic_word(cls, value: str) -> str:
        if not CODE.fullmatch(value):
            raise ValueError("small letters, digits and single hyphens, since it becomes part of a topic's name")
        return value

    @field_validator("record")
    @classmethod
    def _full_name(cls, value: str) -> str:
        return value if "." in value else f"gridhub.dept.{value}"

    @field_validator("places")
    @classmethod
    def _in_order(cls, value: tuple[Place, ...]) -> tuple[Place, ...]:
        ranks = [WAYS.index(place.ways()[0]) for place in value]
        if ranks != sorted(ranks):
            raise ValueError(f"list the ways in the order in which they are tried: {', '.join(WAYS)}")
        return value
