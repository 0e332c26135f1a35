"""hub.admissions and hub.config: approvals one by one, rule files whole, silences, on top of the city's own."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from typing import cast

from pydantic import ValidationError

from gridhub.streams import topics
from gridhub.streams.admissions import AdmissionError, AdmissionRule, Admissions
from gridhub.streams.categories import Categories
from gridhub.streams.city import City
from gridhub.streams.clocks import Clocks
from gridhub.streams.matching import Matching
from gridhub.streams.organisation.load import Around, changed_charter
from gridhub.streams.organisation.tables import FILES as ORGANISATION_FILES
from gridhub.streams.routing import Routing
from gridhub.streams.shelf import Told, first_line, item_text
from gridhub.streams.standing_files import Growth, opened
from gridhub.streams.standing_silences import is_of_silences, silences_of


@dataclass
class AdmissionShelf:
    """hub.admissions: single rules of the approved list by their id; a withdrawn one is as the file has it."""

    start: City
    messages: dict[bytes, bytes | None] = field(default_factory=dict)
    rules: dict[bytes, AdmissionRule] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a rule; the newest of an id counts."""
        self.messages.pop(key, None)
        self.messages[key] = value

    def settle(self, city: City, now_ms: int) -> tuple[City, list[Told]]:  # noqa: ARG002  # every shelf's form
        """The approved list with what was approved on top."""
        told = [self._judge(key, value) for key, value in self.messages.items()]
        self.messages.clear()
        if any(one.applied for one in told):
            admissions: Admissions = self.start.admissions
            for rule in self.rules.values():
                admissions = admissions.plus(rule)
            city = replace(city, admissions=admissions)
        return city, told

    def _judge(self, key: bytes, value: bytes | None) -> Told:
        detail, applied = "withdrawn", True
        if value is None:
            self.rules.pop(key, None)
            return Told(topics.ADMISSIONS.name, item_text(key), applied, detail)
        try:
            rule = AdmissionRule.model_validate_json(value)
            self._check(rule, key)
            self.rules[key] = rule
            detail = f"approved by {rule.approver} on {rule.legal_basis}"
        except (ValidationError, AdmissionError) as error:
            applied, detail = False, first_line(error)
        return Told(topics.ADMISSIONS.name, item_text(key), applied, detail)

    def _check(self, rule: AdmissionRule, key: bytes) -> None:
        if rule.id.encode() != key:
            raise AdmissionError(f"the rule {rule.id} stands under the key of another one")
        if rule.department not in self.start.departments.by_code:
            raise AdmissionError(f"there is no department {rule.department}")
        unknown = [name for name in rule.categories if name not in self.start.categories]
        if unknown:
            raise AdmissionError(f"{unknown[0]} is no category")


@dataclass
class RuleShelf:
    """hub.config: rule files under keys `<file name>/<anything>`, each judged on top of those before it; silences.

    Every key of its own is kept by the topic: after a restart the same files are in force, also when the newest is wrong.
    A file comes bare, or with its author and comment (`standing_files.py`); then its version must have grown.
    """

    start: City
    items: dict[bytes, bytes] = field(default_factory=dict)
    news: dict[bytes, str] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take a file."""
        self.items.pop(key, None)
        if value is not None:
            self.items[key] = value
        self.news[key] = _IN_FORCE if value is not None else "withdrawn"

    def settle(self, city: City, now_ms: int) -> tuple[City, list[Told]]:  # noqa: ARG002  # every shelf's form
        """The city by all right files in their order."""
        if not self.news:
            return city, []
        news, self.news = self.news, {}
        wrong: dict[bytes, str] = {}
        found = self._files(city, news, wrong)
        of_silences = {key: value for key, value in self.items.items() if is_of_silences(key)}
        silences, details, refused = silences_of(of_silences, found)
        wrong |= refused
        said = {**news, **{key: detail for key, detail in details.items() if news.get(key) == _IN_FORCE}}
        told = [Told(topics.CONFIG.name, item_text(k), k not in wrong, wrong.get(k, what)) for k, what in said.items()]
        return replace(found, silences=silences), told

    def _files(self, city: City, news: dict[bytes, str], wrong: dict[bytes, str]) -> City:
        """The city by all right files in their order; what is wrong with the others, and who published the right ones."""
        files: dict[str, bytes] = {}
        growth = Growth()
        found = by_files(city, self.start, files)
        for key, value in self.items.items():
            if is_of_silences(key):
                continue
            name = item_text(key).partition("/")[0]
            try:
                content, envelope = opened(key, value)
                further = by_files(city, self.start, files | {name: content})
                growth.take(name, envelope, further)
                found, files[name] = further, content
                if envelope is not None and key in news:
                    news[key] = envelope.told
            except Exception as error:  # noqa: BLE001  # whatever a file breaks, it is the file that is wrong
                wrong[key] = first_line(error)
        return found


_IN_FORCE = "in force"
RULE_FILES = ("categories.csv", "matching.yaml", "routing.yaml", "clocks.yaml", *ORGANISATION_FILES)


def by_files(city: City, start: City, files: Mapping[str, bytes]) -> City:
    """The city with these rule files; what there is no file for is as at the start. Raises when one is wrong."""
    unknown = sorted(set(files) - set(RULE_FILES))
    if unknown:
        raise ValueError(f"there is no rule file {unknown[0]}; the hub reads {', '.join(RULE_FILES)}")
    categories, matching, routing = start.categories, start.matching, start.routing
    if "categories.csv" in files:
        categories = Categories.load(as_file("categories.csv", files["categories.csv"]))
        gone = {name for name in start.categories if name not in categories}
        if gone:
            raise ValueError(f"categories.csv: {min(gone)} is missing; departments and kept incidents name it")
    if "matching.yaml" in files:
        matching = Matching.parse(files["matching.yaml"], categories)
    if "routing.yaml" in files:
        routing = Routing.parse(files["routing.yaml"], categories)
    # groups of clocks are of categories: another table sorts them anew
    clocks = Clocks.parse(files.get("clocks.yaml", start.clocks.content), categories)
    charter = changed_charter(start.charter, files, Around(categories, city.catalogue, routing.departments))
    return replace(city, categories=categories, matching=matching, routing=routing, charter=charter, clocks=clocks)


def as_file(name: str, content: bytes) -> Traversable:
    """Bytes as a file that loaders read."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, content)
    return cast("Traversable", zipfile.Path(zipfile.ZipFile(target), name))
