{#- Unit tests cast their literals; the adapter's own cannot cast text to an array. Here a fixture
    writes an array of text as its items joined by `|`. -#}
{%- macro athena__safe_cast(field, type) -%}
    {%- if type.startswith('array') and field != 'null' -%}
        cast(filter(split({{ field }}, '|'), item -> item <> '') as {{ type }})
    {%- else -%}
        try_cast({{ field }} as {{ type }})
    {%- endif -%}
{%- endmacro -%}
