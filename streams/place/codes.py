"""From a department's code to the catalogue's: two official systems, private codes, local forms, short forms.

Canonical codes are those of the National Bureau of Statistics (NBS) without trailing zeros: 6 digits for the city and
a district, 9 street, 12 community, 15 grid. Forms that are accepted beside them:

- any of these padded with zeros, and the 4-digit city code;
- 14 digits: 12-digit community and a two-digit grid serial (the older CJ/T 213 form), 00 for the whole community;
- 17 digits: 15-digit grid and a two-digit serial inside it (a local form of some cities), which is dropped;
- 20 digits: either 6 digits of a managed object before a 14-digit form (CJ/T 349), or a 15-digit grid before a
  five-digit building number (local standards), whichever names a known place.
"""

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gridhub.streams.place.answer import CITY, Answer, Problem
from gridhub.streams.place.rows import Row

SYSTEMS = ("nbs", "mca")
_FORMS = frozenset({2, 4, 6, 9, 12, 14, 15, 17, 20})
_GROUPS = ((12, 15), (9, 12), (6, 9), (4, 6), (2, 4))
_PROVINCE = "42"
_MOST_CHARACTERS = 40

SURE = 1.0
# The crosswalk is of streets: that a community's serial is the same in both systems is likely and not checked.
_MCA_COMMUNITY = 0.8
# The system was not named, but only one of the two knows the code.
_ONE_SYSTEM_KNOWS = 0.9
# A town that one system has and ours lacks: its district is all that is certain.
_DISTRICT_ONLY = 0.6


@dataclass(frozen=True)
class CodeBook:
    """Every code that means a place; `known` are the canonical ones, `mca` leads from MCA to NBS street codes."""

    known: Collection[str]
    mca: dict[str, str]
    private: dict[str, Answer]

    def resolve_many(self, codes: Sequence[str | None], systems: Sequence[str | None]) -> list[Answer]:
        """One answer per code, in order; equal pairs of a batch are resolved once. ValueError on unequal lengths."""
        pairs = list(zip(codes, systems, strict=True))
        answers = {pair: self.resolve(*pair) for pair in set(pairs)}
        return [answers[pair] for pair in pairs]

    def resolve(self, code: str | None, system: str | None = None) -> Answer:
        """The canonical code for a code of a system (`nbs`, `mca`, or not known)."""
        form = _digits(code)
        if not form:
            return _problem(Problem.MALFORMED_CODE if form is None else Problem.NOT_GIVEN)
        wanted = (system or "").strip().lower()
        if wanted and wanted not in SYSTEMS:
            return _problem(Problem.UNKNOWN_SYSTEM)
        stems = {significant(stem) for stem in _unfolded(form)}
        special = self._special(stems)
        return special or self._read(stems, wanted)

    def _special(self, stems: set[str]) -> Answer | None:
        """Codes that are answered before any reading: wider than the city, outside it, private."""
        if stems <= {_PROVINCE}:
            return _problem(Problem.WIDER_THAN_CITY, [CITY])
        if not any(stem.startswith(CITY[:4]) for stem in stems):
            return _problem(Problem.OUTSIDE_CITY)
        return next((self.private[stem] for stem in sorted(stems) if stem in self.private), None)

    def _read(self, stems: set[str], system: str) -> Answer:
        """Read the code in the systems it may be of; a grid's code without a system is the city's own."""
        open_system = not system and any(len(stem) < 15 for stem in stems)
        readings: dict[str, float] = {}
        for stem in sorted(stems):
            if system != "mca" and stem in self.known:
                readings[stem] = SURE
            other = self._from_mca(stem) if system == "mca" or open_system else None
            if other:
                code, sure = other
                readings.setdefault(code, min(sure, _ONE_SYSTEM_KNOWS) if open_system else sure)
        if len(readings) == 1:
            code, confidence = readings.popitem()
            return Answer("code", code, confidence)
        if readings:
            return _problem(Problem.AMBIGUOUS_CODE, sorted(readings))
        return _problem(Problem.UNKNOWN_CODE, self._nearest(stems, system))

    def _from_mca(self, stem: str) -> tuple[str, float] | None:
        """Read an MCA code; the canonical code and how sure it is, or None when it means nothing known."""
        if len(stem) < 9:
            return (stem, SURE) if stem in self.known else None
        street = self.mca.get(stem[:9])
        if street is None:
            return None
        if len(street) < 9:
            return street, _DISTRICT_ONLY
        code = street + stem[9:]
        return (code, SURE if len(stem) == 9 else _MCA_COMMUNITY) if code in self.known else None

    def _nearest(self, stems: set[str], system: str) -> list[str]:
        """The narrowest known places around unknown codes: where a person would begin to look."""
        found = set()
        for stem in stems:
            lead = stem if system != "mca" else self.mca.get(stem[:9], stem[:6]) + stem[9:]
            around = (lead[:size] for size in (12, 9, 6) if lead[:size] in self.known)
            found.add(next(around, CITY))
        return sorted(found)


def significant(digits: str) -> str:
    """A code without the zero groups at its end: 420202005000 is 420202005, 420200 stays the city's six digits."""
    for size, longer in _GROUPS:
        if len(digits) == longer and digits.endswith("0" * (longer - size)):
            digits = digits[:size]
    return CITY if digits == CITY[:4] else digits


def private_answers(rows: Iterable[Row]) -> dict[str, Answer]:
    """The table private-codes.csv as answers: one place, or several that the code means together."""
    answers = {}
    for row in rows:
        if row["canonical"]:
            answers[row["code"]] = Answer("code", row["canonical"], float(row["confidence"]))
        else:
            answers[row["code"]] = _problem(Problem.SEVERAL_PLACES, row["members"].split())
    return answers


def _digits(code: str | None) -> str | None:
    """The code's digits in ASCII, empty when nothing is given, None when it is no code at all."""
    if code is not None and len(code) > _MOST_CHARACTERS:
        return None
    text = unicodedata.normalize("NFKC", code or "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) in _FORMS):
        return None
    return text


def _unfolded(form: str) -> list[str]:
    """The 15-digit or shorter codes that a form may stand for."""
    if len(form) == 14:
        return [form[:12] + "0" + form[12:]]
    if len(form) == 17:
        return [form[:15]]
    if len(form) == 20:
        return [form[6:18] + "0" + form[18:], form[:15]]
    return [form]


def _problem(problem: Problem, candidates: Iterable[str] = ()) -> Answer:
    return Answer("code", problem=problem, candidates=tuple(candidates))
