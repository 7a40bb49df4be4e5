"""Packs `aws_code` with the rules of the declared sources, and uploads it by its content."""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strata.declarations import Source

_CODE = Path(__file__).resolve().parents[2] / "aws_code"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip's bytes depend on its content alone


@dataclass(frozen=True)
class Artifacts:
    """Keys in the artifacts bucket of what the ingestion stack runs."""

    code_key: str
    landing_script_key: str
    compaction_script_key: str
    spark_script_key: str


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


def upload(sources: list[Source], bucket: str, s3: Any) -> Artifacts:
    """Put the packed code and the jobs' scripts into `bucket`, unless they are there already."""

    def script(name: str) -> str:
        return _upload(s3, bucket, name, ".py", (_CODE / f"{name}.py").read_bytes())

    return Artifacts(
        code_key=_upload(s3, bucket, "aws_code", ".zip", pack(sources)),
        landing_script_key=script("landing_job"),
        compaction_script_key=script("compaction_job"),
        spark_script_key=script("landing_spark_job"),
    )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _upload(s3: Any, bucket: str, name: str, suffix: str, body: bytes) -> str:
    key = f"code/{name}-{hashlib.sha256(body).hexdigest()[:16]}{suffix}"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)
    if not listed.get("KeyCount"):
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    return key
