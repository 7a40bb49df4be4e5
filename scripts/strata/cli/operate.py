"""`strata publish`, `restore` and `maintain`: the tables of the lakehouse from day to day."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Protocol, TypeVar

import typer

from strata import console, dbt
from strata.cli.common import AsJson, Env, ready
from strata.environment import Environment, acting_as, build_role, client, schema
from strata.errors import StrataError
from strata.operate import build_lock, evidence, maintain, policy, publications, serving
from strata.operate import restore as restoring
from strata.operate.iceberg import Clients

maintain_app = typer.Typer(
    no_args_is_help=True,
    help="Iceberg tables: small files, delete files, old snapshots, orphans. The policy is "
    "config.meta.maintenance of each model.",
)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_T = TypeVar("_T", bound=_Named)

Select = Annotated[
    list[str] | None,
    typer.Option("--select", "-s", help="Models by name; * stands for anything; repeatable."),
]


def publish(
    select: Select = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Show the publication before, of selected models.")
    ] = False,
    to: Annotated[
        int | None, typer.Option(help="With --rollback: the publication of this snapshot.")
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Show what is published, and what can be gone back to.")
    ] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Let consumers see what the last build made, where its tests have passed.

    dbt builds `gold`, consumers read `serving`. Each table of serving changes at once and by itself,
    without a copy. A model whose tests failed, were skipped or did not run is refused (exit code 1),
    one that the last build was not about stays as it is.
    """
    environment = ready(env)
    clients = _clients(environment)
    if list_only:
        _print_publications(_chosen(publications.served(clients.glue), select), as_json)
        return
    if to is not None and not rollback:
        raise StrataError("--to goes with --rollback", "strata publish --help")
    with build_lock.exclusive(environment, clients.s3):
        outcomes = _roll_back(select, to, clients) if rollback else _publish(select, clients)
    _print_outcomes(outcomes, as_json)
    if any(outcome.state == "refused" for outcome in outcomes):
        raise typer.Exit(1)


def restore(
    table: Annotated[str, typer.Argument(help="<schema>.<table>, as in gold.fct_flights")],
    snapshot: Annotated[int | None, typer.Option(help="The snapshot to go back to.")] = None,
    at: Annotated[
        datetime | None, typer.Option(help="UTC: the snapshot that was current then.")
    ] = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Return an Iceberg table to one of its snapshots; without --snapshot or --at, list them.

    One commit, which rewrites no file. The newer snapshots stay until they expire, so the same
    command goes forward again. Consumers see it after the next strata publish only.
    """
    environment = ready(env)
    clients = _clients(environment)
    if snapshot is not None and at is not None:
        raise StrataError("--snapshot and --at name two snapshots", "use one of them")
    if snapshot is None and at is None:
        _print_versions(restoring.versions(restoring.table_of(table, clients)), table, as_json)
        return
    with build_lock.exclusive(environment, clients.s3):
        found = restoring.table_of(table, clients)
        wanted = restoring.at(found, at) if at else int(snapshot or 0)
        changed = restoring.restore(found, wanted, clients)
    if as_json:
        print(json.dumps({"table": found.name, "snapshot_id": wanted, "changed": changed}))
        return
    console.done(f"{found.name} {'returned to' if changed else 'is at'} snapshot {wanted}")
    console.next_step("strata build brings it up to date again; strata restore lists the others")


@maintain_app.command("plan")
def maintain_plan(select: Select = None, env: Env = None, as_json: AsJson = False) -> None:
    """Show each table's files, snapshots and orphans, and what `strata maintain run` would do."""
    clients = _clients(ready(env))
    plans = [planned for _, planned, _ in _plans(select, clients)]
    if as_json:
        print(json.dumps([asdict(planned) for planned in plans]))
        return
    rows = [
        (p.table, p.state.data_files, p.state.small_files, p.state.delete_files,
         p.state.snapshots, p.state.expirable, p.state.published, p.state.orphans,
         ", ".join(p.reasons) or "nothing")
        for p in plans
    ]  # fmt: skip
    columns = ("table", "files", "small", "deletes", "snapshots", "expire", "published", "orphans",
               "to do")  # fmt: skip
    console.out.print(console.table("maintenance", columns, rows))
    for planned in plans:
        for statement in planned.statements:
            console.out.print(f"  {statement}", soft_wrap=True)
    if any(planned.statements for planned in plans):
        console.next_step("strata maintain run")


@maintain_app.command("run")
def maintain_run(select: Select = None, env: Env = None, as_json: AsJson = False) -> None:
    """Do what the plan says: OPTIMIZE and VACUUM, one table after the other.

    What consumers read, or can go back to, stays readable. Killed, it goes on when run again.
    """
    environment = ready(env)
    clients = _clients(environment)
    with build_lock.exclusive(environment, clients.s3), console.progress() as bar:
        work = [one for one in _plans(select, clients) if one[1].statements]
        done = [
            maintain.carry_out(kept, planned, published, clients)
            for kept, planned, published in bar.track(work, description="maintaining")
        ]
    if as_json:
        print(json.dumps([asdict(one) for one in done]))
        return
    for one in done:
        _print_maintained(one)
    console.done(f"{len(done)} tables maintained")
    console.next_step("strata maintain plan shows what is left")


def _plans(
    select: list[str] | None, clients: Clients
) -> list[tuple[policy.Kept, maintain.Plan, set[int]]]:
    """Each selected table that was built, its plan, and the snapshots that serving needs."""
    served = publications.served(clients.glue)
    found = []
    for kept in _chosen(policy.kept_tables(dbt.manifest()), select):
        published = serving.published_snapshots(kept.table, served)
        planned = maintain.plan(kept, published, clients)
        if planned:
            found.append((kept, planned, published))
    return found


def _print_maintained(one: maintain.Done) -> None:
    before, after = one.before, one.after
    rows = [(size, count, after.histogram[size]) for size, count in before.histogram.items()]
    rows += [
        ("delete files", before.delete_files, after.delete_files),
        ("snapshots", before.snapshots, after.snapshots),
        ("orphans", before.orphans, after.orphans),
    ]
    console.out.print(console.table(one.table, ("data files", "before", "after"), rows))
    if after.orphans:
        console.out.print("[yellow]orphans stay:[/] VACUUM needs s3:DeleteObject on the bucket")


def _publish(select: list[str] | None, clients: Clients) -> list[serving.Outcome]:
    manifest, results = evidence.last_build()
    found = evidence.of_models(manifest, results, schema("gold"))
    if select is None:
        found = [one for one in found if one.was_built]
    with console.progress() as bar:
        chosen = _chosen(found, select)
        return [
            serving.publish(one, clients) for one in bar.track(chosen, description="publishing")
        ]


def _roll_back(select: list[str] | None, to: int | None, clients: Clients) -> list[serving.Outcome]:
    if not select:
        raise StrataError(
            "--rollback needs the models that go back",
            "--select fct_flights; --select '*' takes all",
        )
    chosen = _chosen(publications.served(clients.glue), select)
    if to is not None and len(chosen) > 1:
        raise StrataError("--to is a snapshot of one table", "select that table alone")
    return [serving.rollback(one, to, clients) for one in chosen]


def _chosen(items: Iterable[_T], select: list[str] | None) -> list[_T]:
    """The items whose name fits one of the patterns; raises StrataError for one that fits none."""
    there = list(items)
    for pattern in select or []:
        if not any(fnmatchcase(item.name, pattern) for item in there):
            names = ", ".join(item.name for item in there) or "none"
            raise StrataError(f"nothing is named {pattern!r}", f"there is {names}")
    return [
        item
        for item in there
        if select is None or any(fnmatchcase(item.name, pattern) for pattern in select)
    ]


def _clients(environment: Environment) -> Clients:
    """Clients with the rights of the role that builds."""
    with acting_as(build_role(), environment):
        return Clients(client("glue"), client("s3"), client("athena"))


def _print_outcomes(outcomes: list[serving.Outcome], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(outcome) for outcome in outcomes]))
        return
    for one in outcomes:
        if one.reason:
            mark = "[red]✗[/]" if one.state == "refused" else "[dim]-[/]"
            console.out.print(f"{mark} {one.table}: {one.state}: {one.reason}", soft_wrap=True)
        else:
            console.done(f"{one.table}: {one.state}, snapshot {one.snapshot_id}")
    console.next_step("strata publish --list; --rollback --select NAME goes back")


def _print_publications(found: list[publications.Served], as_json: bool) -> None:
    if as_json:
        listed = [
            {"table": one.table, "current": one.current.snapshot_id,
             "publications": [asdict(p) for p in one.publications]}
            for one in found
        ]  # fmt: skip
        print(json.dumps(listed))
        return
    rows = [
        (one.table, p.published_at, str(p.snapshot_id), _state(one, p))
        for one in found
        for p in reversed(one.publications)
    ]
    console.out.print(console.table("serving", ("table", "published", "snapshot", ""), rows))
    if not rows:
        console.next_step("strata build, then strata publish")


def _state(one: publications.Served, publication: publications.Publication) -> str:
    if publication == one.current:
        return "consumers read it"
    return f"rolled back {publication.withdrawn_at}" if publication.withdrawn_at else ""


def _print_versions(versions: list[restoring.Version], table: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(version) for version in versions]))
        return
    rows = [
        (str(v.snapshot_id), v.committed_at, v.operation, "" if v.rows is None else v.rows,
         "current" if v.is_current else "")
        for v in versions
    ]  # fmt: skip
    title, columns = f"snapshots of {table}", ("snapshot", "committed", "operation", "rows", "")
    console.out.print(console.table(title, columns, rows))
    console.next_step(f"strata restore {table} --snapshot ID")
