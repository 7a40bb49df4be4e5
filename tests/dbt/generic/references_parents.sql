{#- Every value is found in its parent: `parents` lists {column, to, field}. Null refers to nothing. -#}
{% test references_parents(model, parents) %}

with children as (

    select * from {{ model }}

)

{% for parent in parents %}
select
    '{{ parent.column }}' as column_name,
    cast(children.{{ parent.column }} as varchar) as orphan
from children
left join {{ parent.to }} as parent_{{ loop.index }}
    on children.{{ parent.column }} = parent_{{ loop.index }}.{{ parent.field }}
where
    children.{{ parent.column }} is not null
    and parent_{{ loop.index }}.{{ parent.field }} is null
{{ 'union all' if not loop.last }}
{% endfor %}

{% endtest %}
