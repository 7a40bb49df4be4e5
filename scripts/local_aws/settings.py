"""Where the local AWS listens and keeps its state."""

import os
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
DEFAULT_PORT = 4566
DEFAULT_STATE = ".local"
ROOT_KEY = "test"


@dataclass(frozen=True)
class Settings:
    """The port and the state folder of one local AWS."""

    port: int
    state: Path

    @property
    def endpoint(self) -> str:
        """The URL that clients use."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def from_env(cls) -> "Settings":
        """Read `STRATA_PORT` and `STRATA_STATE`; raises ValueError for a port that is none."""
        text = os.environ.get("STRATA_PORT", str(DEFAULT_PORT))
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise ValueError(f"STRATA_PORT is {text!r}: it must be a number from 1 to 65535")
        state = Path(os.environ.get("STRATA_STATE", DEFAULT_STATE)).resolve()
        return cls(port=int(text), state=state)
