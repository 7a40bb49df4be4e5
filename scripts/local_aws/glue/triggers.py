"""Glue triggers that start jobs by schedule, on the local AWS's clock.

Kept from the service: the states, `StartOnCreation`, AWS's cron expressions in UTC, the actions'
arguments. Not kept: triggers on events or on other jobs' ends. A clock that is moved over several
scheduled times starts the job once.
https://docs.aws.amazon.com/glue/latest/dg/about-triggers.html
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_aws.errors import AwsError
from local_aws.glue.jobs import GlueJobs

Json = dict[str, Any]
#: The time after a given one at which an expression is due, or None.
NextTime = Callable[[str, datetime], datetime | None]
log = logging.getLogger("local_aws.glue")

_SCHEMA = """
create table if not exists triggers (name text primary key, body text not null, since real not null)
"""
_IDLE_SECONDS = 1.0
_TYPES = ("SCHEDULED", "ON_DEMAND")


class GlueTriggers:
    """Triggers kept in SQLite at `path`; `since` is when each was last looked at."""

    def __init__(
        self, path: Path, clock: Callable[[], datetime], jobs: GlueJobs, next_time: NextTime
    ) -> None:
        self._path = path
        self._clock = clock
        self._jobs = jobs
        self._next_time = next_time
        self._stop = threading.Event()
        with self._db() as db:
            db.executescript(_SCHEMA)

    def _db(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)

    def create_trigger(
        self, *, Name: str, Type: str, StartOnCreation: bool = False, **definition: Any
    ) -> Json:
        """Create a trigger; raises AlreadyExistsException, or InvalidInputException for a type
        that is not served or an expression that is no cron expression of AWS's."""
        if Type not in _TYPES:
            raise AwsError("InvalidInputException", f"trigger {Name}: {Type} is not served here")
        self._check_schedule(Name, Type, definition)
        state = "ACTIVATED" if StartOnCreation and Type == "SCHEDULED" else "CREATED"
        definition.pop("Tags", None)
        body = json.dumps({"Name": Name, "Type": Type, "State": state, **definition})
        try:
            with self._db() as db:
                now = self._clock().timestamp()
                db.execute("insert into triggers values (?, ?, ?)", (Name, body, now))
        except sqlite3.IntegrityError:
            raise AwsError("AlreadyExistsException", f"Trigger {Name} already exists.") from None
        return {"Name": Name}

    def get_trigger(self, *, Name: str) -> Json:
        """One trigger; raises EntityNotFoundException."""
        with self._db() as db:
            row = db.execute("select body from triggers where name = ?", (Name,)).fetchone()
        if row is None:
            raise AwsError("EntityNotFoundException", f"Trigger {Name} not found.")
        return {"Trigger": json.loads(row[0])}

    def get_triggers(self, **_: Any) -> Json:
        """All triggers by name."""
        with self._db() as db:
            rows = db.execute("select body from triggers order by name").fetchall()
        return {"Triggers": [json.loads(row[0]) for row in rows]}

    def update_trigger(self, *, Name: str, TriggerUpdate: Json) -> Json:
        """Replace what is given of a trigger's definition."""
        trigger = {**self.get_trigger(Name=Name)["Trigger"], **TriggerUpdate}
        self._check_schedule(Name, trigger["Type"], trigger)
        return {"Trigger": self._save(trigger)}

    def start_trigger(self, *, Name: str) -> Json:
        """Activate a scheduled trigger from now on, or fire one on demand."""
        trigger = self.get_trigger(Name=Name)["Trigger"]
        if trigger["Type"] == "ON_DEMAND":
            self._fire(trigger)
        else:
            self._save({**trigger, "State": "ACTIVATED"})
        return {"Name": Name}

    def stop_trigger(self, *, Name: str) -> Json:
        """Deactivate a scheduled trigger."""
        self._save({**self.get_trigger(Name=Name)["Trigger"], "State": "DEACTIVATED"})
        return {"Name": Name}

    def delete_trigger(self, *, Name: str) -> Json:
        """Delete a trigger; one that does not exist is no error."""
        with self._db() as db:
            db.execute("delete from triggers where name = ?", (Name,))
        return {"Name": Name}

    def run(self) -> None:
        """Start what is due until `close`."""
        while not self._stop.wait(_IDLE_SECONDS):
            for name, body, since in self._rows():
                trigger = json.loads(body)
                try:
                    self._look_at(trigger, since)
                except AwsError as error:  # the job is gone or busy: the service goes on as well
                    log.warning("trigger %s: %s", name, error)

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()

    def _rows(self) -> list[tuple[str, str, float]]:
        with self._db() as db:
            return db.execute("select name, body, since from triggers").fetchall()

    def _look_at(self, trigger: Json, since: float) -> None:
        if trigger["State"] != "ACTIVATED":
            return
        now = self._clock()
        due = self._next_time(trigger["Schedule"], datetime.fromtimestamp(since, UTC))
        if now.timestamp() < since or (due and due <= now):
            self._save(trigger)
        if due and due <= now:
            self._fire(trigger)

    def _fire(self, trigger: Json) -> None:
        for action in trigger["Actions"]:
            self._jobs.start_job_run(
                JobName=action["JobName"], Arguments=action.get("Arguments", {})
            )

    def _save(self, trigger: Json) -> Json:
        with self._db() as db:
            db.execute(
                "update triggers set body = ?, since = ? where name = ?",
                (json.dumps(trigger), self._clock().timestamp(), trigger["Name"]),
            )
        return trigger

    def _check_schedule(self, name: str, kind: str, definition: Json) -> None:
        if kind != "SCHEDULED":
            return
        schedule = definition.get("Schedule", "")
        try:
            self._next_time(schedule, self._clock())
        except ValueError as error:
            raise AwsError("InvalidInputException", f"trigger {name}: {error}") from None
