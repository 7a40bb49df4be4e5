"""Packs what AWS runs, and uploads it by its content: `aws_code` with the rules of the declared
sources, and the dbt project with its command line."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from strata.declarations import Source
from strata.environment import PROJECT

_CODE = PROJECT / "scripts" / "aws_code"
_SCRIPTS = ("landing_job", "compaction_job", "landing_spark_job")
#: What a build needs of the project; `tests/dbt` holds the generic tests that models name.
_PROJECT = (
    "dbt_project.yml", "macros", "models", "profiles", "requirements-bootstrap.lock",
    "requirements.lock", "scripts", "seeds", "snapshots", "tests/dbt",
)  # fmt: skip
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip's bytes depend on its content alone


@dataclass(frozen=True)
class Artifacts:
    """What AWS runs: its keys in the artifacts bucket, and the bodies by key."""

    code_key: str
    landing_script_key: str
    compaction_script_key: str
    spark_script_key: str
    project_key: str
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
    rules = json.dumps(masking_rules(sources), sort_keys=True)
    files = sorted(_CODE.rglob("*.py"))
    code = ((f"aws_code/{file.relative_to(_CODE)}", file.read_bytes()) for file in files)
    return _zipped([*code, ("aws_code/rules.json", rules.encode())])


def pack_project(project: Path = PROJECT) -> bytes:
    """The zip that builds run: the dbt project, the command line and the locked dependencies."""
    return _zipped((str(f.relative_to(project)), f.read_bytes()) for f in _files_of(project))


def _files_of(project: Path) -> Iterator[Path]:
    for part in _PROJECT:
        found = (
            sorted((project / part).rglob("*")) if (project / part).is_dir() else [project / part]
        )
        yield from (f for f in found if f.is_file() and "__pycache__" not in f.parts)


def packaged(sources: list[Source]) -> Artifacts:
    """The packed code and the jobs' scripts, with the keys that their content gives them."""
    files = [("aws_code", ".zip", pack(sources))]
    files += [(name, ".py", (_CODE / f"{name}.py").read_bytes()) for name in _SCRIPTS]
    files.append(("project", ".zip", pack_project()))
    bodies = {_key(*file): file[2] for file in files}
    code, landing, compaction, spark, project = bodies
    return Artifacts(code, landing, compaction, spark, project, bodies)


def upload(artifacts: Artifacts, bucket: str, s3: Any) -> None:
    """Put the artifacts into `bucket`, unless they are there already."""
    for key, body in artifacts.bodies.items():
        if not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
            s3.put_object(Bucket=bucket, Key=key, Body=body)


def _zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _key(name: str, suffix: str, body: bytes) -> str:
    return f"code/{name}-{hashlib.sha256(body).hexdigest()[:16]}{suffix}"
