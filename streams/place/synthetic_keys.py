"""Make the declared synthetic key tables: the departments' own keys, and to which code each belongs.

Form and number are like real ones; the numbers themselves are invented.
"""

from collections.abc import Callable, Iterable

from gridhub.streams.place.rows import Row, csv_bytes

KEY_TABLES = ("police_beat", "transformer_area", "licence", "insured_community", "feeder")
_KEY_HEADER = ("key", "grid")
_FEEDERS_PER_STREET = 3


def key_files(divisions: list[Row], grids: list[Row]) -> dict[str, bytes]:
    """The files keys/<table>.csv, stations.csv and staff.csv by their path below config/grids."""
    communities = [row for row in divisions if row["level"] == "community"]
    streets = [row["short_code"] for row in divisions if row["level"] == "street"]
    codes = [row["short_code"] for row in communities]
    grid_codes = [row["code"] for row in grids]
    tables = {
        "police_beat": _numbered(codes, lambda code, serial: f"JWQ{code[:6]}{serial:04d}"),
        "insured_community": _numbered(codes, lambda _code, serial: f"SB{serial:06d}"),
        "transformer_area": _numbered(_repeated(grid_codes, 2), lambda _code, serial: f"TQ{serial:08d}"),
        "licence": _numbered(grid_codes, licence_number),
        "feeder": _numbered(_repeated(streets, _FEEDERS_PER_STREET), lambda _code, serial: f"KX{serial:05d}"),
    }
    files = {f"keys/{name}.csv": csv_bytes(_KEY_HEADER, sorted(rows)) for name, rows in tables.items()}
    return files | {"stations.csv": _stations(communities), "staff.csv": _staff(grid_codes)}


def licence_number(code: str, serial: int) -> str:
    """A food business licence number: JY, form of business 1 (sales), county, six digits, check digit.

    Source of the form: the national rule on food business licences (two letters and 14 digits); the check digit is
    ISO 7064 MOD 11,10 (GB/T 17710).
    """
    body = f"1{code[:6]}{serial:06d}"
    return f"JY{body}{check_digit(body)}"


def check_digit(digits: str) -> int:
    """The ISO 7064 MOD 11,10 check digit of a string of digits."""
    carry = 10
    for digit in digits:
        carry = ((carry + int(digit)) % 10 or 10) * 2 % 11
    return (11 - carry) % 10


def _numbered(codes: Iterable[str], key: Callable[[str, int], str]) -> list[tuple[str, ...]]:
    return [(key(code, serial), code) for serial, code in enumerate(codes, start=1)]


def _repeated(codes: list[str], times: int) -> list[str]:
    return [code for code in codes for _ in range(times)]


def _stations(communities: list[Row]) -> bytes:
    rows = [(f"WGZ{row['short_code']}", row["short_code"], f"{row['name']}网格站") for row in communities]
    return csv_bytes(("station", "community", "name"), [tuple(row) for row in rows])


def _staff(grid_codes: list[str]) -> bytes:
    rows = [(f"WGY{serial:06d}", code, f"WGZ{code[:12]}") for serial, code in enumerate(grid_codes, start=1)]
    return csv_bytes(("staff", "grid", "station"), [tuple(row) for row in rows])
