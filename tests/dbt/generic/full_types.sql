{#- The table's columns have the full types that its YAML declares: a contract compares base types
    only, so that decimal(10,2) and timestamp(3) would pass as decimal(12,4) and timestamp(6). -#}
{% test full_types(model) %}

{%- set node = context_node() %}
{%- set relation = relation_of(node) %}

with declared as (

    select
        column_name,
        data_type
    from (
        values
        {%- for column in node.columns.values() %}
        ('{{ column.name }}', '{{ column.data_type }}'){{ ',' if not loop.last }}
        {%- else %}
        ('', '')
        {%- endfor %}
    ) as columns (column_name, data_type)

),

actual as (

    select
        column_name,
        data_type
    from awsdatacatalog.information_schema.columns
    where table_schema = '{{ relation.schema }}' and table_name = '{{ relation.identifier }}'

)

select
    coalesce(declared.column_name, actual.column_name) as column_name,
    declared.data_type as declared_type,
    actual.data_type as actual_type
from declared
full outer join actual on declared.column_name = actual.column_name
where declared.data_type is distinct from actual.data_type

{% endtest %}
