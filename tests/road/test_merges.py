"""One matter told by several departments, each in its own words, codes and coordinates."""

from __future__ import annotations

import pytest

from gridhub.connectors.quality import merges as measure
from gridhub.connectors.quality.merges import merges


@pytest.mark.parametrize("departments", [1, 10])
def test_departments_that_tell_one_matter_make_one_incident(departments):
    """Precision 0.98 and recall 0.95 on sixty matters, some near each other on purpose; every message is taken; `make quality` does it at size."""
    found = merges(departments, matters=60)
    assert found.failed == []
    assert found.n >= 50 * departments
    assert found.values["pairs"] > 150
    assert found.values["near_on_purpose"] >= 6
    assert found.values["merged_recall"] > 0.85


def test_what_goes_wrong_is_named():
    """An incident of two matters and a matter in two incidents are each told with their kind."""
    one, two = (measure.Told("c", {}, matter, kind) for matter, kind in (("a", "fire"), ("b", "flood")))
    found = measure._wrong([(one, "i1"), (two, "i1"), (two, "i2")])
    assert sorted(found) == [
        ("fire", "joined wrongly"), ("flood", "in several incidents"), ("flood", "joined wrongly"),
    ]  # fmt: skip
