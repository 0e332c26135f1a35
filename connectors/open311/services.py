"""What citizens may report: `open311.yaml`, checked against the department's event types and the approved list."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gridhub.connectors.open311.errors import bad, missing, not_found
from gridhub.connectors.sources.checks import category_words
from gridhub.streams.files import read_bounded
from gridhub.streams.strictyaml import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from gridhub.streams.city import City

RECORD = "gridhub.dept.GenericEvent"
FILE = "open311.yaml"
_MOST_BYTES = 262_144
_MOST_ANSWER = 200

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Text = Annotated[str, Field(min_length=1, max_length=300)]


class ServicesError(ValueError):
    """The file of services is wrong; the message says what to change."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(_Strict):
    """Services that stand together in a client's list."""

    name: Text
    keywords: tuple[Text, ...] = ()
    services: tuple[Code, ...]


class Attribute(_Strict):
    """A further question. `values`: the answers to choose from; `subject`: the kind of thing that the answer names."""

    services: tuple[Code, ...]
    code: Code
    description: Text
    required: bool = False
    values: dict[Code, Text] = {}
    subject: Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,29}$")] | None = None


class _File(_Strict):
    jurisdiction: Annotated[str, Field(pattern=r"^[\w.-]{1,60}$")]
    department: Text
    contact: Text
    notice: Text
    groups: tuple[Group, ...]
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One service: the department's event type, and the category that the hub makes of it."""

    code: str
    name: str
    name_en: str
    group: Group
    attributes: tuple[Attribute, ...]


class Services:
    """The services by code. What the approved list does not admit at the time is not offered."""

    def __init__(self, told: _File, city: City) -> None:
        """ServicesError when the department is unknown or has another record, or a service is none of its types."""
        department = city.departments.by_code.get(told.department)
        if department is None or department.record != RECORD:
            raise ServicesError(f"{FILE}: department: {told.department} is no department that sends {RECORD}.")
        self.jurisdiction, self.contact, self.notice = told.jurisdiction, told.contact, told.notice
        self.department = department
        self._admissions = city.admissions
        self._categories = dict(category_words(department.mapping))
        self._all = {code: self._service(code, group, told, city) for group in told.groups for code in group.services}

    def _service(self, code: str, group: Group, told: _File, city: City) -> Service:
        if code not in self._categories:
            raise ServicesError(f"{FILE}: {group.name}: {code} is no event type of {told.department}.")
        category = city.categories[self._categories[code]]
        attributes = tuple(one for one in told.attributes if code in one.services)
        return Service(code, category.name_zh, category.name_en, group, attributes)

    @classmethod
    def load(cls, city: City, path: Traversable | None = None) -> Services:
        """Read the file (None: the bundled one); ServicesError with a sentence for each thing that is wrong."""
        source = path or files("gridhub.config") / FILE
        try:
            return cls(_File.model_validate(strict_yaml(read_bounded(source, _MOST_BYTES), source.name)), city)
        except ValidationError as error:
            said = (f"{source.name}: {'.'.join(map(str, one['loc']))}: {one['msg']}." for one in error.errors()[:10])
            raise ServicesError("\n".join(said)) from error
        except ValueError as error:
            raise ServicesError(str(error)) from error

    def offered(self, now_ms: int) -> list[Service]:
        """What may be reported now, in the file's order."""
        return [one for one in self._all.values() if self._admitted(one.code, now_ms)]

    def get(self, code: str, now_ms: int) -> Service:
        """The service; Open311Error 404 when it is not offered now."""
        service = self._all.get(code)
        if service is None or not self._admitted(code, now_ms):
            raise not_found("service_code", code)
        return service

    def name(self, code: str) -> str:
        """The name of a service that may no longer be offered; of an unknown one its code."""
        return self._all[code].name if code in self._all else code

    def _admitted(self, code: str, now_ms: int) -> bool:
        return self._admissions.allows(self.department.code, code, now_ms, self._categories[code]) is not None


def answers(service: Service, given: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Subject keys and lines of text from the answers to a service's questions; Open311Error 400 for a wrong one."""
    subjects, lines = [], []
    for one in service.attributes:
        value = " ".join(given.get(one.code, "").split())
        if not value and one.required:
            raise missing(f"attribute[{one.code}]")
        if len(value) > _MOST_ANSWER or (value and one.values and value not in one.values):
            raise bad(f"attribute[{one.code}]", "it is not one of the values" if one.values else "it is too long")
        if value and one.subject:
            subjects.append(f"{one.subject}:{value}")
        elif value:
            lines.append(f"{one.description}：{one.values.get(value, value)}")
    if unknown := set(given) - {one.code for one in service.attributes}:
        raise bad(f"attribute[{min(unknown)[:40]}]", "this service has no such attribute")
    return subjects, lines


def listed(service: Service) -> dict[str, Any]:
    """A line of GET services."""
    return {
        "service_code": service.code,
        "service_name": service.name,
        "description": f"{service.name}（{service.name_en}）",
        "metadata": bool(service.attributes),
        "type": "realtime",
        "keywords": ",".join(service.group.keywords),
        "group": service.group.name,
    }


def definition(service: Service) -> dict[str, Any]:
    """The answer of GET services/{code}."""
    return {
        "service_code": service.code,
        "attributes": [_attribute(number, one) for number, one in enumerate(service.attributes, 1)],
    }


def _attribute(order: int, one: Attribute) -> dict[str, Any]:
    return {
        "variable": True,
        "code": one.code,
        "datatype": "singlevaluelist" if one.values else "string",
        "required": one.required,
        "datatype_description": "请选择一项" if one.values else "文字",
        "order": order,
        "description": one.description,
        "values": [{"key": key, "name": name} for key, name in one.values.items()],
    }
