{#- Every value is found in its parent: `parents` lists {column, to, field}. Null refers to nothing.
    `to_window` is the date or timestamp column of a parent with history that the window prunes by. -#}
{% test references_parents(model, parents) %}

{%- set window = window_of_test() %}

with children as (

    select * from {{ model }}

)

{% for parent in parents %}
select
    '{{ parent.column | replace("'", "''") }}' as column_name,
    cast({{ parent.column }} as varchar) as orphan
from children
where
    {{ parent.column }} not in (
        select {{ parent.field }} from {{ parent.to }}
        where
            {{ parent.field }} is not null
            {%- if window and parent.to_window %}
            and {{ parent.to_window }} >= timestamp '{{ window.first }} 00:00:00'
            {%- endif %}
    )
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
