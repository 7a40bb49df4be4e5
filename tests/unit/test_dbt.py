"""What Strata keeps of dbt's artifacts is whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strata import dbt


def test_a_parse_that_is_killed_leaves_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: x")

    def parse(text: str, killed: bool) -> Callable[..., str]:
        def run(arguments: list[str], *_: Any, **__: Any) -> str:
            Path(arguments[arguments.index("--target-path") + 1], "manifest.json").write_text(text)
            if killed:
                raise KeyboardInterrupt
            return ""

        return run

    monkeypatch.setattr(dbt, "run", parse('{"nodes": {', killed=True))
    with pytest.raises(KeyboardInterrupt):
        dbt.manifest(tmp_path)
    monkeypatch.setattr(dbt, "run", parse('{"nodes": {}}', killed=False))
    assert dbt.manifest(tmp_path) == {"nodes": {}}
    monkeypatch.delattr(dbt, "run")
    assert dbt.manifest(tmp_path) == {"nodes": {}}
