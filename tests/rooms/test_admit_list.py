"""The approved list: what it admits, when, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridhub.streams.admissions import AdmissionError, AdmissionRule, Admissions

DAY_MS = 86_400_000
BEGIN_MS = 1_767_196_800_000  # 2026-01-01T00:00+08:00
RULE = """
  - id: A-1
    department: power
    types: ["1001"]
    categories: [dark_street]
    legal_basis: x
    approver: y
    valid_from: 2026-01-01
    valid_until: 2026-12-31
"""


def load(path: Path, words: str) -> Admissions:
    """The list of a file with these words, checked against one department and one category."""
    path.write_text(words, "utf-8")
    return Admissions.load(path, {"power"}, {"dark_street"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the tests write their list."""
    return tmp_path / "admissions.yaml"


def test_a_type_or_a_category_is_enough(path: Path) -> None:
    """A rule admits its department's types, and anything of its categories; nobody else's."""
    rules = load(path, f"rules:{RULE}")
    assert rules.allows("power", "1001", BEGIN_MS) == "A-1"
    assert rules.allows("power", "anything", BEGIN_MS, "dark_street") == "A-1"
    assert rules.allows("power", "1002", BEGIN_MS, "power_outage") is None
    assert rules.allows("food-drug", "1001", BEGIN_MS, "dark_street") is None


def test_both_ends_of_the_validity_belong_to_it(path: Path) -> None:
    """The first and the last day count whole, in Beijing time."""
    rules = load(path, f"rules:{RULE}")
    for at_ms, rule in (
        (BEGIN_MS - 1, None),
        (BEGIN_MS, "A-1"),
        (BEGIN_MS + 365 * DAY_MS - 1, "A-1"),
        (BEGIN_MS + 365 * DAY_MS, None),
    ):
        assert rules.allows("power", "1001", at_ms) == rule


def test_without_a_last_day_a_rule_stays(path: Path) -> None:
    """No valid_until means until it is withdrawn."""
    rules = load(path, f"rules:{RULE.replace('    valid_until: 2026-12-31', '')}")
    assert rules.allows("power", "1001", BEGIN_MS + 10_000 * DAY_MS) == "A-1"


def test_a_later_rule_takes_over(path: Path) -> None:
    """When one approval ends and the next begins, each day has its own rule; the earlier in the list comes first."""
    later = (
        RULE.replace("A-1", "A-2")
        .replace("valid_from: 2026-01-01", "valid_from: 2026-06-01")
        .replace("2026-12-31", "2027-12-31")
    )
    rules = load(path, f"rules:{RULE}{later}")
    assert rules.allows("power", "1001", BEGIN_MS + 200 * DAY_MS) == "A-1"
    assert rules.allows("power", "1001", BEGIN_MS + 400 * DAY_MS) == "A-2"


def test_an_operator_adds_replaces_and_withdraws(path: Path) -> None:
    """The list is never changed in place: each change is a new list with its own version."""
    first = load(path, f"rules:{RULE}")
    rule = AdmissionRule(
        id="B-1", department="power", types=("9",), legal_basis="x", approver="y", valid_from="2026-01-01"
    )
    second = first.plus(rule)
    assert first.allows("power", "9", BEGIN_MS) is None
    assert second.allows("power", "9", BEGIN_MS) == "B-1"
    assert second.version != first.version
    assert len(second.plus(rule)) == 2
    assert second.without("B-1").version == first.version
    with pytest.raises(KeyError):
        first.without("B-1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("rules: 5", "rules: "),
        ("rulez: []", "rulez: Extra inputs"),
        ("[]", "the file: "),
        (f"rules:{RULE}{RULE}", "same id"),
        (f"rules:{RULE.replace('power', 'water')}", "rule A-1: there is no department water"),
        (f"rules:{RULE.replace('dark_street', 'moon')}", "rule A-1: moon is no category"),
        (f"rules:{RULE.replace('2026-12-31', '2025-12-31')}", "rules.0: valid_until lies before valid_from"),
        (f"rules:{RULE.replace('2026-01-01', 'soon')}", "rules.0.valid_from: "),
        (f"rules:{RULE.replace('    approver: y', '')}", "rules.0.approver: Field required"),
        (f"rules:{RULE.replace('    types', '    typez')}", "rules.0.typez: Extra inputs"),
        (
            "rules:\n  - {id: A-1, department: power, legal_basis: x, approver: y, valid_from: 2026-01-01}",
            "never admits everything",
        ),
        (f"rules:{RULE.replace('A-1', 'A 1')}", "rules.0.id: "),
        ("rules: [", "line 1"),
    ],
)
def test_wrong_lists(words: str, sentence: str, path: Path) -> None:
    """A wrong list stops the load with a sentence that names the key."""
    with pytest.raises(AdmissionError) as caught:
        load(path, words)
    assert sentence in str(caught.value)


def test_a_missing_list(path: Path) -> None:
    """A file that is not there is said to be not there."""
    with pytest.raises(AdmissionError, match="cannot be read"):
        Admissions.load(path)
