"""Packs `aws_code` with the rules of the declared sources, and uploads it by its content."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from strata.declarations import Source

_CODE = Path(__file__).resolve().parents[2] / "aws_code"
_SCRIPTS = ("landing_job", "compaction_job", "landing_spark_job")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip's bytes depend on its content alone


@dataclass(frozen=True)
class Artifacts:
    """What the ingestion stack runs: its keys in the artifacts bucket, and the bodies by key."""

    code_key: str
    landing_script_key: str
    compaction_script_key: str
    spark_script_key: str
    bodies: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def masking_rules(sources: list[Source]) -> dict[str, Any]:
    """The rules document that `aws_code.masking.rules` reads."""
    return {
        source.name: {
            "ingest": source.ingest,
            "file_format": source.file_format,
            "location": source.location,
            "event_time": source.event_time,
            "spark": asdict(source.spark) if source.spark else None,
            "columns": [
                {"name": column.name, "type": column.type, "mask": column.mask}
                for column in source.columns
            ],
        }
        for source in sources
    }


def pack(sources: list[Source]) -> bytes:
    """The zip that the Lambda and the job run: the code and `rules.json`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(_CODE.rglob("*.py")):
            _add(archive, f"aws_code/{file.relative_to(_CODE)}", file.read_bytes())
        rules = json.dumps(masking_rules(sources), sort_keys=True)
        _add(archive, "aws_code/rules.json", rules.encode())
    return buffer.getvalue()


def packaged(sources: list[Source]) -> Artifacts:
    """The packed code and the jobs' scripts, with the keys that their content gives them."""
    files = [("aws_code", ".zip", pack(sources))]
    files += [(name, ".py", (_CODE / f"{name}.py").read_bytes()) for name in _SCRIPTS]
    bodies = {_key(*file): file[2] for file in files}
    code_key, landing_key, compaction_key, spark_key = bodies
    return Artifacts(code_key, landing_key, compaction_key, spark_key, bodies)


def upload(artifacts: Artifacts, bucket: str, s3: Any) -> None:
    """Put the artifacts into `bucket`, unless they are there already."""
    for key, body in artifacts.bodies.items():
        if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
            s3.put_object(Bucket=bucket, Key=key, Body=body)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _key(name: str, suffix: str, body: bytes) -> str:
    return f"code/{name}-{hashlib.sha256(body).hexdigest()[:16]}{suffix}"
