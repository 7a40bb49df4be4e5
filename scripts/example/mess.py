"""The mess on purpose: seeded, counted, and never in the place of a good record."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from example.events import Event, stamp

_DUPLICATES = 150
_LATE = 60


@dataclass
class Mess:
    """Makes a day's events messy. `counts` says what was added, `held_back` what comes late."""

    counts: Counter[str] = field(default_factory=Counter)
    held_back: list[Event] = field(default_factory=list)

    def of_day(self, day: date, events: list[Event]) -> list[tuple[str, bytes]]:
        """The day's records, as (source, payload), shuffled, with what went wrong among them.

        Some good events are held back and come with a later day; those held back before come now.
        """
        draw = random.Random(day.toordinal())
        late = set(draw.sample(range(len(events)), min(_LATE, len(events))))
        now = [event for index, event in enumerate(events) if index not in late]
        now += self.held_back
        self.counts["late"] += len(self.held_back)
        self.held_back = [events[index] for index in sorted(late)]
        records = [(event.source, event.payload()) for event in now]
        copies = draw.choices(records, k=min(_DUPLICATES, len(records)))
        self.counts["duplicate"] += len(copies)
        records += copies
        flights = [e for e in now if e.source == "flight_ops.flight_events"]
        for kind, maker in _MAKERS.items():
            for number in range(draw.randint(2, 6)):
                victim = draw.choice(flights)
                records.append((victim.source, maker(victim, f"{day}-{kind}-{number}")))
                self.counts[kind] += 1
        draw.shuffle(records)
        return records

    def leftovers(self) -> list[tuple[str, bytes]]:
        """What is still held back."""
        records = [(event.source, event.payload()) for event in self.held_back]
        self.counts["late"] += len(records)
        self.held_back = []
        return records


def _variant(event: Event, name: str, **changes: object) -> bytes:
    fields = {**event.fields, "event_id": f"mess-{name}", **changes}
    return json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()


_MAKERS: dict[str, Callable[[Event, str], bytes]] = {
    "malformed JSON": lambda event, name: event.payload()[:-9],
    "no key": lambda event, name: _variant(event, name, event_id=...),
    "unknown event type": lambda event, name: _variant(event, name, event_type="teleported"),
    "wrong type": lambda event, name: _variant(event, name, flight="abc"),
    "from the future": lambda event, name: _variant(
        event, name, occurred_at=stamp(event.occurred_at + timedelta(days=400))
    ),
    "bad field name": lambda event, name: _variant(event, name, **{"{{ env_var('X') }}": 1}),
}
