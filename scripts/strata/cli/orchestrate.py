"""`strata orchestrate`: the build as AWS runs it, step by step."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from strata import console
from strata.cli.common import AsJson, Env, ready
from strata.environment import Environment, client
from strata.errors import StrataError
from strata.operate import executions
from strata.operate.executions import Execution

app = typer.Typer(
    no_args_is_help=True,
    help="The state machine that builds: check what has arrived, build, publish, maintain.",
)
_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan"}


@app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def orchestrate_run(
    context: typer.Context,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Tests look at all history, as once a week.")
    ] = False,
    maintain: Annotated[
        bool, typer.Option("--maintain", help="Maintain the tables in the end.")
    ] = False,
    stop_if_late: Annotated[
        bool, typer.Option("--stop-if-late", help="Late sources stop it, whatever is deployed.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Follow it to its end.")] = True,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Start an execution now and follow it; it goes on in AWS when this command is stopped.

    Further arguments go to dbt build (--select, …), as with strata build. One at a time: while one runs, that one is named and no other is started. Exit code 1: it failed;
    the step and the end of its log are shown.
    """
    environment = ready(env)
    states = client("stepfunctions")
    for arn in executions.running(environment, states):
        raise StrataError(
            f"the execution {arn.rpartition(':')[2]} is running",
            "wait for it: strata orchestrate status; or stop it: aws stepfunctions stop-execution "
            f"--execution-arn {arn}",
        )
    given = _input(context.args, sweep, maintain, stop_if_late)
    arn = executions.start(given, environment, states)
    if wait:
        tell = (lambda step: None) if as_json else console.step
        _report(executions.follow(arn, states, tell), environment, as_json)
    else:
        _report(executions.describe(arn, states), environment, as_json)


@app.command("status")
def orchestrate_status(env: Env = None, as_json: AsJson = False) -> None:
    """Show the last executions, and the end of the log of the newest if it failed.

    Exit code 1: the newest did not succeed.
    """
    environment = ready(env)
    found = executions.last(environment, client("stepfunctions"))
    if not found:
        console.done("nothing was executed yet")
        console.next_step("strata orchestrate run")
        return
    if not as_json:
        rows = [
            (one.name, one.started_at, one.step, f"[{_style(one)}]{one.status}[/]") for one in found
        ]
        columns = ("execution", "started", "step", "")
        console.out.print(console.table("executions", columns, rows))
    _report(found[0], environment, as_json)


def _input(words: list[str], sweep: bool, maintain: bool, stop_if_late: bool) -> dict[str, Any]:
    """The execution's input; raises StrataError for an argument that would be split at its spaces."""
    spaced = [word for word in words if " " in word]
    if spaced:
        raise StrataError(
            f"{spaced[0]!r} has spaces, at which the state machine splits its arguments",
            "repeat the option instead (--select a --select b); write JSON without spaces",
        )
    words = [*words, *(["--vars", '{"test_window_days":0}'] if sweep else [])]
    given: dict[str, Any] = {"arguments": " ".join(words), "maintain": maintain}
    return {**given, "stale": "stop"} if stop_if_late else given


def _report(execution: Execution, environment: Environment, as_json: bool) -> None:
    """Say how it stands; a failure with its log, and exit code 1."""
    has_failed = execution.is_over and execution.status != "SUCCEEDED"
    lines = executions.last_lines(execution, environment, client) if has_failed else []
    if as_json:
        print(json.dumps({**asdict(execution), "log": lines}))
    elif not has_failed:
        console.done(f"{execution.name}: {execution.status.lower()} {execution.step}")
        after = "strata publish --list" if execution.is_over else "strata orchestrate status"
        console.next_step(after)
    else:
        for line in lines:
            console.out.print(f"  {escape(line)}", soft_wrap=True)
        what = f"{execution.name} {execution.status.lower()} in {execution.step or 'its beginning'}"
        console.err.print(f"[red]✗[/] {what}", soft_wrap=True)
        console.next_step("docs/runbooks/orchestration-failed.md")
    if has_failed:
        raise typer.Exit(1)


def _style(execution: Execution) -> str:
    return _STYLES.get(execution.status, "red")
