{#- A data test of an incremental model looks at its newest days, so that its cost does not grow with
    history: `test_window_days` (var) before the newest value of the model's `meta.test_window` column
    (`_arrived_at` when it names none). A test's own `where` wins;
    `--vars '{test_window_days: 0}'` sweeps everything. -#}
{%- macro get_where_subquery(relation) -%}
    {%- set window = none if config.get('where') else window_of_test() -%}
    {%- if not window -%}
        {{ return(dbt.default__get_where_subquery(relation)) }}
    {%- endif -%}
    {{ return('(select * from ' ~ relation ~ ' where ' ~ window.predicate ~ ') dbt_subquery') }}
{%- endmacro -%}


{#- The window of the running test: {column, first, predicate}, or none when everything is tested. -#}
{%- macro window_of_test() -%}
    {%- set days = var('test_window_days') | int -%}
    {%- if not execute or days <= 0 or not model.attached_node -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set table = incremental_table_of(model.attached_node) -%}
    {%- if not table -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set column = table.node.config.meta.get('test_window', '_arrived_at') -%}
    {%- set newest = newest_value(table.relation, column).value -%}
    {%- if newest is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set first = newest - modules.datetime.timedelta(days=days) -%}
    {%- set literal = timestamp_literal(first) if first.hour is defined else "date '" ~ first ~ "'" -%}
    {{ return({
        'column': column,
        'first': first.date() if first.hour is defined else first,
        'predicate': column ~ ' >= ' ~ literal,
    }) }}
{%- endmacro -%}


{#- The incremental table behind a model: itself, or the one that its view shows. -#}
{%- macro incremental_table_of(unique_id) -%}
    {%- set node = graph.nodes.get(unique_id) -%}
    {%- if node and node.config.materialized == 'incremental' -%}
        {{ return({'node': node, 'relation': relation_of(node)}) }}
    {%- endif -%}
    {%- if node and node.config.materialized == 'view' and '_arrived_at' in node.columns
        and node.depends_on.nodes | length == 1 -%}
        {{ return(incremental_table_of(node.depends_on.nodes[0])) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}


{#- The relation of a node as ref() gives it: the deferred one where the node's own is not built. -#}
{%- macro relation_of(node) -%}
    {%- set own = api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias) -%}
    {%- set deferred = node.get('defer_relation') -%}
    {%- if deferred and load_relation(own) is none -%}
        {{ return(api.Relation.create(
            database=deferred.database, schema=deferred.schema, identifier=deferred.alias)) }}
    {%- endif -%}
    {{ return(own) }}
{%- endmacro -%}
