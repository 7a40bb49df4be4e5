"""The docs: dbt's own as one static page; column-level lineage and data classification beside it."""

import shutil
from pathlib import Path

from dbt_colibri.lineage_extractor.extractor import DbtColumnLineageExtractor
from dbt_colibri.report.generator import DbtColibriReportGenerator
from sqlglot.optimizer.scope import Scope

from strata import dbt
from strata.environment import PROJECT
from strata.governance import declared, page


def generate(project: Path = PROJECT) -> Path:
    """Make `site/index.html`, `site/lineage/` and `site/classification.html`, which open from disk.

    Returns the first. Raises StrataError when dbt fails.
    """
    # A folder of its own: target/ keeps the results of the last build, which strata publish reads.
    target = project / "target" / "docs"
    parsed = project / "target" / "partial_parse.msgpack"
    reuse = ["--partial-parse-file-path", str(parsed)] if parsed.exists() else []
    dbt.run(
        ["docs", "generate", "--static", "--quiet", "--target-path", str(target), *reuse],
        project,
        quiet=True,
    )
    site = project / "site"
    site.mkdir(exist_ok=True)
    shutil.copy(target / "static_index.html", site / "index.html")
    _column_lineage(target, site / "lineage")
    classify(site / "classification.html", project)
    return site / "index.html"


def classify(page_path: Path, project: Path = PROJECT) -> Path:
    """Write the data classification page. Raises StrataError for a declaration that is not right."""
    readers = declared.readers(project)
    return page.write(declared.tables(dbt.manifest(project), readers), readers, page_path)


def _column_lineage(target: Path, folder: Path) -> None:
    # dbt-colibri 0.3.7 asks a scope for `union_scopes`, which sqlglot 30 has renamed: without the
    # old name every column that comes through a UNION loses its parents.
    Scope.union_scopes = property(lambda scope: scope.set_operation_scopes)
    extractor = DbtColumnLineageExtractor(
        manifest_path=str(target / "manifest.json"), catalog_path=str(target / "catalog.json")
    )
    report = DbtColibriReportGenerator(extractor, light_mode=True, disable_telemetry=True)
    report.generate_report(output_dir=str(folder))
