"""The example's data: what the laptop's source systems play."""

from datetime import date, timedelta

from example import data


def test_the_days_of_2013_come_in_their_order() -> None:
    days = {day: len(flights) for day, flights in data.flights_by_day()}
    assert list(days) == [data.FIRST_DAY + timedelta(days=n) for n in range(365)]
    assert sum(days.values()) == 336_776
    assert days[date(2013, 2, 1)] == 926
