"""Named queries and prepared statements: SQL that is kept in a workgroup.

https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
"""

from __future__ import annotations

import re
import time
import uuid

from .history import History
from .requests import Json, Operations, invalid, not_found, page
from .work_groups import PRIMARY, WorkGroups

_NAMED, _PREPARED = "named", "prepared"
_STATEMENT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_@:]{0,255}")


class SavedQueries:
    """The kept SQL of one account's workgroups."""

    def __init__(self, history: History, work_groups: WorkGroups) -> None:
        self._history = history
        self._work_groups = work_groups

    def operations(self) -> Operations:
        """What this part of the API serves."""
        return {
            "CreateNamedQuery": self._create_named,
            "GetNamedQuery": self._get_named,
            "BatchGetNamedQuery": self._batch_get_named,
            "ListNamedQueries": self._list_named,
            "UpdateNamedQuery": self._update_named,
            "DeleteNamedQuery": self._delete_named,
            "CreatePreparedStatement": self._create_prepared,
            "GetPreparedStatement": self._get_prepared,
            "BatchGetPreparedStatement": self._batch_get_prepared,
            "ListPreparedStatements": self._list_prepared,
            "UpdatePreparedStatement": self._update_prepared,
            "DeletePreparedStatement": self._delete_prepared,
        }

    def prepare(self, work_group: str, name: str, sql: str, description: str = "") -> None:
        """Keep a prepared statement; one of this name is replaced, as by `PREPARE`."""
        if not _STATEMENT_NAME.fullmatch(name):
            raise invalid(f"{name} is not a valid name of a prepared statement")
        body = {
            "StatementName": name,
            "QueryStatement": sql,
            "WorkGroupName": work_group,
            "Description": description,
            "LastModifiedTime": time.time(),
        }
        self._history.save_query(_PREPARED, work_group, name, body)

    def prepared(self, work_group: str, name: str) -> Json:
        """A prepared statement; raises ResourceNotFoundException."""
        found = self._history.saved_query(_PREPARED, work_group, name)
        if found is None:
            message = f"PreparedStatement {name} was not found in workGroup {work_group}"
            raise not_found(message, name)
        return found

    def deallocate(self, work_group: str, name: str) -> None:
        """Forget a prepared statement; raises ResourceNotFoundException."""
        self.prepared(work_group, name)
        self._history.delete_query(_PREPARED, work_group, name)

    # Named queries

    def _create_named(self, payload: Json) -> Json:
        work_group = payload.get("WorkGroup") or PRIMARY
        self._work_groups.find(work_group)
        query_id = payload.get("ClientRequestToken") or str(uuid.uuid4())
        body = {
            "Name": payload["Name"],
            "Description": payload.get("Description", ""),
            "Database": payload["Database"],
            "QueryString": payload["QueryString"],
            "NamedQueryId": query_id,
            "WorkGroup": work_group,
        }
        known = self._history.named_query(query_id)
        if known is not None and known != body:
            raise invalid("Idempotent parameters do not match")
        self._history.save_query(_NAMED, work_group, query_id, body)
        return {"NamedQueryId": query_id}

    def _named(self, query_id: str) -> Json:
        found = self._history.named_query(query_id)
        if found is None:
            raise invalid(f"NamedQuery {query_id} was not found")
        return found

    def _get_named(self, payload: Json) -> Json:
        return {"NamedQuery": self._named(payload["NamedQueryId"])}

    def _batch_get_named(self, payload: Json) -> Json:
        asked = {
            query_id: self._history.named_query(query_id) for query_id in payload["NamedQueryIds"]
        }
        return {
            "NamedQueries": [found for found in asked.values() if found],
            "UnprocessedNamedQueryIds": [
                {"NamedQueryId": query_id, "ErrorCode": "NOT_FOUND"}
                for query_id, found in asked.items()
                if not found
            ],
        }

    def _list_named(self, payload: Json) -> Json:
        found = self._queries(_NAMED, payload)
        return page([query["NamedQueryId"] for query in found], payload, "NamedQueryIds")

    def _update_named(self, payload: Json) -> Json:
        found = self._named(payload["NamedQueryId"])
        changes = {k: payload[k] for k in ("Name", "Description", "QueryString") if k in payload}
        self._history.save_query(
            _NAMED, found["WorkGroup"], found["NamedQueryId"], {**found, **changes}
        )
        return {}

    def _delete_named(self, payload: Json) -> Json:
        found = self._named(payload["NamedQueryId"])
        self._history.delete_query(_NAMED, found["WorkGroup"], found["NamedQueryId"])
        return {}

    # Prepared statements

    def _create_prepared(self, payload: Json) -> Json:
        work_group, name = payload["WorkGroup"], payload["StatementName"]
        self._work_groups.find(work_group)
        if self._history.saved_query(_PREPARED, work_group, name):
            raise invalid(f"PreparedStatement {name} already exists in workGroup {work_group}")
        self.prepare(work_group, name, payload["QueryStatement"], payload.get("Description", ""))
        return {}

    def _get_prepared(self, payload: Json) -> Json:
        return {"PreparedStatement": self.prepared(payload["WorkGroup"], payload["StatementName"])}

    def _batch_get_prepared(self, payload: Json) -> Json:
        asked = {
            name: self._history.saved_query(_PREPARED, payload["WorkGroup"], name)
            for name in payload["PreparedStatementNames"]
        }
        return {
            "PreparedStatements": [found for found in asked.values() if found],
            "UnprocessedPreparedStatementNames": [
                {"StatementName": name, "ErrorCode": "STATEMENT_NOT_FOUND"}
                for name, found in asked.items()
                if not found
            ],
        }

    def _list_prepared(self, payload: Json) -> Json:
        members = ("StatementName", "LastModifiedTime")
        found = self._queries(_PREPARED, payload)
        listed = [{member: query[member] for member in members} for query in found]
        return page(listed, payload, "PreparedStatements")

    def _update_prepared(self, payload: Json) -> Json:
        work_group, name = payload["WorkGroup"], payload["StatementName"]
        kept: str = self.prepared(work_group, name)["Description"]
        description = payload.get("Description") or kept
        self.prepare(work_group, name, payload["QueryStatement"], description)
        return {}

    def _delete_prepared(self, payload: Json) -> Json:
        self.deallocate(payload["WorkGroup"], payload["StatementName"])
        return {}

    def _queries(self, kind: str, payload: Json) -> list[Json]:
        work_group = payload.get("WorkGroup") or PRIMARY
        self._work_groups.find(work_group)
        return self._history.saved_queries(kind, work_group)
