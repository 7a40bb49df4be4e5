"""One finding of the doctor."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from strata import faults
from strata.errors import StrataError

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Check:
    """One thing looked at: `ok`, `warn` or `fail`, what was found, and what to do if not ok."""

    what: str
    state: str
    finding: str
    hint: str = ""


def judged(what: str, is_good: bool, finding: str, hint: str = "") -> Check:
    """A check that is either ok or failed."""
    return Check(what, OK if is_good else FAIL, finding, "" if is_good else hint)


def guarded(
    what: str, look: Callable[[], Check | Iterable[Check]], if_refused: str = FAIL
) -> list[Check]:
    """What a look finds. One that AWS does not allow is a warning: it says nothing of the thing.

    `if_refused` is the state of a look that AWS refuses for another reason.
    """
    try:
        found = look()
        return [found] if isinstance(found, Check) else list(found)
    except StrataError as error:
        return [Check(what, FAIL, error.message, error.hint)]
    except ClientError as error:
        explained = faults.explained(error)
        denied = "AccessDenied" in str(error) or "not authorized" in str(error)
        state = WARN if denied else if_refused
        return [Check(what, state, explained.message, explained.hint)]
    except (BotoCoreError, ValueError) as error:
        return [
            Check(
                what, FAIL, str(error), "look at AWS_REGION and the network; on the laptop: make up"
            )
        ]
