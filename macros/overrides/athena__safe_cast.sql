{#- Unit tests cast their literals. The adapter's own cannot cast text to an array: here a fixture
    writes an array of text as its items joined by `|`. And Glue keeps no precision of a view's
    timestamps, which are timestamp(6) as all of ours. -#}
{%- macro athena__safe_cast(field, type) -%}
    {%- if type.startswith('array') and field != 'null' -%}
        cast(filter(split({{ field }}, '|'), item -> item <> '') as {{ type }})
    {%- elif type == 'timestamp' -%}
        try_cast({{ field }} as timestamp(6))
    {%- else -%}
        try_cast({{ field }} as {{ type }})
    {%- endif -%}
{%- endmacro -%}
