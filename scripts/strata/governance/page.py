"""The data classification page: which columns hold personal data, how masked, and who sees them."""

from pathlib import Path

from jinja2 import Environment as Templates

from strata.governance.classification import NONE
from strata.governance.declared import SERVING, Reader, Table

_MEANING = {
    "hash": "A keyed hash: equal values are equal within a version of the key, and say no more.",
    "last4": "The last four characters; the rest is masked before Bronze.",
    "redact": "Nothing but that there was a value.",
}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data classification</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 68rem; margin: 2rem auto; padding: 0 1.5rem; }
  h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
  p, dd { color: #45525f; } dt { font-weight: 600; } dd { margin: 0 0 .4rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #e1e6eb; vertical-align: top; }
  th { font-weight: 600; background: #f4f6f8; }
  code { font: 13px/1.4 ui-monospace, monospace; }
  .class { border-radius: .7rem; padding: .05rem .55rem; background: #fde8d7; white-space: nowrap; }
  .no { color: #98a4af; }
</style>
<h1>Data classification</h1>
<p>{{ columns|length }} of {{ total }} columns hold personal data, masked before they reach Bronze. The
class of a column comes from the mask of its source, along the lineage; <code>strata govern apply</code>
tells it to Lake Formation.</p>
<dl>{% for name, text in meaning.items() %}<dt>{{ name }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
<h2>Personal data</h2>
<table>
<tr><th>layer</th><th>domain</th><th>table</th><th>column</th><th>class</th><th>seen by</th></tr>
{% for table, column, kind, seen in columns -%}
<tr><td>{{ table.layer }}</td><td>{{ table.domain }}</td><td><code>{{ table.database }}.{{ table.name }}</code></td>
<td><code>{{ column }}</code></td><td><span class="class">{{ kind }}</span></td>
<td>{% if seen %}{{ seen|join(", ") }}{% elif table.layer == "bronze" %}<span class="no">machines only</span>{% else %}<span class="no">the role that builds</span>{% endif %}</td></tr>
{% endfor -%}
</table>
<h2>Readers</h2>
<p>Readers select from <code>serving</code> alone. A table or a column that is new is hidden until it is
classified.</p>
<table>
<tr><th>table</th>{% for reader in readers %}<th>{{ reader.name }}<br><span class="no">{{ reader.personal_data|join(", ") }}</span></th>{% endfor %}</tr>
{% for table in served -%}
<tr><td><code>{{ table.name }}</code></td>{% for reader in readers %}<td>{% if reader.name not in table.readers %}<span class="no">–</span>{% elif table.readers[reader.name] %}rows where <code>{{ table.readers[reader.name] }}</code>{% else %}all rows{% endif %}</td>{% endfor %}</tr>
{% endfor -%}
</table>
</html>
"""


def write(tables: list[Table], readers: list[Reader], path: Path) -> Path:
    """Write the page to `path`; returns it."""
    personal = [
        (table, column, kind, _seen(table, kind, readers))
        for table in sorted(tables, key=_order)
        for column, kind in table.columns.items()
        if kind != NONE
    ]
    path.write_text(
        Templates(autoescape=True)
        .from_string(_PAGE)
        .render(
            columns=personal,
            total=sum(len(table.columns) for table in tables),
            meaning=_MEANING,
            readers=readers,
            served=[table for table in tables if table.layer == SERVING],
        )
    )
    return path


def _order(table: Table) -> tuple[int, str, str]:
    layers = ("bronze", "silver", "snapshots", "seeds", "gold", SERVING)
    return layers.index(table.layer), table.domain, table.name


def _seen(table: Table, kind: str, readers: list[Reader]) -> list[str]:
    return [r.name for r in readers if r.name in table.readers and kind in r.personal_data]
