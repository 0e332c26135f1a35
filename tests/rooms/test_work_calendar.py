"""Limits in work time and natural time over nights, weekends, holidays and swap working days."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridhub.streams.organisation.calendar import ALWAYS, DAY_MS, MINUTE_MS, Calendar, Hours, day_of, ms_of_day
from gridhub.streams.organisation.workdays import FIRST, LAST, Workdays

CHINA = timezone(timedelta(hours=8))
HOUR = 60
GRID = Hours(((8 * HOUR * MINUTE_MS, 20 * HOUR * MINUTE_MS),), ((8 * HOUR * MINUTE_MS, 20 * HOUR * MINUTE_MS),))
CALENDAR = Calendar(hours={"grid": GRID, "always": ALWAYS})
CLOCKS = ("natural", "work", "grid", "always")


def ms(text: str) -> int:
    """A moment in China."""
    return int(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


def text(moment: int) -> str:
    """The same moment as people in China write it."""
    return datetime.fromtimestamp(moment / 1000, UTC).astimezone(CHINA).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("start", "minutes", "limit"),
    [
        ("2026-11-23T09:00", 60, "2026-11-23T10:00"),
        ("2026-11-23T09:00", 180, "2026-11-23T12:00"),  # with the morning, not when the afternoon begins
        ("2026-11-23T09:00", 181, "2026-11-23T14:31"),
        ("2026-11-23T13:00", 30, "2026-11-23T15:00"),  # lunch does not count
        ("2026-11-23T17:00", 60, "2026-11-24T09:00"),  # nor the night
        ("2026-11-23T22:00", 15, "2026-11-24T08:45"),
        ("2026-11-23T03:00", 15, "2026-11-23T08:45"),
        ("2026-11-27T17:00", 60, "2026-11-30T09:00"),  # nor a weekend
        ("2026-02-13T17:00", 60, "2026-02-14T09:00"),  # Saturday, a swap working day before Spring Festival
        ("2026-02-14T17:00", 60, "2026-02-24T09:00"),  # Spring Festival 15 to 23 February
        ("2026-02-27T17:00", 60, "2026-02-28T09:00"),  # Saturday, a swap working day after it
        ("2026-02-28T17:00", 60, "2026-03-02T09:00"),  # and its Sunday is off
        ("2026-09-18T17:00", 60, "2026-09-20T09:00"),  # Saturday off, Sunday the 20th is a swap working day
        ("2026-09-24T17:00", 60, "2026-09-28T09:00"),  # Mid-Autumn 25 to 27 September
        ("2026-09-30T17:00", 60, "2026-10-08T09:00"),  # National Day 1 to 7 October
        ("2026-10-03T10:00", 30, "2026-10-08T09:00"),  # begun in a holiday
        ("2026-10-09T17:00", 60, "2026-10-10T09:00"),  # Saturday, a swap working day
        ("2025-12-31T17:00", 60, "2026-01-04T09:00"),  # over New Year, to a swap Sunday
    ],
)
def test_limits_in_work_time(start, minutes, limit):
    """Work minutes are counted in offices' hours on working days only, by the State Council's calendar."""
    assert text(CALENDAR.deadline(ms(start), minutes, "work")) == limit
    assert CALENDAR.elapsed(ms(start), ms(limit), "work") == minutes


@pytest.mark.parametrize("clock", ["natural", "always"])
def test_a_clock_that_always_runs_is_natural_time(clock):
    """A clock of 24 hours on all days agrees with natural time, over Spring Festival too."""
    start = ms("2026-02-14T23:59")
    assert CALENDAR.deadline(start, 14_400, clock) == start + 14_400 * MINUTE_MS
    assert CALENDAR.elapsed(start, start + 1, clock) == 1 / MINUTE_MS


MOMENTS = st.integers(ms("2025-06-01T00:00"), ms("2027-06-01T00:00"))
SPANS = st.integers(1, 60_000_000)


@given(MOMENTS, SPANS, st.sampled_from(CLOCKS))
def test_elapsed_inverts_deadline(start, span_ms, clock):
    """So much of the clock passes until a limit as was given, to the millisecond."""
    limit = CALENDAR.deadline(start, span_ms / MINUTE_MS, clock)
    assert CALENDAR.elapsed_ms(start, limit, clock) == span_ms


@given(MOMENTS, SPANS, st.sampled_from(CLOCKS))
def test_a_limit_is_the_first_such_moment(start, span_ms, clock):
    """One millisecond before its limit, less of the clock has passed: the limit lies in or at the end of work time."""
    limit = CALENDAR.deadline(start, span_ms / MINUTE_MS, clock)
    assert CALENDAR.elapsed_ms(start, limit - 1, clock) == span_ms - 1


@given(MOMENTS, MOMENTS, st.sampled_from(CLOCKS))
def test_deadline_inverts_elapsed_in_work_time(start, end, clock):
    """Between two moments of which the later one ends a worked millisecond, the limit of what passed is the later one."""
    start, end = sorted((start, end))
    passed = CALENDAR.elapsed_ms(start, end, clock)
    again = CALENDAR.deadline(start, passed / MINUTE_MS, clock)
    worked = end > start and CALENDAR.is_working(end - 1, clock)
    assert again == end if worked else again <= end


@given(MOMENTS, MOMENTS, MOMENTS, st.sampled_from(CLOCKS))
def test_elapsed_adds_up(first, second, third, clock):
    """What passes from a first to a third moment passes by way of a second one, in any order of the three."""
    ways = CALENDAR.elapsed_ms(first, second, clock) + CALENDAR.elapsed_ms(second, third, clock)
    assert ways == CALENDAR.elapsed_ms(first, third, clock)


@given(MOMENTS, SPANS, SPANS, st.sampled_from(CLOCKS))
def test_limits_add_up(start, one, other, clock):
    """Two spans one after the other end where both together do."""
    step = CALENDAR.deadline(CALENDAR.deadline(start, one / MINUTE_MS, clock), other / MINUTE_MS, clock)
    assert step == CALENDAR.deadline(start, (one + other) / MINUTE_MS, clock)


@given(MOMENTS)
def test_work_minutes_counted_one_by_one(start):
    """Elapsed work time of a day equals its minutes counted one by one."""
    counted = sum(CALENDAR.is_working(start + minute * MINUTE_MS, "work") for minute in range(0, 1440, 1))
    whole = CALENDAR.elapsed(start, start + DAY_MS, "work")
    assert abs(whole - counted) <= 4  # each of a day's four borders may fall inside a counted minute


def test_no_time_is_no_wait():
    """A span of nothing ends at once, at night too."""
    night = ms("2026-10-01T23:00")
    assert CALENDAR.deadline(night, 0, "work") == night


def test_an_unknown_clock_is_an_error():
    """A clock that nobody defined is a KeyError, not some other time."""
    with pytest.raises(KeyError):
        CALENDAR.deadline(ms("2026-10-01T23:00"), 5, "nobody")


def test_a_limit_beyond_the_calendar_is_an_error():
    """Where the calendar ends no limit is made up."""
    with pytest.raises(ValueError, match="beyond the work calendar"):
        CALENDAR.deadline(ms("2099-12-31T17:00"), 60, "work")
    with pytest.raises(ValueError, match="outside the work calendar"):
        CALENDAR.elapsed(0, 1, "work")


@pytest.mark.parametrize("name", ["natural", "empty"])
def test_a_clock_without_hours_or_named_natural_is_refused(name):
    """Natural time cannot be redefined, and a clock that never runs is refused when the calendar is made."""
    with pytest.raises(ValueError, match=name):
        Calendar(hours={name: Hours(())})


@pytest.mark.parametrize(
    ("day", "works", "name"),
    [
        ("2026-02-16", False, "春节"),
        ("2026-02-14", True, "调休上班"),
        ("2026-11-23", True, "工作日"),
        ("2026-11-22", False, "周末"),
        ("2026-10-01", False, "国庆节"),
    ],
)
def test_what_kind_of_day_it_is(day, works, name):
    """Each day says whether offices work, and why, for a person."""
    workdays = Workdays()
    assert workdays.is_workday(date.fromisoformat(day)) == works
    assert workdays.name(date.fromisoformat(day)) == name


def test_a_year_that_nobody_knows_goes_by_the_weekday():
    """Where neither library nor file has a year it is told as unknown, and its days go by the weekday."""
    workdays = Workdays()
    assert workdays.unknown_years(date(2026, 11, 23), date(2031, 1, 1))[-1] == 2031
    assert not workdays.is_known(2031)
    assert workdays.is_workday(date(2031, 10, 1))  # a Wednesday
    assert workdays.known_until(date(2031, 5, 1)) == date(2031, 4, 30)


def test_a_year_comes_as_data():
    """Days off in workdays.csv make a year known, win over library and weekday, and a few of them do not make it known."""
    days = {date(2031, 1, 22) + timedelta(days=number): False for number in range(8)}
    days |= {date(2031, 10, 1) + timedelta(days=number): False for number in range(7)}
    swap = {date(2031, 2, 1): True}  # a Saturday
    known, partly = Workdays(days | swap), Workdays({date(2031, 10, 1): False})
    calendar = Calendar(known)
    assert known.is_known(2031)
    assert not partly.is_known(2031)
    assert text(calendar.deadline(ms("2031-01-21T17:00"), 60, "work")) == "2031-01-30T09:00"
    assert text(calendar.deadline(ms("2031-01-31T17:00"), 60, "work")) == "2031-02-01T09:00"
    assert Workdays({date(2026, 10, 8): False}).is_workday(date(2026, 10, 8)) is False


def test_days_of_moments():
    """A day begins at midnight in China, which is 16:00 UTC of the day before."""
    assert day_of(ms("2026-11-23T00:00")) == date(2026, 11, 23)
    assert ms_of_day(date(2026, 11, 23)) == ms("2026-11-23T00:00")
    assert day_of(ms("2026-11-23T00:00") - 1) == date(2026, 11, 22)


def test_workdays_beyond_the_calendar_go_by_the_weekday():
    """Whether a day is a working day is answered for any moment: beyond the calendar by the weekday alone."""
    assert CALENDAR.is_workday(ms_of_day(LAST) + 1)  # Thursday 31 December 2099
    friday, saturday = ms_of_day(LAST) + DAY_MS, ms_of_day(LAST) + 2 * DAY_MS
    assert (CALENDAR.is_workday(friday), CALENDAR.is_workday(saturday)) == (True, False)
    assert CALENDAR.is_workday(ms_of_day(FIRST) - 2 * DAY_MS) is True  # Monday 30 December 1991
