"""`serving`: what consumers read. A Glue entry a model, which points to audited Iceberg metadata.

Publishing copies no data. It tags the audited snapshot of the Gold table, writes a metadata file
that knows this snapshot alone, and lets the Glue entry point to it: one UpdateTable, so a reader
sees the old table or the new one. The tag keeps the snapshot from every engine's expiry
(https://iceberg.apache.org/spec/#snapshot-retention-policy). The metadata file lies outside the
table's location: VACUUM removes what it does not know there. What dbt drops while serving points
to it keeps its files (macros/overrides/drop_relation_glue.sql) until the publication is forgotten.

Each step can be repeated after a kill.
"""

import uuid
from dataclasses import dataclass, replace
from typing import Any

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import (
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetCurrentSchemaUpdate,
    TableUpdate,
    update_table_metadata,
)

from strata.environment import schema
from strata.errors import StrataError
from strata.operate import iceberg, policy, publications
from strata.operate.evidence import Evidence
from strata.operate.iceberg import Clients, Table
from strata.operate.publications import Publication, Served

Json = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a table: published, unchanged, refused, left out or rolled back, and why."""

    table: str
    state: str
    snapshot_id: int | None = None
    reason: str | None = None


def publish(evidence: Evidence, clients: Clients) -> Outcome:
    """Let serving show the snapshot that a model's tests have read, if they passed.

    A refusal is an outcome, not an error: the next table is published still.
    """
    table = f"{schema('serving')}.{evidence.node['alias']}"
    if not policy.is_iceberg_table(evidence.node):
        kind = evidence.node["config"]["materialized"]
        return Outcome(table, "left out", None, f"a {kind} has no snapshots: read it in Gold")
    try:
        kept = policy.of(evidence.node).publications
        gold, snapshot_id = _audited(evidence, clients)
        present = publications.find(table, clients.glue)
        if present and (known := present.of(snapshot_id)) and known.withdrawn_at:
            raise StrataError(
                f"snapshot {snapshot_id} was rolled back at {known.withdrawn_at}",
                f"build again, or bring it back: strata publish --select {evidence.name} "
                f"--rollback --to {snapshot_id}",
            )
    except StrataError as error:
        return _refused(table, error)
    if present and present.current.snapshot_id == snapshot_id:
        _forget(present, kept, clients)
        return Outcome(table, "unchanged", snapshot_id)
    gold = iceberg.commit(gold, [_tag(snapshot_id)], clients)
    shown = _only(gold.metadata, snapshot_id)
    publication = _publication(gold, snapshot_id, table, evidence.invocation)
    iceberg.write_metadata(shown, publication.metadata_location, clients)
    _forget(_point(table, gold, shown, present, publication, clients), kept, clients)
    return Outcome(table, "published", snapshot_id)


def rollback(present: Served, to: int | None, clients: Clients) -> Outcome:
    """Let serving show another publication: the one before, or that of snapshot `to`.

    What is newer than it counts as withdrawn, and is not published again by itself. Refused when
    there is no such publication.
    """
    place = present.place
    wanted = (
        present.of(to) if to is not None else next(iter(present.publications[:place][-1:]), None)
    )
    if wanted is None:
        there = ", ".join(str(p.snapshot_id) for p in present.publications)
        which = f"of snapshot {to}" if to is not None else f"before {present.current.snapshot_id}"
        return _refused(present.table, StrataError(f"no publication {which}", f"it has {there}"))
    if not clients.io.new_input(wanted.metadata_location).exists():
        return _refused(
            present.table, StrataError(f"{wanted.metadata_location} is gone", "publish")
        )
    target, now = present.publications.index(wanted), publications.now()
    changed = tuple(
        replace(p, withdrawn_at=(p.withdrawn_at or now) if number > target else None)
        for number, p in enumerate(present.publications)
    )
    if target != place or changed != present.publications:
        publications.save(present, changed, wanted.metadata_location, clients.glue)
    return Outcome(present.table, "rolled back", wanted.snapshot_id)


def _refused(table: str, error: StrataError) -> Outcome:
    return Outcome(table, "refused", None, f"{error.message}: {error.hint}")


def published_snapshots(table: str, served: list[Served]) -> set[int]:
    """The snapshots of a Gold table (`<database>.<table>`) that consumers read or may go back to."""
    name = table.removeprefix(f"{schema('gold')}.")
    return {p.snapshot_id for one in served if one.name == name for p in one.publications}


def _audited(evidence: Evidence, clients: Clients) -> tuple[Table, int]:
    """The Gold table and the snapshot that the model's tests have read."""
    if evidence.fault or evidence.started is None or evidence.ended is None:
        raise StrataError(evidence.fault or "its tests did not run", "mend it and build again")
    gold = iceberg.load(evidence.table, clients)
    declared = (evidence.node["config"].get("s3_data_dir") or "").rstrip("/")
    if not gold.location.startswith(declared):
        raise StrataError(
            f"{gold.name} is at {gold.location}, and the last build wrote to {declared}",
            "publish to the environment that was built",
        )
    started, ended = (int(at.timestamp() * 1000) for at in (evidence.started, evidence.ended))
    log = gold.metadata.snapshot_log
    if any(started < entry.timestamp_ms <= ended for entry in log):
        raise StrataError(f"{gold.name} changed while its tests ran", "build again")
    before = [entry.snapshot_id for entry in log if entry.timestamp_ms <= started]
    if not before or gold.metadata.snapshot_by_id(before[-1]) is None:
        raise StrataError(f"{gold.name} was made anew after its tests ran", "build again")
    return gold, before[-1]


def _only(metadata: TableMetadata, snapshot_id: int) -> TableMetadata:
    """Metadata that knows one snapshot, with the schema that it was written with."""
    others = [s.snapshot_id for s in metadata.snapshots if s.snapshot_id != snapshot_id]
    updates: list[TableUpdate] = [
        iceberg.set_ref(snapshot_id),
        RemoveSnapshotsUpdate(snapshot_ids=others),
    ]
    snapshot = metadata.snapshot_by_id(snapshot_id)
    if snapshot and snapshot.schema_id is not None:
        updates.append(SetCurrentSchemaUpdate(schema_id=snapshot.schema_id))
    return update_table_metadata(metadata, tuple(updates))


def _publication(gold: Table, snapshot_id: int, table: str, invocation: str) -> Publication:
    """A publication; its file's name follows from what it shows, so a repetition replaces it."""
    bucket, _ = iceberg.bucket_and_key(gold.location)
    number = uuid.uuid5(uuid.UUID(str(gold.metadata.table_uuid)), str(snapshot_id))
    return Publication(
        snapshot_id=snapshot_id,
        metadata_location=f"s3://{bucket}/{table.replace('.', '/')}/metadata/00000-{number}.metadata.json",
        location=gold.location,
        published_at=publications.now(),
        invocation=invocation,
    )


def _point(
    table: str,
    gold: Table,
    shown: TableMetadata,
    present: Served | None,
    publication: Publication,
    clients: Clients,
) -> Served:
    """Make the Glue entry point to a publication; creates what is missing.

    Description, columns and comments are Gold's, as far as the audited schema has the columns.
    """
    database, _, name = table.partition(".")
    earlier = (
        [p for p in present.publications if p != present.of(publication.snapshot_id)]
        if present
        else []
    )
    storage = gold.glue["StorageDescriptor"]
    names = {field.name.lower() for field in shown.schema().fields}
    columns = [column for column in storage["Columns"] if column["Name"].lower() in names]
    entry = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Description": gold.glue.get("Description", ""),
        "StorageDescriptor": {**storage, "Columns": columns},
        "Parameters": publications.parameters(
            publication.metadata_location, [*earlier, publication]
        ),
    }
    if present:
        iceberg.update_entry(present.glue, entry, clients.glue)
    else:
        _create_database(database, clients.glue)
        clients.glue.create_table(DatabaseName=database, TableInput=entry)
    found = publications.find(table, clients.glue)
    assert found is not None
    return found


def _create_database(name: str, glue: Any) -> None:
    try:
        glue.create_database(
            DatabaseInput={"Name": name, "Description": "Gold as its consumers read it: audited."}
        )
    except glue.exceptions.AlreadyExistsException:
        return


def _forget(present: Served, kept: int, clients: Clients) -> None:
    """Remove what only publications older than the newest `kept` need, then their history.

    The present publication and what is newer always stay. Killed anywhere, the next publication
    does the rest.
    """
    first = min(max(len(present.publications) - kept, 0), present.place)
    old, rest = present.publications[:first], present.publications[first:]
    if not old:
        return
    gold = _gold_of(present, clients)
    if gold:
        tags = {_tag(p.snapshot_id).ref_name for p in old} & gold.metadata.refs.keys()
        iceberg.commit(gold, [RemoveSnapshotRefUpdate(ref_name=tag) for tag in tags], clients)
    needed = {p.location for p in rest} | ({gold.location} if gold else set())
    for location in {p.location for p in old} - needed:
        iceberg.delete_folder(location, clients)
    for publication in old:
        iceberg.delete_object(publication.metadata_location, clients)
    publications.save(present, rest, present.current.metadata_location, clients.glue)


def _gold_of(present: Served, clients: Clients) -> Table | None:
    name = f"{schema('gold')}.{present.name}"
    return iceberg.load(name, clients) if iceberg.glue_entry(name, clients.glue) else None


def _tag(snapshot_id: int) -> Any:
    return iceberg.set_ref(snapshot_id, f"published-{snapshot_id}", "tag")
