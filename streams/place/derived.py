"""Derive the crosswalk between the two official systems of street and town codes from the two committed lists.

NBS = National Bureau of Statistics (the hub's canonical codes), MCA = Ministry of Civil Affairs. Streets are the same
when they have the same name in the same district; the only different spelling is named in SPELLINGS.
"""

from gridhub.streams.place.rows import Row, csv_bytes

# U+23C97 stands outside the BMP; many systems cannot store it and write 韦 (or, read wrongly, 潍 or 沣) instead.
SPELLINGS = {"𣲗源口镇": "韦源口镇"}
_HEADER = ("district_code6", "mca_code9", "nbs_code9", "mca_name", "nbs_name", "relation")


def crosswalk_bytes(divisions: list[Row], townships: list[Row]) -> bytes:
    """The file crosswalk-mca-nbs.csv; relation is `same`, `differs`, `mca_only` or `nbs_only`."""
    nbs = {(row["district_code6"], row["name"]): row["short_code"] for row in divisions if row["level"] == "street"}
    rows = [_row(town, nbs) for town in townships]
    matched = {row[2] for row in rows}
    rows += [
        (district, "", code, "", name, "nbs_only") for (district, name), code in nbs.items() if code not in matched
    ]
    return csv_bytes(_HEADER, sorted(rows, key=lambda row: (row[0], row[1] or "~", row[2])))


def _row(town: Row, nbs: dict[tuple[str, str], str]) -> tuple[str, ...]:
    name = SPELLINGS.get(town["name"], town["name"])
    mca, code = town["code12"][:9], nbs.get((town["district_code6"], name), "")
    relation = "mca_only" if not code else "same" if code == mca else "differs"
    return (town["district_code6"], mca, code, town["name"], name if code else "", relation)
