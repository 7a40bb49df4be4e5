"""How far the reader of a stream is: the last sequence number that it has done with, by shard."""

import json
from pathlib import Path

from local_aws.files import write_atomically


def checkpoint_path(folder: Path, reader: str) -> Path:
    """Where the checkpoint of a reader lies."""
    return folder / f"{reader}.checkpoint.json"


def read_checkpoint(path: Path) -> dict[str, str]:
    """The sequence number of each shard; nothing before the first is done."""
    if not path.exists():
        return {}
    done: dict[str, str] = json.loads(path.read_text())
    return done


def write_checkpoint(path: Path, done: dict[str, str]) -> None:
    """Keep the sequence numbers."""
    write_atomically(path, json.dumps(done))
