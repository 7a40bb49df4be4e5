"""The clock of the local AWS: the machine's time plus an offset kept in the state folder.

Arrival stamps, Firehose prefixes, change files, schedules and Athena's `now()` follow it;
signatures, S3 and logs do not. The offsets are a file, so every process of the checkout sees them,
and its history tells what this clock showed at any instant of the machine's.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local_aws.files import write_atomically


class Clock:
    """Reads and moves the clock whose offsets lie in `state`.

    The file holds a line for each move: the machine's time and the offset in force from then, both
    in seconds.
    """

    def __init__(self, state: Path) -> None:
        self._file = state / "clock"
        self._cached: tuple[float, list[tuple[float, float]]] = (-1.0, [])

    @property
    def is_moved(self) -> bool:
        """Whether it shows another time than the machine's."""
        moves = self._moves()
        return bool(moves) and moves[-1][1] != 0

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return self.at(datetime.now(UTC))

    def at(self, machine: datetime) -> datetime:
        """What this clock showed when the machine's clock showed `machine`."""
        moves = self._moves()
        place = bisect_right(moves, machine.timestamp(), key=lambda move: move[0])
        offset = moves[place - 1][1] if place else 0.0
        return machine.astimezone(UTC) + timedelta(seconds=offset)

    def set(self, instant: datetime) -> None:
        """Make `instant` (naive means UTC) the present; the clock goes on running from there."""
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        self._move(aware - datetime.now(UTC))

    def advance(self, by: timedelta) -> None:
        """Move the clock by `by`."""
        self.set(self.now() + by)

    def reset(self) -> None:
        """Go back to the machine's time."""
        self._move(timedelta())

    def _moves(self) -> list[tuple[float, float]]:
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed != self._cached[0]:
            lines = self._file.read_text().splitlines()
            pairs = [line.split() for line in lines]
            self._cached = (changed, [(float(since), float(by)) for since, by in pairs])
        return self._cached[1]

    def _move(self, offset: timedelta) -> None:
        now = datetime.now(UTC).timestamp()
        moves = [*self._moves(), (now, offset.total_seconds())]
        write_atomically(self._file, "".join(f"{since!r} {by!r}\n" for since, by in moves))
