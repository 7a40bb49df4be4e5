"""Bronze's rule: the Glue table of a declared source.

The declaration has the source's own columns. The envelope, the partitions by arrival day, the
serde and the projection are the same for every source and are written here, once.
"""

from typing import Any

from strata.declarations import Source
from strata.environment import Environment

Json = dict[str, Any]

MANAGED_BY = "strata"
ENVELOPE = {
    "_record_id": "Identity of what arrived; a redelivery repeats it",
    "_arrived_at": "When it arrived, UTC",
    "_delivery_id": "What brought it: the delivery's or the file's identity",
    "_rejection": "Why it could not be used as it arrived: codes joined by |",
    "_payload_sha256": "Hash of a payload that could not be read",
}
CDC_ENVELOPE = {
    "_op": "I, U or D: insert, update or delete",
    "_committed_at": "When the source committed the change, UTC",
    "_change_sequence": "Order of the changes, 35 digits; of a full load its start, then zeros",
}
#: JSON keeps every field that arrives, Parquet the declared columns only.
PARQUET_ENVELOPE = {"_undeclared": "Fields that are not declared, as a JSON object"}
_JSON_STORAGE = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
        "Parameters": {"case.insensitive": "TRUE", "ignore.malformed.json": "FALSE"},
    },
}
_PARQUET_STORAGE = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
_PARTITIONS = {"year": "Year", "month": "Month", "day": "Day"}


def table_input(source: Source, environment: Environment) -> Json:
    """The Glue TableInput of a source in an environment."""
    location = f"s3://{environment.bucket('bronze')}/{source.location}"
    storage = _PARQUET_STORAGE if source.file_format == "parquet" else _JSON_STORAGE
    return {
        "Name": source.table,
        "Description": source.description[:2048],
        "Owner": source.owner,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [
            {"Name": name, "Type": "int", "Comment": f"{label} of arrival, UTC"}
            for name, label in _PARTITIONS.items()
        ],
        "StorageDescriptor": {
            **storage,
            "Columns": [*_columns(source), *_envelope(source)],
            "Location": location.rstrip("/"),
            "Compressed": source.file_format == "json",
        },
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": source.file_format,
            "managed-by": MANAGED_BY,
            "strata.source": source.name,
            **_projection(source, location),
        },
    }


def _columns(source: Source) -> list[Json]:
    return [
        {
            "Name": column.name,
            "Type": column.glue_type(source.file_format),
            "Comment": column.description[:255],
        }
        for column in source.columns
    ]


def _envelope(source: Source) -> list[Json]:
    arrived = "timestamp" if source.file_format == "parquet" else "string"
    columns = {
        **ENVELOPE,
        **(CDC_ENVELOPE if source.ingest == "cdc" else {}),
        **(PARQUET_ENVELOPE if source.file_format == "parquet" else {}),
    }
    return [
        {"Name": name, "Type": arrived if name == "_arrived_at" else "string", "Comment": comment}
        for name, comment in columns.items()
    ]


def _projection(source: Source, location: str) -> dict[str, str]:
    """https://docs.aws.amazon.com/athena/latest/ug/partition-projection-setting-up.html"""
    first_year = int(source.start[:4])
    return {
        "projection.enabled": "true",
        "projection.year.type": "integer",
        "projection.year.range": f"{first_year},{first_year + 99}",
        "projection.month.type": "integer",
        "projection.month.range": "1,12",
        "projection.month.digits": "2",
        "projection.day.type": "integer",
        "projection.day.range": "1,31",
        "projection.day.digits": "2",
        "storage.location.template": f"{location}year=${{year}}/month=${{month}}/day=${{day}}/",
    }
