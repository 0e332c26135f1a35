"""Chinese address texts: the deepest place that the text really says, and no guess."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.place.answer import Problem
from gridhub.streams.place.catalogue import Catalogue

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "huangshi-addresses-sample.csv"
CATALOGUE = Catalogue.load()
STREETS = CATALOGUE.places("street")
COMMUNITIES = CATALOGUE.places("community")


def locate(text):
    """Locate one text."""
    return CATALOGUE.locate_addresses([text])[0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("湖北省黄石市黄石港区沈家营街道桂花湾社区第001网格", "420202005001001"),
        ("黄石港区沈家营街道桂花湾社区第二网格3栋2单元", "420202005001002"),
        ("黄石市黄石港区沈家营街道桂花湾社区", "420202005001"),
        ("黄石港区桂花湾社区", "420202005001"),
        ("黄石港区湖滨大道12号桂花湾社区", "420202005001"),
        ("（黄石市）黄石港区　胜阳港街道 南京路社区", "420202007006"),
        ("湖北省-黄石市-黄石港区-花湖街道", "420202070"),
        ("黄石港区花湖街道华山路20-6号", "420202070"),
        ("黄石市团城山街道杭州西路", "420204004"),
        ("黄石市新下陆下陆大道33号", "420204005"),
        ("黄石市下陆区新下陆街228号", "420204"),
        ("黄石市铁山广友路8号", "420205"),
        ("黄石市黄石港区天津路141号黄石市中心医院后勤保障部", "420202"),
        ("湖北省黄石市阳新县兴国镇儒学路81号设备科", "420222100"),
        ("阳新县城关儒学路", "420222100"),
        ("阳新城关镇儒学路81号", "420222100"),
        ("大冶城关", "420281"),
        ("阳新县𣲗源口镇", "420222103"),
        ("阳新县湋源口镇街上", "420222103"),
        ("阳新县韦源口镇", "420222103"),
        ("湖北省大冶市城北开发区东风路25号", "420281"),
        ("湖北大冶金湖街道", "420281003"),
        ("大冶市灵乡镇街道社区", "420281102001"),
        ("大冶市罗家桥街道罗桥村", "420281004212"),
        ("黄石大冶市陈贵镇", "420281108"),
        ("黄石经济技术开发区金山街道", "420281070"),
        ("黄石经济技术开发区·铁山区铁山街道", "420205003"),
        ("西塞山区河口镇", "420203"),
        ("黄石市黄石大道861号", "420202"),
        ("黄石市黄石大道275号", "420203"),
        ("黄石市黄石大道500号", "420200"),
        ("湖北省黄石市磁湖路634号（黄石市中医医院后勤保障科）", "420200"),
        ("黄石市大冶湖大道", "420200"),
        ("西塞山区武汉路12号", "420203"),
        ("湖北黄石", "420200"),
        ("湖北黄石公园", "420200"),
        ("湖北黄石港务局", "420200"),
        ("湖北省黄石天津路141号", "420200"),
        ("黄石港区沈家营街办桂花湾社区", "420202005001"),
        ("沈家营街道办事处", "420202005"),
        ("黄石市中级人民法院驻阳新县办案点", "420222"),
        ("联系地址:黄石市黄石港区天津路", "420202"),
        ("桂花湾社区3栋", "420202005001"),
        ("白沙镇潘祥村", "420222107201"),
        ("武汉某某有限公司,湖北省黄石市下陆区杭州西路", "420204"),
        ("阳新县商会(湖北省黄石市下陆区杭州西路)", "420204"),
        ("黄石市下陆区大冶有色金属集团", "420204"),
        ("黄石港区武汉市商业银行", "420202"),
        ("湖北省黃石市鐵山區鑛山路", "420205"),
        ("黄石市石灰窑区", "420203"),
        ("湖北省大冶县", "420281"),
        ("黄石市大治市", "420281"),
        ("阳新县□源口镇", "420222103"),
        ("湖北省黄石市开发区•铁山区金山街办园博大道289", "420205"),
        ("黄石市黄石大道文化宫名表专柜(黄石港区)189号", "420202"),
        ("湖北省-黄石市-阳新县-湖北省黄石市阳新县兴国镇", "420222100"),
        ("黄石市第五医院", "420204"),
        ("大冶市南山村", "420281"),
    ],
)
def test_addresses_lead_to_the_deepest_place_they_say(text, code):
    """An address of the city leads to the narrowest place that it names, not further and not beside it."""
    answer = locate(text)
    assert (answer.code, answer.method) == (code, "address")
    assert 0.5 < answer.confidence < 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, Problem.NOT_GIVEN),
        ("", Problem.NOT_GIVEN),
        ("黄石大道861号", Problem.NO_PLACE_NAMED),
        ("黄石路", Problem.NO_PLACE_NAMED),
        ("大冶大道158号", Problem.NO_PLACE_NAMED),
        ("兴国大道140号", Problem.NO_PLACE_NAMED),
        ("黄石国家公园", Problem.NO_PLACE_NAMED),
        ("Yellowstone National Park, WY", Problem.NO_PLACE_NAMED),
        ("黄石市场路3号", Problem.NO_PLACE_NAMED),
        ("湖北黄石镇", Problem.NO_PLACE_NAMED),
        ("阳新", Problem.NO_PLACE_NAMED),
        ("桂花湾", Problem.NO_PLACE_NAMED),
        ("街道" * 1000, Problem.NO_PLACE_NAMED),
        ("武汉市江岸区黄石路12号", Problem.OUTSIDE_CITY),
        ("武汉黄石路12号", Problem.OUTSIDE_CITY),
        ("湖北省武汉市黄石路", Problem.OUTSIDE_CITY),
        ("湖南省黄石市", Problem.OUTSIDE_CITY),
        ("福建省莆田市荔城区黄石镇", Problem.OUTSIDE_CITY),
        ("美国怀俄明州黄石公园", Problem.OUTSIDE_CITY),
        ("鄂州市花湖镇", Problem.OUTSIDE_CITY),
        ("黄石市人民政府驻武汉办事处", Problem.OUTSIDE_CITY),
        ("浙江省台州市黄岩区西城街道黄石大道399号", Problem.OUTSIDE_CITY),
        ("广州市白云区黄石街道江夏北中路12号", Problem.OUTSIDE_CITY),
        ("广西北海市铁山港区", Problem.OUTSIDE_CITY),
        ("登封市大冶镇", Problem.OUTSIDE_CITY),
        ("沛县河口镇孟庄居委会", Problem.OUTSIDE_CITY),
        ("连云港路南街道向阳社区居委会", Problem.NO_PLACE_NAMED),
        ("湘湖街道南湖社区居委会", Problem.NO_PLACE_NAMED),
        ("黄石市黄石港区武汉市江岸区", Problem.OUTSIDE_CITY),
        ("黄石市浠水县", Problem.OUTSIDE_CITY),
        ("武汉市商业银行黄石分行", Problem.OUTSIDE_CITY),
        ("武汉市武昌区黄石市驻汉办事处", Problem.OUTSIDE_CITY),
    ],
)
def test_what_says_no_place_of_the_city_is_not_placed(text, problem):
    """A road alone, a bare name, another city and nothing at all get no code."""
    answer = locate(text)
    assert (answer.code, answer.problem) == (None, problem)


@pytest.mark.parametrize(
    ("text", "problem", "candidates"),
    [
        ("滨湖社区居委会", Problem.AMBIGUOUS_NAME, ("420203010007", "420222456002")),
        ("黄石市滨湖社区", Problem.AMBIGUOUS_NAME, ("420203010007", "420222456002")),
        ("新农村", Problem.AMBIGUOUS_NAME, ("420281070213",)),
        ("白沙镇中心小学", Problem.AMBIGUOUS_NAME, ("420222107",)),
        ("朝阳社区", Problem.AMBIGUOUS_NAME, ("420281002006",)),
        ("黄石市黄石港区、西塞山区", Problem.AMBIGUOUS_NAME, ("420202", "420203")),
        ("大冶市人民政府驻下陆区办事处", Problem.AMBIGUOUS_NAME, ("420281", "420204")),
        ("黄石港区与西塞山区交界处", Problem.AMBIGUOUS_NAME, ("420202", "420203")),
        ("黄石港区团城山街道", Problem.PLACES_CONTRADICT, ("420202", "420204004")),
        ("黄石市下陆区磁湖路1号,黄石市铁山区矿山路2号", Problem.AMBIGUOUS_NAME, ("420204", "420205")),
        ("黄石开发区", Problem.SEVERAL_PLACES, ("420205", "420222104", "420222105", "420281070", "420281170")),
    ],
)
def test_what_is_ambiguous_comes_with_candidates(text, problem, candidates):
    """A name that several places bear, or that contradicts its district, gives all of them and none as the answer."""
    answer = locate(text)
    assert (answer.code, answer.problem, answer.candidates) == (None, problem, candidates)


def test_the_eighteen_twice_named_communities_are_never_guessed():
    """Each community name that occurs twice in the city is ambiguous alone, and an id with its street before it."""
    names = [place.name for place in COMMUNITIES]
    twice = {name for name in names if names.count(name) > 1}
    assert len(twice) == 18
    for place in COMMUNITIES:
        if place.name in twice:
            assert locate(place.name).code is None
            assert len(locate(place.name).candidates) >= 2
            assert locate(CATALOGUE.name(place.code)).code == place.code


@given(st.sampled_from([*STREETS, *COMMUNITIES, *CATALOGUE.places("grid")]))
def test_every_full_name_leads_to_its_own_place(place):
    """The full name of a street, community or basic grid, as the catalogue writes it, leads back to its code."""
    assert locate(CATALOGUE.name(place.code)).code == place.code
    assert locate("湖北省" + CATALOGUE.name(place.code)).code == place.code


@given(
    st.text(alphabet="黄石市港区大冶阳新县城关镇街道社区村路号与开发铁山武汉省驻办第一网格1234（），　", max_size=40)
)
def test_no_text_raises_and_an_answer_is_said_by_the_text(text):
    """Any mixture of the words gives an answer or a problem; a district that is answered stands in the text."""
    answer = locate(text)
    assert (answer.code is None) == (answer.problem is not None)
    if answer.code and len(answer.code) == 6 and answer.code != "420200":
        assert CATALOGUE.place(answer.code).name[:2] in text.replace("　", "") or "河口" in text


def test_a_name_without_its_suffix_is_less_sure():
    """The shorter the name that was recognised, the lower the confidence."""
    assert locate("黄石市铁山区广友路8号").confidence > locate("黄石市铁山广友路8号").confidence
    assert locate("黄石市花湖街道").confidence > locate("花湖街道").confidence


@pytest.mark.skipif(not SAMPLE.exists(), reason="../shared/data/huangshi-addresses-sample.csv lies beside the checkout")
def test_real_addresses_get_no_wrong_district():
    """Of 23 real addresses none gets a wrong district, and every one that names its district gets it."""
    with SAMPLE.open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    districts = {place.name: place.code for place in CATALOGUE.places("district")}
    found = 0
    for row in rows:
        code = locate(row["address"]).code
        named = [district for name, district in districts.items() if name in row["address"]]
        given_district = [district for name, district in districts.items() if name in row["district_as_given"]]
        if named:
            assert code is not None
            assert code[:6] == named[0]
            found += 1
        elif code and code != "420200" and given_district:
            assert code[:6] == given_district[0]
    assert (len(rows), found) == (23, 12)


def test_a_named_district_stands_where_the_rest_is_ambiguous():
    """Of two villages of one name in the named district the district is the answer, and both are candidates."""
    answer = locate("大冶市南山村")
    assert (answer.code, answer.candidates) == ("420281", ("420281105208", "420281108215"))
    assert answer.confidence < locate("大冶市").confidence


def test_a_house_number_counts_only_between_known_ones_and_in_the_city():
    """黄石大道 275 lies between two known numbers; 500 does not; without the city the road may be another city's."""
    assert locate("黄石市黄石大道275号").code == "420203"
    assert locate("黄石市黄石大道500号").code == "420200"
    assert locate("黄石大道275号").code is None
    assert locate("黄石市黄石大道275号").confidence < 0.75
