"""The on-prem databases, SQLite files: the registry's aircraft, airports and carriers, and the
passengers of ticketing.

`create` fills them from the data; `live_a_day` changes them as a day of business would, so that
change data capture has inserts, updates, hard deletes and re-inserts to carry.
"""

import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import date
from pathlib import Path

from example.data import integer, number, rows, value
from example.events import PASSENGERS, chance, email, home_country, passenger_id

SYSTEMS = ("registry", "ticketing")
_FIRST = ("Ada", "Grace", "Alan", "Edgar", "Barbara", "Donald", "Frances", "Leslie", "Jim", "Joan")
_LAST = ("Lovelace", "Hopper", "Turing", "Codd", "Liskov", "Knuth", "Allen", "Lamport", "Gray")
_TIERS = ("none", "none", "none", "silver", "gold")

_REGISTRY = """
create table aircraft (tailnum text primary key, manufactured_year integer, type text, manufacturer text,
    model text, engines integer, seats integer, speed integer, engine text);
create table airports (faa text primary key, name text, lat real, lon real, alt integer,
    tz integer, dst text, tzone text);
create table carriers (carrier text primary key, name text);
"""
_TICKETING = """
create table passengers (passenger_id text primary key, full_name text, email text, phone text,
    country text, loyalty_tier text, created_on text);
"""


def create(folder: Path) -> None:
    """Make the databases as they are before the first day; one that exists is left as it is."""
    _create(
        folder / "registry.db",
        _REGISTRY,
        {
            "aircraft": map(_aircraft, rows("planes")),
            "airports": map(_airport, rows("airports")),
            "carriers": ((row["carrier"], row["name"]) for row in rows("airlines")),
        },
    )
    _create(folder / "ticketing.db", _TICKETING, {"passengers": map(_passenger, range(PASSENGERS))})


def _create(path: Path, schema: str, tables: dict[str, Iterable[tuple[object, ...]]]) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial)) as db, db:
        db.executescript(schema)
        for table, values in tables.items():
            width = len(db.execute(f"select * from {table}").description)
            db.executemany(f"insert into {table} values ({', '.join('?' * width)})", values)
    partial.rename(path)


def live_a_day(folder: Path, day: date) -> None:
    """Change the databases as `day` did: the same changes for the same day."""
    draw = random.Random(day.toordinal())
    with closing(sqlite3.connect(folder / "registry.db")) as db, db:
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
    with closing(sqlite3.connect(folder / "ticketing.db")) as db, db:
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
    tier, home = _TIERS[draw % 5], home_country(identity)
    return identity, name, email(identity), phone, home, tier, "2012-12-31"
