{#- Bounds every MERGE by its own batch: Athena prunes a MERGE's target on literals only, and a moving
    window written by hand inserts a late duplicate a second time. The bound column is
    `meta.merge_bound` of the model: it must never change for a key. -#}
{%- macro iceberg_merge(
    on_schema_change,
    tmp_relation,
    target_relation,
    unique_key,
    incremental_predicates,
    existing_relation,
    delete_condition,
    update_condition,
    insert_condition,
    force_batch,
    statement_name='main'
) -%}
    {%- set bound_column = config.get('meta', {}).get('merge_bound') -%}
    {%- if bound_column -%}
        {%- set incremental_predicates = [merge_bound(tmp_relation, bound_column)] -%}
    {%- endif -%}
    {{ return(dbt.iceberg_merge(
        on_schema_change=on_schema_change,
        tmp_relation=tmp_relation,
        target_relation=target_relation,
        unique_key=unique_key,
        incremental_predicates=incremental_predicates,
        existing_relation=existing_relation,
        delete_condition=delete_condition,
        update_condition=update_condition,
        insert_condition=insert_condition,
        force_batch=force_batch,
        statement_name=statement_name
    )) }}
{%- endmacro -%}


{#- `target.<column> between <least> and <greatest value of the batch>`, as literals. -#}
{%- macro merge_bound(batch, column) -%}
    {%- set types = {} -%}
    {%- for candidate in adapter.get_columns_in_relation(batch) -%}
        {%- do types.update({candidate.name: candidate.dtype}) -%}
    {%- endfor -%}
    {%- if column not in types -%}
        {{ exceptions.raise_compiler_error(
            "merge_bound names the column '" ~ column ~ "', which " ~ batch ~ ' has not.') }}
    {%- endif -%}
    {%- set row = run_query('select min(' ~ column ~ '), max(' ~ column ~ ') from ' ~ batch).rows[0] -%}
    {%- if row[0] is none -%}
        {{ return('false') }}
    {%- endif -%}
    {%- set least = bound_literal(row[0], types[column], -1) -%}
    {%- set greatest = bound_literal(row[1], types[column], 1) -%}
    {{ return('target.' ~ column ~ ' between ' ~ least ~ ' and ' ~ greatest) }}
{%- endmacro -%}


{#- A value as a literal. Times get a day of margin: a record delivered twice may carry two of them. -#}
{%- macro bound_literal(value, type, margin_days) -%}
    {%- if type.startswith('timestamp') -%}
        {{ return(timestamp_literal(value + modules.datetime.timedelta(days=margin_days))) }}
    {%- elif type == 'date' -%}
        {{ return("date '" ~ value ~ "'") }}
    {%- elif type in ['varchar', 'string'] -%}
        {{ return("'" ~ value | replace("'", "''") ~ "'") }}
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "merge_bound cannot use a column of type '" ~ type ~ "': use a date, timestamp or varchar.") }}
    {%- endif -%}
{%- endmacro -%}
