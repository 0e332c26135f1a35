"""The city's table of categories: the bundled one, and what is said of wrong ones."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from gridhub.streams.categories import COLUMNS, Categories, CategoryError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "event-categories.csv"
HEADER = ",".join(COLUMNS)
LINE = "fire,火灾,Fire,matter,X0401,fire,200,7200,1,1"


def test_the_bundled_table_loads() -> None:
    """The bundled table has the categories that the six departments need, with their numbers as numbers."""
    categories = Categories.load()
    assert len(categories) >= 40
    fire = categories["fire"]
    assert (fire.name_zh, fire.radius_m, fire.window_s, fire.life_safety, fire.default_severity) == (
        "火灾",
        200,
        7200,
        True,
        1,
    )


def test_power_matters_share_a_group() -> None:
    """An outage, a dark street and a lift that stands still can be one and the same matter; planned work never is."""
    categories = Categories.load()
    groups = {categories[name].matter_group for name in ("power_outage", "dark_street", "lift_alarm")}
    assert groups == {"power_supply"}
    assert categories["planned_power_work"].matter_group not in groups


def test_every_warning_signal_has_a_category() -> None:
    """The meteorology mapping's fourteen signal codes lead to warnings of the table."""
    categories = Categories.load()
    assert sum(row.kind == "warning" for row in categories.values()) >= 14


@pytest.mark.skipif(not SHARED.is_file(), reason="the real code list ../shared/data/event-categories.csv is not here")
def test_official_codes_bear_their_official_names() -> None:
    """Each code that is not the city's own is in GB/T 47678.5-2026 with the same name."""
    with SHARED.open(encoding="utf-8-sig", newline="") as stream:
        official = {(row["kind"], row["code5"]): row["name"] for row in csv.DictReader(stream)}
    kinds = {"matter": "管理事项", "component": "管理部件"}
    ours = [row for row in Categories.load().values() if not row.code.startswith("X")]
    assert ours
    for row in ours:
        assert official[kinds[row.kind], row.code] == row.name_zh


def test_the_version_is_a_digest_of_the_file(tmp_path: Path) -> None:
    """The same bytes give the same version, others another."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(f"{HEADER}\n{LINE}\n", "utf-8")
    second.write_text(f"{HEADER}\n{LINE.replace('7200', '7201')}\n", "utf-8")
    assert Categories.load(first).version == Categories.load(first).version
    assert Categories.load(first).version != Categories.load(second).version


def test_a_byte_order_mark_is_taken_off(tmp_path: Path) -> None:
    """A table saved by a spreadsheet program begins with a byte order mark."""
    path = tmp_path / "c.csv"
    path.write_text(f"\ufeff{HEADER}\n{LINE}\n", "utf-8")
    assert list(Categories.load(path)) == ["fire"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the columns must be"),
        (f"category,name\n{LINE}", "the columns must be"),
        (f"{HEADER}\n{LINE},1", "line 2: there must be 10 cells"),
        (f"{HEADER}\n{LINE[:-2]}", "line 2: there must be 10 cells"),
        (f"{HEADER}\n{LINE}\n{LINE}", "line 3: the category fire is there twice"),
        (f"{HEADER}\n{LINE}\n{LINE.replace('fire,火', 'blaze,火')}", "line 3: the code X0401 belongs to fire already"),
        (f"{HEADER}\n{LINE.replace('fire,火', 'Fire!,火')}", "category 'Fire!' must match"),
        (f"{HEADER}\n{LINE.replace('火灾', '')}", "name_zh is empty"),
        (f"{HEADER}\n{LINE.replace('matter', 'thing')}", "kind 'thing' must be one of"),
        (f"{HEADER}\n{LINE.replace('X0401', '401')}", "code '401' must match"),
        (f"{HEADER}\n{LINE.replace(',200,', ',0,')}", "radius_m '0' must be a whole number from 1"),
        (f"{HEADER}\n{LINE.replace(',7200,', ',two,')}", "window_s 'two' must be"),
        (f"{HEADER}\n{LINE.replace(',1,1', ',yes,1')}", "life_safety 'yes' must be one of 0, 1"),
        (f"{HEADER}\n{LINE.replace(',1,1', ',1,5')}", "default_severity '5' must be"),
        (f'{HEADER}\n"{LINE}', "unexpected end of data"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"x" * 1_100_000, "larger than"),
    ],
)
def test_wrong_tables(content: str | bytes, sentence: str, tmp_path: Path) -> None:
    """A wrong table stops the load with a sentence that names file, line and column."""
    path = tmp_path / "wrong.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CategoryError) as caught:
        Categories.load(path)
    assert sentence in str(caught.value)
    assert "wrong.csv" in str(caught.value)


def test_a_missing_table(tmp_path: Path) -> None:
    """A file that is not there is said to be not there."""
    with pytest.raises(CategoryError, match=r"gone\.csv cannot be read"):
        Categories.load(tmp_path / "gone.csv")


def test_the_package_holds_the_table() -> None:
    """The table is found as a resource of the installed package, without knowing a path."""
    assert (files("gridhub.config") / "categories.csv").is_file()
