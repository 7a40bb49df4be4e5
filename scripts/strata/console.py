"""What people see: one console, its colours, its progress bars and its tables."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def progress() -> Progress:
    """A progress bar; a log, which cannot be drawn on, gets none."""
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )


def step(text: str) -> None:
    """Announce a step of a longer command."""
    out.print(f"[bold cyan]›[/] {text}")


def done(text: str) -> None:
    """Say what has happened."""
    out.print(f"[green]✓[/] {text}")


def next_step(text: str) -> None:
    """Say what to type or open next."""
    out.print(f"[dim]next:[/] {text}")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table whose numbers are grouped and right-aligned."""
    grid = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    materialized = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in materialized)
        justify = "right" if numeric and materialized else "left"
        grid.add_column(column, justify=justify)  # type: ignore[arg-type]
    for row in materialized:
        grid.add_row(*[f"{cell:,}" if isinstance(cell, int | float) else str(cell) for cell in row])
    return grid
