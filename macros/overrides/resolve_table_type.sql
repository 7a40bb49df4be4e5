{#- A unit test's temporary table would be a Hive table, which refuses timestamp(6)
    (dbt-labs/dbt-adapters#424): make it Iceberg, as its model is. -#}
{%- macro resolve_table_type() -%}
    {%- if model.resource_type == 'unit_test' -%}
        {{ return('iceberg') }}
    {%- endif -%}
    {{ return(dbt.resolve_table_type()) }}
{%- endmacro -%}
