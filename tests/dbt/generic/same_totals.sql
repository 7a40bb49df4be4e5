{#- A mart says what its facts say: the same groups with the same totals, computed again. `by` maps
    the model's key columns to expressions on the other relation, `totals` the measures to aggregates.
    `to_window` is the date or timestamp column of the other relation that the window prunes by.
    `joined` ({to, condition}) joins a second relation: they are `facts` and `joined`. -#}
{% test same_totals(model, to, by, totals, to_window, to_where='true', model_where='true', joined=none) %}

{%- set window = window_of_test() %}

with ours as (

    select
        {% for column in by -%}
        {{ column }},
        {% endfor -%}
        {% for column in totals -%}
        {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ model }}
    where {{ model_where }}

),

grouped as (

    select
        {% for column, expression in by.items() -%}
        {{ expression }} as {{ column }},
        {% endfor -%}
        {% for column, aggregate in totals.items() -%}
        {{ aggregate }} as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ to }} as facts
    {%- if joined %}
    left join {{ joined.to }} as joined on {{ joined.condition }}
    {%- endif %}
    where {{ to_where }}
    {%- if window %} and {{ to_window }} >= timestamp '{{ window.first }} 00:00:00'{% endif %}
    group by {% for column in by %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}

),

theirs as (

    select * from grouped
    {%- if window %}
    where {{ window.predicate }}
    {%- endif %}

)

select
    'not what the facts say' as fault,
    wrong.*
from (select * from ours except select * from theirs) as wrong

union all

select
    'lost' as fault,
    lost.*
from (select * from theirs except select * from ours) as lost

{% endtest %}
