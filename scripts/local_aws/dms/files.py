"""The files of an S3 target endpoint: their names, and rows as CSV or Parquet.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
"""

import csv
import gzip
import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import IO, Any

from local_aws.errors import AwsError

Json = dict[str, Any]
Row = list[Any]

_ROW_GROUP = 10_000
_MAX_FILE_KILOBYTES = 1_048_576
_UNSERVED = ("CdcInsertsOnly", "CdcInsertsAndUpdates", "PreserveTransactions")
_ARROW_TYPES = (("INT", "int64"), ("REAL", "float64"), ("FLOA", "float64"), ("DOUB", "float64"))


@dataclass(frozen=True)
class Field:
    """A column of a file: its name, and its type as the source declares it."""

    name: str
    type: str = "TEXT"


def check_settings(settings: Json) -> None:
    """Raise AwsError for S3 settings that the local AWS would not follow."""
    unserved = [name for name in _UNSERVED if settings.get(name)]
    if settings.get("DataFormat", "csv") not in ("csv", "parquet"):
        unserved.append(f"DataFormat {settings['DataFormat']}")
    if settings.get("DatePartitionSequence", "YYYYMMDD").upper() != "YYYYMMDD":
        unserved.append("DatePartitionSequence")
    if settings.get("DatePartitionDelimiter", "SLASH").upper() != "SLASH":
        unserved.append("DatePartitionDelimiter")
    if unserved:
        raise AwsError(
            "InvalidParameterValueException",
            f"S3Settings: not served by the local AWS: {', '.join(unserved)}",
        )


def load_name(number: int, settings: Json) -> str:
    """The name of a full load's file; the counter is hexadecimal, from 1."""
    return f"LOAD{number:08X}.{_extension(settings)}"


def change_name(stamp: datetime, settings: Json) -> str:
    """The name of a file of changes, under the folder of their day where folders go by date."""
    folder = stamp.strftime("%Y/%m/%d/") if settings.get("DatePartitionEnabled") else ""
    return f"{folder}{stamp.strftime('%Y%m%d-%H%M%S%f')[:-3]}.{_extension(settings)}"


def encryption(settings: Json) -> dict[str, str]:
    """What S3 is told of an object's encryption, as `put_object` takes it."""
    if settings.get("EncryptionMode", "sse-s3").lower().replace("_", "-") != "sse-kms":
        return {}
    key = settings["ServerSideEncryptionKmsKeyId"]
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}


def write(fields: list[Field], rows: Iterable[Row], settings: Json) -> Iterator[IO[bytes]]:
    """`rows` as files, each at its beginning; none without rows.

    A CSV file ends when it has `MaxFileSize` kilobytes. Raises ValueError for a value that is not
    of its column's type in Parquet.
    """
    writer = _parquet if _is_parquet(settings) else _csv
    waiting = iter(rows)
    for first in waiting:
        with tempfile.TemporaryFile() as file:
            writer(file, fields, chain([first], waiting), settings)
            file.seek(0)
            yield file


def _csv(file: IO[bytes], fields: list[Field], rows: Iterable[Row], settings: Json) -> None:
    packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if _is_gzip(settings) else None
    text = io.TextIOWrapper(packed or file, "utf-8", newline="")  # type: ignore[type-var]
    writer = csv.writer(
        text,
        delimiter=settings.get("CsvDelimiter", ","),
        lineterminator=settings.get("CsvRowDelimiter", "\n"),
    )
    if settings.get("AddColumnName"):
        writer.writerow([field.name for field in fields])
    null = settings.get("CsvNullValue", "NULL")
    limit = int(settings.get("MaxFileSize", _MAX_FILE_KILOBYTES)) * 1024
    for row in rows:
        limit -= writer.writerow([null if value is None else value for value in row])
        if limit <= 0:
            break
    text.flush()
    text.detach()
    if packed:
        packed.close()


def _parquet(file: IO[bytes], fields: list[Field], rows: Iterable[Row], settings: Json) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(field.name, pa.type_for_alias(_arrow_type(field))) for field in fields])
    compression = "gzip" if _is_gzip(settings) else "none"
    with pq.ParquetWriter(file, schema, compression=compression) as writer:
        waiting = iter(rows)
        while batch := list(islice(waiting, _ROW_GROUP)):
            columns = zip(zip(*batch, strict=True), schema, strict=True)
            arrays = [pa.array(_as_type(values, field), field.type) for values, field in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _as_type(values: tuple[Any, ...], field: Any) -> list[Any]:
    if str(field.type) != "string":
        return list(values)
    return [None if value is None else str(value) for value in values]


def _arrow_type(field: Field) -> str:
    """SQLite's rules of affinity, as far as the types of numbers."""
    return next((arrow for part, arrow in _ARROW_TYPES if part in field.type), "string")


def _extension(settings: Json) -> str:
    if _is_parquet(settings):
        return "parquet"
    return "csv.gz" if _is_gzip(settings) else "csv"


def _is_parquet(settings: Json) -> bool:
    return bool(settings.get("DataFormat", "csv") == "parquet")


def _is_gzip(settings: Json) -> bool:
    return bool(settings.get("CompressionType", "none").lower() == "gzip")
