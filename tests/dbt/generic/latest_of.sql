{#- Each key holds the values of its newest row in a relation of changes (with `operation`), and no key
    is lost. `to_where` chooses among the changes, `newest_where` among the newest ones, `model_where`
    among the model's rows; keys found in `except_in` are not looked at. An expression may ask for the
    keys whose newest change is a deletion: `ended`. -#}
{% test latest_of(model, to, key, order, columns, to_where='true', newest_where='true', model_where='true', except_in=none) %}

with changes as (

    select
        *,
        row_number() over (partition by {{ key }} order by {{ order }} desc) as newness
    from {{ to }}

),

ended as (

    select {{ key }} from changes
    where newness = 1 and operation = 'D'

),

ranked as (

    select
        *,
        row_number() over (partition by {{ key }} order by {{ order }} desc) as chosen_newness
    from changes
    where {{ to_where }}

),

theirs as (

    select
        {{ key }},
        {% for column, expression in columns.items() -%}
        {{ expression }} as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from ranked
    where
        chosen_newness = 1
        and {{ newest_where }}
        {%- if except_in %}
        and {{ key }} not in (select {{ key }} from {{ except_in }})
        {%- endif %}

),

ours as (

    select
        {{ key }},
        {% for column in columns -%}
        {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ model }}
    where
        {{ model_where }}
        {%- if except_in %}
        and {{ key }} not in (select {{ key }} from {{ except_in }})
        {%- endif %}

)

select
    'lost or not the newest' as fault,
    lost.*
from (select * from theirs except select * from ours) as lost

union all

select
    'unexpected or not the newest' as fault,
    unexpected.*
from (select * from ours except select * from theirs) as unexpected

{% endtest %}
