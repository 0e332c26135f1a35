"""Codes of two official systems, private codes, local forms and department keys."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.place.answer import Problem
from gridhub.streams.place.catalogue import Catalogue
from gridhub.streams.place.codes import significant

TOWNSHIPS = Path(__file__).parents[3] / "shared" / "data" / "huangshi-townships-mca2026.csv"
CATALOGUE = Catalogue.load()


def resolve(code, system=None):
    """Resolve one code."""
    return CATALOGUE.resolve_codes([code], [system])[0]


@pytest.mark.parametrize(
    ("code", "system", "canonical"),
    [
        ("420200", None, "420200"),
        ("4202", None, "420200"),
        ("420200000000", "nbs", "420200"),
        ("420202", None, "420202"),
        ("420202000000", "mca", "420202"),
        ("420202005000", "nbs", "420202005"),
        ("420202005", "mca", "420202070"),
        ("420202001000", "mca", "420202005"),
        ("420281107000", "nbs", "420281107"),
        ("420281107000", "mca", "420281105"),
        ("420281109", "nbs", "420281109"),
        ("420281109", "mca", "420281107"),
        ("420222103", "mca", "420222103"),
        ("420202400", "nbs", "420202400"),
        ("420203402", None, "420203402"),
        ("420202005001", "nbs", "420202005001"),
        ("420202001001", "mca", "420202005001"),
        ("420202005001001", None, "420202005001001"),
        (" 420202005001001 ", "NBS", "420202005001001"),
        ("４２０２０２", None, "420202"),
        ("420202005001000", "nbs", "420202005001"),
        ("42020200500101", None, "420202005001001"),
        ("42020200500100", "nbs", "420202005001"),
        ("42020200500100107", None, "420202005001001"),
        ("01010142020200500101", None, "420202005001001"),
        ("01010142020200500100", "nbs", "420202005001"),
        ("42020200500100100017", None, "420202005001001"),
        ("420221", None, "420281"),
        ("420299", None, "420200"),
    ],
)
def test_codes_lead_to_the_canonical_code(code, system, canonical):
    """A code in any accepted form and system leads to the statistical code without trailing zeros."""
    answer = resolve(code, system)
    assert (answer.code, answer.method) == (canonical, "code")
    assert 0 < answer.confidence <= 1


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("420202005", "420202005", "420202070"),
        ("420281107", "420281105", "420281107"),
        ("420281109", "420281107", "420281109"),
        ("420281109000", "420281107", "420281109"),
        ("420202005001", "420202005001", "420202070001"),
        ("420202005000000", "420202005", "420202070"),
        ("42020200500100", "420202005001", "420202070001"),
        ("01010142020200500100", "420202005001", "420202070001"),
    ],
)
def test_clashing_codes_without_a_system_are_ambiguous(code, one, other):
    """Codes that mean different places in the two systems give both as candidates, in whatever form, never a guess."""
    answer = resolve(code)
    assert answer.code is None
    assert (answer.problem, answer.candidates) == (Problem.AMBIGUOUS_CODE, (one, other))


@pytest.mark.parametrize(
    ("code", "system", "problem", "candidates"),
    [
        (None, None, Problem.NOT_GIVEN, ()),
        ("", "nbs", Problem.NOT_GIVEN, ()),
        ("42020", None, Problem.MALFORMED_CODE, ()),
        ("42020x", None, Problem.MALFORMED_CODE, ()),
        ("-42020", None, Problem.MALFORMED_CODE, ()),
        ("4" * 5000, None, Problem.MALFORMED_CODE, ()),
        ("420202005", "gb", Problem.UNKNOWN_SYSTEM, ()),
        ("42", None, Problem.WIDER_THAN_CITY, ("420200",)),
        ("420000000000", None, Problem.WIDER_THAN_CITY, ("420200",)),
        ("420106", None, Problem.OUTSIDE_CITY, ()),
        ("420106001001001", None, Problem.OUTSIDE_CITY, ()),
        ("420202005099", "nbs", Problem.UNKNOWN_CODE, ("420202005",)),
        ("420202005001999", None, Problem.UNKNOWN_CODE, ("420202005001",)),
        ("420206", None, Problem.UNKNOWN_CODE, ("420200",)),
        ("420202400", "mca", Problem.UNKNOWN_CODE, ("420202",)),
        ("420202001", "nbs", Problem.UNKNOWN_CODE, ("420202",)),
    ],
)
def test_codes_without_a_place(code, system, problem, candidates):
    """Every kind of wrong code has its own problem, with the nearest known place where there is one."""
    answer = resolve(code, system)
    assert (answer.code, answer.problem, answer.candidates) == (None, problem, candidates)


@pytest.mark.parametrize("code", ["420240", "420251", "420240000000"])
def test_the_development_zone_is_several_places(code):
    """The zone's private codes mean places in three districts together, so none of them alone."""
    answer = resolve(code)
    assert answer.problem is Problem.SEVERAL_PLACES
    assert {place[:6] for place in answer.candidates} == {"420205", "420222", "420281"}
    assert all(CATALOGUE.place(place) for place in answer.candidates)


def test_a_town_of_the_other_list_leads_to_its_district():
    """河口镇 is in the Ministry's list only: its district is certain, and the confidence says that no more is."""
    answer = resolve("420203100000", "mca")
    assert answer.code == "420203"
    assert answer.confidence < 0.7


def test_a_system_that_is_not_named_lowers_the_confidence():
    """A code that only the Ministry's list has is found without its system, a little less surely."""
    assert resolve("420202001").code == "420202005"
    assert resolve("420202001").confidence < resolve("420202001", "mca").confidence


@pytest.mark.skipif(
    not TOWNSHIPS.exists(), reason="../shared/data/huangshi-townships-mca2026.csv lies beside the checkout"
)
def test_every_township_of_the_ministry_resolves_by_name():
    """All 47 streets and towns of the Ministry's list lead to the place of the same name, 20 of them by another code."""
    with TOWNSHIPS.open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    differ = 0
    for row in rows:
        code = resolve(row["code12"], "mca").code
        if row["name"] == "河口镇":
            assert code == "420203"
            continue
        differ += code != row["code12"][:9]
        assert CATALOGUE.place(code).name == row["name"].replace("𣲗", "韦")
    assert (len(rows), differ) == (47, 20)


def test_a_batch_keeps_its_order():
    """Answers come in the order of the codes, equal ones equal."""
    answers = CATALOGUE.resolve_codes(["420202", None, "420281109", "420202"], [None, None, "mca", None])
    assert [answer.code for answer in answers] == ["420202", None, "420281107", "420202"]


@given(st.sampled_from(CATALOGUE.grid_codes.tolist()), st.sampled_from([4, 6, 9, 12, 15]))
def test_every_padded_code_of_a_grids_line_resolves_to_itself(grid, size):
    """City, district, street, community and grid resolve from their short and their zero-padded code."""
    short = grid[:size]
    wanted = "420200" if size == 4 else short
    assert resolve(short, "nbs").code == wanted
    if size <= 12:
        assert resolve(short.ljust(12, "0"), "nbs").code == wanted
    assert significant(short.ljust(15, "0")) == wanted


@given(st.text(max_size=30), st.one_of(st.none(), st.text(max_size=5)))
def test_no_text_raises(code, system):
    """Whatever stands in the code field, there is an answer with a known code or with a problem."""
    answer = resolve(code, system)
    assert (answer.code is None) == (answer.problem is not None)
    assert answer.code is None or CATALOGUE.place(answer.code)


@pytest.mark.parametrize("table", ["police_beat", "transformer_area", "licence", "insured_community", "feeder"])
def test_every_key_leads_to_a_place(table):
    """Each committed key leads to a place of the level that its table is of."""
    size = {"police_beat": 12, "insured_community": 12, "feeder": 9}.get(table, 15)
    folder = Path(__file__).parents[2] / "config" / "grids" / "keys"
    rows = list(csv.DictReader((folder / f"{table}.csv").open(encoding="utf-8")))
    answers = CATALOGUE.resolve_keys([table] * len(rows), [row["key"] for row in rows])
    assert [answer.code for answer in answers] == [row["grid"] for row in rows]
    assert {len(answer.code) for answer in answers} == {size}
    assert {answer.method for answer in answers} == {"key"}


def test_unknown_keys_and_tables_are_told_apart():
    """A key that no table has and a table that nobody has are different problems."""
    answers = CATALOGUE.resolve_keys(["feeder", "no_such_table", None], ["KX99999", "KX00001", None])
    assert [answer.problem for answer in answers] == [Problem.UNKNOWN_KEY, Problem.UNKNOWN_TABLE, Problem.UNKNOWN_TABLE]


def test_codes_and_systems_must_be_of_one_length():
    """A list of systems that is shorter than the codes is an error, not a guess."""
    with pytest.raises(ValueError, match="shorter"):
        CATALOGUE.resolve_codes(["420202", "420203"], [None])
