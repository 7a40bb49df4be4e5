{#- The model holds the very rows of another relation: none lost, added, repeated or changed.
    `columns` maps the model's columns to expressions on the other relation. `may_lack` lets the other
    relation hold rows that the model has not (yet). -#}
{% test same_rows(model, to, columns, to_where='true', model_where='true', may_lack=false) %}

{%- set window = window_of_test() %}

with ours as (

    select
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        count(*) as copies
    from {{ model }}
    where {{ model_where }}
    group by {% for column in columns %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}

),

theirs as (

    select
        {% for column, expression in columns.items() -%}
        {{ expression }} as {{ column }},
        {% endfor -%}
        count(*) as copies
    from {{ to }}
    where {{ to_where }}
    {%- if window %} and {{ window.predicate }}{% endif %}
    group by {% for column in columns %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}

)

select
    'only in the model' as fault,
    unexpected.*
from (select * from ours except select * from theirs) as unexpected
{%- if not may_lack %}

union all

select
    'lost or changed' as fault,
    lost.*
from (select * from theirs except select * from ours) as lost
{%- endif %}

{% endtest %}
