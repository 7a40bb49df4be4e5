"""`strata monitor`: one screen of what is going on."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape

from strata import console, dbt, declarations
from strata.cli.common import AsJson, Env, ready
from strata.environment import client
from strata.operate import metrics
from strata.operate import monitor as monitoring
from strata.operate.monitor import Screen

_BAD = ("error", "ALARM", "FAILED", "TIMEOUT", "ERROR", "MISSING", "failed")
_DOUBTFUL = ("warn", "INSUFFICIENT_DATA", "undeclared")


def monitor(
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again; ctrl-c ends.")
    ] = False,
    every: Annotated[int, typer.Option(help="Seconds between two looks.", min=5)] = 60,
    publish: Annotated[
        bool,
        typer.Option(
            "--publish", help="Tell CloudWatch the freshness, for the alarms: schedule it."
        ),
    ] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show freshness, builds, streams, job runs, queues of failures and alarms on one screen.

    Freshness is one small query a source. Exit code 2: something needs a person.
    """
    environment = ready(env)
    manifest = dbt.manifest()
    sources = declarations.sources(manifest)

    def look() -> Screen:
        screen = monitoring.look(manifest, sources, environment, client)
        if publish:
            metrics.publish_freshness(screen.freshness, environment, client("cloudwatch"))
        return screen

    screen = look()
    if as_json:
        print(json.dumps({**asdict(screen), "needs_attention": screen.needs_attention}))
    elif watch:
        _watch(screen, look, every)
    else:
        console.out.print(_render(screen))
    if screen.needs_attention:
        raise typer.Exit(2)


def _watch(screen: Screen, look: Callable[[], Screen], every: int) -> None:
    with Live(_render(screen), console=console.out, screen=True) as live:
        while True:
            time.sleep(every)
            live.update(_render(look()))


def _render(screen: Screen) -> RenderableType:
    parts: list[RenderableType] = [
        console.table(
            f"freshness at {screen.at}",
            ("source", "newest arrival", "age", ""),
            [(f.source, f.newest or "none", _age(f.age_seconds), _colour(f.status)) for f in screen.freshness],
        ),
        console.table(
            "last builds",
            ("started", "by", "seconds", "nodes", ""),
            [
                (b.started_at[:19], f"{b.user}@{b.host}", f"{b.seconds:.0f}", _counts(b.nodes),
                 _colour("success" if b.succeeded else "failed"))
                for b in screen.builds
            ],
        ),
        console.table(
            "streams",
            ("stream", "", "shards", "delivery", "lag"),
            [
                (s.name, _colour(s.status), s.shards or "-", _colour(s.delivery),
                 _lag(s))
                for s in screen.streams
            ],
        ),
        console.table(
            "job runs",
            ("job", "started", "seconds", "", "error"),
            [(r.job, r.started_at, r.seconds, _colour(r.state), escape(r.error[:80])) for r in screen.runs],
        ),
        console.table(
            "queues of failures",
            ("queue", "messages"),
            [(q.name, q.messages) for q in screen.queues],
        ),
        console.table(
            "alarms",
            ("alarm", "", "why"),
            [(a.name, _colour(a.state), escape(a.reason[:80])) for a in screen.alarms],
        ),
    ]  # fmt: skip
    return Group(*parts)


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    days, rest = divmod(max(seconds, 0), 86_400)
    return f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"


def _counts(nodes: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(nodes.items()))


def _lag(stream: monitoring.Stream) -> str:
    """How far the reader is behind, and when that means records."""
    if stream.lag_milliseconds is None:
        return "-"
    lag = f"{stream.lag_milliseconds / 1000:.0f} s"
    if not stream.loses_records:
        return lag
    return f"[red]{lag}: Kinesis drops records after {stream.retention_hours} h[/]"


def _colour(word: str) -> str:
    kind = word.partition(":")[0]
    colour = "red" if kind in _BAD else "yellow" if kind in _DOUBTFUL else "green"
    return f"[{colour}]{escape(word)}[/]"
