"""The Glue Data Catalog in one SQLite file: databases, tables with versions, partitions.

Methods carry the names, arguments and answers of boto3's Glue client, so code that uses the
catalog works with either. `UpdateTable` with a `VersionId` is a compare-and-set, which Iceberg's
commits stand on (https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateTable.html).
"""

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from local_aws.errors import AwsError
from local_aws.glue.expression import partition_matches

Json = dict[str, Any]

_SCHEMA = """
create table if not exists databases (name text primary key, body text not null);
create table if not exists tables (
    database text not null, name text not null, version integer not null, body text not null,
    primary key (database, name)
);
create table if not exists table_versions (
    database text not null, name text not null, version integer not null, body text not null,
    primary key (database, name, version)
);
create table if not exists partitions (
    database text not null, name text not null, partition_values text not null, body text not null,
    primary key (database, name, partition_values)
);
"""
_PAGE = 100
_READ_ONLY_MEMBERS = (
    "DatabaseName",
    "CreateTime",
    "UpdateTime",
    "CatalogId",
    "VersionId",
    "CreatedBy",
    "IsRegisteredWithLakeFormation",
)


class GlueCatalog:
    """The catalog kept in `path`; `clock` stamps what it creates and changes."""

    def __init__(self, path: Path, clock: Callable[[], datetime], account: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._clock = clock
        self._account = account
        self._local = threading.local()
        with self._transaction() as db:
            db.executescript(_SCHEMA)

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "db"):
            db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = full")
            self._local.db = db
        connection: sqlite3.Connection = self._local.db
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._connection()
        db.execute("begin immediate")
        try:
            yield db
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise
        if db.in_transaction:
            db.execute("commit")

    def _now(self) -> float:
        return self._clock().timestamp()

    # Databases

    def create_database(self, *, DatabaseInput: Json, **_: Any) -> Json:
        """Create a database; raises AlreadyExistsException."""
        body = {**DatabaseInput, "Name": _fold(DatabaseInput["Name"]), "CreateTime": self._now()}
        body["CatalogId"] = self._account
        try:
            with self._transaction() as db:
                db.execute("insert into databases values (?, ?)", (body["Name"], json.dumps(body)))
        except sqlite3.IntegrityError:
            raise AwsError("AlreadyExistsException", "Database already exists.") from None
        return {}

    def get_database(self, *, Name: str, **_: Any) -> Json:
        """One database; raises EntityNotFoundException."""
        return {"Database": self._database(Name)}

    def get_databases(
        self, *, NextToken: str | None = None, MaxResults: int = _PAGE, **_: Any
    ) -> Json:
        """Databases by name, paged."""
        rows = self._connection().execute("select body from databases order by name").fetchall()
        return _page("DatabaseList", [json.loads(row[0]) for row in rows], NextToken, MaxResults)

    def update_database(self, *, Name: str, DatabaseInput: Json, **_: Any) -> Json:
        """Replace a database's description, location and parameters."""
        old = self._database(Name)
        body = {**DatabaseInput, "Name": old["Name"], "CatalogId": self._account}
        body["CreateTime"] = old["CreateTime"]
        with self._transaction() as db:
            db.execute(
                "update databases set body = ? where name = ?", (json.dumps(body), old["Name"])
            )
        return {}

    def delete_database(self, *, Name: str, **_: Any) -> Json:
        """Delete a database and all its tables, as Glue does."""
        name = self._database(Name)["Name"]
        with self._transaction() as db:
            db.execute("delete from databases where name = ?", (name,))
            for table in ("tables", "table_versions", "partitions"):
                db.execute(f"delete from {table} where database = ?", (name,))
        return {}

    def _database(self, name: str) -> Json:
        row = (
            self._connection()
            .execute("select body from databases where name = ?", (_fold(name),))
            .fetchone()
        )
        if row is None:
            raise AwsError("EntityNotFoundException", f"Database {_fold(name)} not found.")
        body: Json = json.loads(row[0])
        return body

    # Tables

    def create_table(self, *, DatabaseName: str, TableInput: Json, **_: Any) -> Json:
        """Create a table at version 0; raises AlreadyExistsException, EntityNotFoundException."""
        database = self._database(DatabaseName)["Name"]
        name = _fold(TableInput["Name"])
        body = self._table_body(database, TableInput, created=self._now())
        try:
            with self._transaction() as db:
                db.execute(
                    "insert into tables values (?, ?, 0, ?)", (database, name, json.dumps(body))
                )
        except sqlite3.IntegrityError:
            raise AwsError("AlreadyExistsException", "Table already exists.") from None
        return {}

    def get_table(self, *, DatabaseName: str, Name: str, **_: Any) -> Json:
        """One table with its VersionId; raises EntityNotFoundException."""
        version, body = self._table(self._connection(), DatabaseName, Name)
        return {"Table": _with_version(body, version)}

    def get_tables(
        self,
        *,
        DatabaseName: str,
        Expression: str | None = None,
        NextToken: str | None = None,
        MaxResults: int = _PAGE,
        **_: Any,
    ) -> Json:
        """Tables of a database by name, paged; `Expression` is a regular expression."""
        database = self._database(DatabaseName)["Name"]
        rows = self._connection().execute(
            "select name, version, body from tables where database = ? order by name", (database,)
        )
        pattern = re.compile(Expression) if Expression else None
        found = [
            _with_version(json.loads(body), version)
            for name, version, body in rows
            if not pattern or pattern.fullmatch(name)
        ]
        return _page("TableList", found, NextToken, MaxResults)

    def update_table(
        self,
        *,
        DatabaseName: str,
        TableInput: Json,
        VersionId: str | None = None,
        SkipArchive: bool = False,
        **_: Any,
    ) -> Json:
        """Replace a table's definition, and archive the old one unless `SkipArchive`.

        With a `VersionId` that is not the present one nothing changes and
        ConcurrentModificationException is raised.
        """
        database, name = self._database(DatabaseName)["Name"], _fold(TableInput["Name"])
        with self._transaction() as db:
            version, old = self._table(db, database, name)
            if VersionId is not None and VersionId != str(version):
                raise AwsError(
                    "ConcurrentModificationException",
                    f"Update table failed due to concurrent modifications: {database}.{name} is "
                    f"at version {version}, not {VersionId}.",
                )
            body = self._table_body(database, TableInput, created=old["CreateTime"])
            db.execute(
                "update tables set version = version + 1, body = ? where database = ? and name = ?",
                (json.dumps(body), database, name),
            )
            if not SkipArchive:
                db.execute(
                    "insert or replace into table_versions values (?, ?, ?, ?)",
                    (database, name, version, json.dumps(old)),
                )
        return {}

    def delete_table(self, *, DatabaseName: str, Name: str, **_: Any) -> Json:
        """Delete a table with its versions and partitions; raises EntityNotFoundException."""
        with self._transaction() as db:
            body = self._table(db, DatabaseName, Name)[1]
            for table in ("tables", "table_versions", "partitions"):
                db.execute(
                    f"delete from {table} where database = ? and name = ?",
                    (body["DatabaseName"], body["Name"]),
                )
        return {}

    def batch_delete_table(self, *, DatabaseName: str, TablesToDelete: list[str], **_: Any) -> Json:
        """Delete several tables; what is not found is listed in `Errors`."""
        errors = []
        for name in TablesToDelete:
            try:
                self.delete_table(DatabaseName=DatabaseName, Name=name)
            except AwsError as error:
                errors.append({"TableName": name, "ErrorDetail": _detail(error)})
        return {"Errors": errors}

    def get_table_versions(
        self,
        *,
        DatabaseName: str,
        TableName: str,
        NextToken: str | None = None,
        MaxResults: int = _PAGE,
        **_: Any,
    ) -> Json:
        """The present version and the archived ones, newest first, paged."""
        db = self._connection()
        version, body = self._table(db, DatabaseName, TableName)
        rows = db.execute(
            "select version, body from table_versions where database = ? and name = ? "
            "order by version desc",
            (body["DatabaseName"], body["Name"]),
        )
        bodies = [(version, body), *((number, json.loads(old)) for number, old in rows)]
        found = [
            {"Table": _with_version(old, number), "VersionId": str(number)}
            for number, old in bodies
        ]
        return _page("TableVersions", found, NextToken, MaxResults)

    def get_table_version(
        self, *, DatabaseName: str, TableName: str, VersionId: str | None = None, **_: Any
    ) -> Json:
        """One version of a table, the present one without `VersionId`."""
        versions = self.get_table_versions(
            DatabaseName=DatabaseName, TableName=TableName, MaxResults=10**9
        )["TableVersions"]
        for version in versions:
            if VersionId in (None, version["VersionId"]):
                return {"TableVersion": version}
        raise AwsError("EntityNotFoundException", f"Version {VersionId} not found.")

    def delete_table_version(
        self, *, DatabaseName: str, TableName: str, VersionId: str, **_: Any
    ) -> Json:
        """Delete an archived version; the present one cannot be deleted."""
        with self._transaction() as db:
            version, body = self._table(db, DatabaseName, TableName)
            if VersionId == str(version):
                raise AwsError("InvalidInputException", "Cannot delete the latest version.")
            deleted = db.execute(
                "delete from table_versions where database = ? and name = ? and version = ?",
                (body["DatabaseName"], body["Name"], VersionId),
            ).rowcount
        if not deleted:
            raise AwsError("EntityNotFoundException", f"Version {VersionId} not found.")
        return {}

    def batch_delete_table_version(
        self, *, DatabaseName: str, TableName: str, VersionIds: list[str], **_: Any
    ) -> Json:
        """Delete several archived versions; what fails is listed in `Errors`."""
        errors = []
        for version in VersionIds:
            try:
                self.delete_table_version(
                    DatabaseName=DatabaseName, TableName=TableName, VersionId=version
                )
            except AwsError as error:
                errors.append(
                    {"TableName": TableName, "VersionId": version, "ErrorDetail": _detail(error)}
                )
        return {"Errors": errors}

    def _table_body(self, database: str, table_input: Json, created: float) -> Json:
        body = {k: v for k, v in table_input.items() if k not in _READ_ONLY_MEMBERS}
        body |= {"Name": _fold(table_input["Name"]), "DatabaseName": database}
        body |= {"CatalogId": self._account, "CreateTime": created, "UpdateTime": self._now()}
        return body

    def _table(self, db: sqlite3.Connection, database: str, name: str) -> tuple[int, Json]:
        row = db.execute(
            "select version, body from tables where database = ? and name = ?",
            (_fold(database), _fold(name)),
        ).fetchone()
        if row is None:
            raise AwsError("EntityNotFoundException", f"Entity Not Found: table {_fold(name)}")
        return row[0], json.loads(row[1])

    # Partitions

    def create_partition(
        self, *, DatabaseName: str, TableName: str, PartitionInput: Json, **_: Any
    ) -> Json:
        """Create a partition; raises AlreadyExistsException."""
        result = self.batch_create_partition(
            DatabaseName=DatabaseName, TableName=TableName, PartitionInputList=[PartitionInput]
        )
        for error in result["Errors"]:
            detail = error["ErrorDetail"]
            raise AwsError(detail["ErrorCode"], detail["ErrorMessage"])
        return {}

    def batch_create_partition(
        self, *, DatabaseName: str, TableName: str, PartitionInputList: list[Json], **_: Any
    ) -> Json:
        """Create partitions; those that exist already are listed in `Errors`."""
        errors = []
        with self._transaction() as db:
            table = self._table(db, DatabaseName, TableName)[1]
            for partition in PartitionInputList:
                try:
                    db.execute(
                        "insert into partitions values (?, ?, ?, ?)",
                        self._partition_row(table, partition),
                    )
                except sqlite3.IntegrityError:
                    error = AwsError("AlreadyExistsException", "Partition already exists.")
                    errors.append(
                        {"PartitionValues": partition["Values"], "ErrorDetail": _detail(error)}
                    )
        return {"Errors": errors}

    def update_partition(
        self,
        *,
        DatabaseName: str,
        TableName: str,
        PartitionValueList: list[str],
        PartitionInput: Json,
        **_: Any,
    ) -> Json:
        """Replace a partition; raises EntityNotFoundException."""
        with self._transaction() as db:
            table = self._table(db, DatabaseName, TableName)[1]
            self._remove_partition(db, table, PartitionValueList)
            db.execute(
                "insert into partitions values (?, ?, ?, ?)",
                self._partition_row(table, PartitionInput),
            )
        return {}

    def get_partition(
        self, *, DatabaseName: str, TableName: str, PartitionValues: list[str], **_: Any
    ) -> Json:
        """One partition; raises EntityNotFoundException."""
        for partition in self._partitions(DatabaseName, TableName):
            if partition["Values"] == PartitionValues:
                return {"Partition": partition}
        raise AwsError("EntityNotFoundException", "Cannot find partition.")

    def batch_get_partition(
        self, *, DatabaseName: str, TableName: str, PartitionsToGet: list[Json], **_: Any
    ) -> Json:
        """The partitions asked for that exist."""
        wanted = [item["Values"] for item in PartitionsToGet]
        found = [p for p in self._partitions(DatabaseName, TableName) if p["Values"] in wanted]
        missing = [{"Values": v} for v in wanted if v not in [p["Values"] for p in found]]
        return {"Partitions": found, "UnprocessedKeys": missing}

    def get_partitions(
        self,
        *,
        DatabaseName: str,
        TableName: str,
        Expression: str | None = None,
        NextToken: str | None = None,
        MaxResults: int = _PAGE,
        **_: Any,
    ) -> Json:
        """Partitions that satisfy `Expression`, paged; raises InvalidInputException for a bad one.

        https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html
        """
        table = self._table(self._connection(), DatabaseName, TableName)[1]
        keys = table.get("PartitionKeys", [])
        found = [
            partition
            for partition in self._partitions(DatabaseName, TableName)
            if not Expression or partition_matches(Expression, keys, partition["Values"])
        ]
        return _page("Partitions", found, NextToken, MaxResults)

    def delete_partition(
        self, *, DatabaseName: str, TableName: str, PartitionValues: list[str], **_: Any
    ) -> Json:
        """Delete a partition; raises EntityNotFoundException."""
        with self._transaction() as db:
            table = self._table(db, DatabaseName, TableName)[1]
            self._remove_partition(db, table, PartitionValues)
        return {}

    def batch_delete_partition(
        self, *, DatabaseName: str, TableName: str, PartitionsToDelete: list[Json], **_: Any
    ) -> Json:
        """Delete partitions; those not found are listed in `Errors`."""
        errors = []
        with self._transaction() as db:
            table = self._table(db, DatabaseName, TableName)[1]
            for item in PartitionsToDelete:
                try:
                    self._remove_partition(db, table, item["Values"])
                except AwsError as error:
                    errors.append(
                        {"PartitionValues": item["Values"], "ErrorDetail": _detail(error)}
                    )
        return {"Errors": errors}

    def _partition_row(self, table: Json, partition: Json) -> tuple[str, str, str, str]:
        values = partition["Values"]
        if len(values) != len(table.get("PartitionKeys", [])):
            raise AwsError(
                "InvalidInputException",
                "The number of partition keys do not match the number of partition values",
            )
        body = {**partition, "DatabaseName": table["DatabaseName"], "TableName": table["Name"]}
        body |= {"CreationTime": self._now(), "CatalogId": self._account}
        return table["DatabaseName"], table["Name"], json.dumps(values), json.dumps(body)

    def _partitions(self, database: str, table: str) -> list[Json]:
        db = self._connection()
        body = self._table(db, database, table)[1]
        rows = db.execute(
            "select body from partitions where database = ? and name = ? order by partition_values",
            (body["DatabaseName"], body["Name"]),
        )
        return [json.loads(row[0]) for row in rows]

    @staticmethod
    def _remove_partition(db: sqlite3.Connection, table: Json, values: list[str]) -> None:
        deleted = db.execute(
            "delete from partitions where database = ? and name = ? and partition_values = ?",
            (table["DatabaseName"], table["Name"], json.dumps(values)),
        ).rowcount
        if not deleted:
            raise AwsError("EntityNotFoundException", "Cannot find partition.")


def _fold(name: str) -> str:
    """Glue folds names to lower case when it stores them."""
    return name.lower()


def _with_version(body: Json, version: int) -> Json:
    return {**body, "VersionId": str(version)}


def _detail(error: AwsError) -> Json:
    return {"ErrorCode": error.code, "ErrorMessage": error.message}


def _page(member: str, items: list[Json], token: str | None, size: int) -> Json:
    start = int(token) if token else 0
    answer: Json = {member: items[start : start + size]}
    if start + size < len(items):
        answer["NextToken"] = str(start + size)
    return answer
