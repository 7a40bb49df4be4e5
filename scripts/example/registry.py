"""The on-prem databases: SQLite files with aircraft, airports, carriers and passengers.

`create` fills them from the data; `live_a_day` changes them as a day of business would, so that
change data capture has inserts, updates, hard deletes and re-inserts to carry.
"""

import random
import sqlite3
from datetime import date
from pathlib import Path

from example.data import integer, number, rows, value
from example.events import PASSENGERS, chance, email, passenger_id

TABLES = {
    "registry.aircraft": "aircraft",
    "registry.airports": "airports",
    "registry.carriers": "carriers",
    "ticketing.passengers": "passengers",
}
_FIRST = ("Ada", "Grace", "Alan", "Edgar", "Barbara", "Donald", "Frances", "Leslie", "Jim", "Joan")
_LAST = ("Lovelace", "Hopper", "Turing", "Codd", "Liskov", "Knuth", "Allen", "Lamport", "Gray")
_COUNTRIES = ("US", "US", "US", "CA", "MX", "GB", "DE", "FR", "JP", "BR")
_TIERS = ("none", "none", "none", "silver", "gold")

_SCHEMA = """
create table aircraft (tailnum text primary key, manufactured_year integer, type text, manufacturer text,
    model text, engines integer, seats integer, speed integer, engine text);
create table airports (faa text primary key, name text, lat real, lon real, alt integer,
    tz integer, dst text, tzone text);
create table carriers (carrier text primary key, name text);
create table passengers (passenger_id text primary key, full_name text, email text, phone text,
    country text, loyalty_tier text, created_on text);
"""


def create(path: Path) -> None:
    """Make the database as it is before the first day; one that exists is left as it is."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    db = sqlite3.connect(partial)
    db.executescript(_SCHEMA)
    db.executemany(
        "insert into aircraft values (?,?,?,?,?,?,?,?,?)", map(_aircraft, rows("planes"))
    )
    db.executemany("insert into airports values (?,?,?,?,?,?,?,?)", map(_airport, rows("airports")))
    db.executemany(
        "insert into carriers values (?,?)", ((r["carrier"], r["name"]) for r in rows("airlines"))
    )
    db.executemany(
        "insert into passengers values (?,?,?,?,?,?,?)", map(_passenger, range(PASSENGERS))
    )
    db.commit()
    db.close()
    partial.rename(path)


def live_a_day(path: Path, day: date) -> None:
    """Change the database as `day` did: the same changes for the same day."""
    draw = random.Random(day.toordinal())
    with sqlite3.connect(path) as db:
        tailnums = [row[0] for row in db.execute("select tailnum from aircraft order by tailnum")]
        for tailnum in draw.sample(tailnums, 3):
            db.execute(
                "update aircraft set seats = max(seats + ?, 1) where tailnum = ?",
                (draw.choice((-4, -2, 2, 4)), tailnum),
            )
        retired = draw.choice(tailnums)
        sold = db.execute("select * from aircraft where tailnum = ?", (retired,)).fetchone()
        db.execute("delete from aircraft where tailnum = ?", (retired,))
        if day.toordinal() % 2:  # every other time it comes back the same day
            db.execute("insert into aircraft values (?,?,?,?,?,?,?,?,?)", sold)
        if day.day == 10:
            db.execute(
                "update carriers set name = name || ' (' || ? || ')' where carrier = ?",
                (f"{day:%b %Y}", draw.choice(("9E", "EV", "FL", "MQ"))),
            )
        if day.weekday() == 0:
            airport = draw.choice(("JFK", "LGA", "EWR", "BOS", "ORD"))
            db.execute("update airports set alt = alt + 1 where faa = ?", (airport,))
        _passengers_of_a_day(db, day, draw)


def _passengers_of_a_day(db: sqlite3.Connection, day: date, draw: random.Random) -> None:
    for index in draw.sample(range(PASSENGERS), 5):
        db.execute(
            "update passengers set loyalty_tier = ? where passenger_id = ?",
            (draw.choice(_TIERS), passenger_id(index)),
        )
    newcomer = PASSENGERS + day.timetuple().tm_yday
    db.execute(
        "insert or ignore into passengers values (?,?,?,?,?,?,?)",
        (*_passenger(newcomer)[:-1], day.isoformat()),
    )
    if day.day % 7 == 0:  # asked to be forgotten
        earlier = passenger_id(PASSENGERS + day.timetuple().tm_yday - 5)
        db.execute("delete from passengers where passenger_id = ?", (earlier,))


def _aircraft(row: dict[str, str]) -> tuple[object, ...]:
    return (
        row["tailnum"], integer(row["year"]), row["type"], row["manufacturer"], row["model"],
        integer(row["engines"]), integer(row["seats"]), integer(row["speed"]), row["engine"],
    )  # fmt: skip


def _airport(row: dict[str, str]) -> tuple[object, ...]:
    return (
        row["faa"], row["name"], number(row["lat"]), number(row["lon"]), integer(row["alt"]),
        integer(row["tz"]), row["dst"], value(row["tzone"]),
    )  # fmt: skip


def _passenger(index: int) -> tuple[object, ...]:
    identity = passenger_id(index)
    draw = chance("passenger", identity)
    name = f"{_FIRST[draw % len(_FIRST)]} {_LAST[draw // 10 % len(_LAST)]}"
    phone = f"+1-555-{draw % 10_000_000:07}"
    country, tier = _COUNTRIES[draw % 10], _TIERS[draw % 5]
    return identity, name, email(identity), phone, country, tier, "2012-12-31"
