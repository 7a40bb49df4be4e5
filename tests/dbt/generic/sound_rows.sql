{#- One pass over a model: its key, the columns that are always filled, and rules that each row
    obeys. A rule that is null for a row (a missing value) holds. Returns one row a fault. -#}
{% test sound_rows(model, key, filled=[], rules={}) %}

with records as (

    select * from {{ model }}

),

checked as (

    select
        {{ joined(key) }} as record,
        array[
            {%- for column in key + filled %}
            if({{ column }} is null, '{{ column }} is null'),
            {%- endfor %}
            {%- for name, rule in rules.items() %}
            if(not ({{ rule }}), '{{ name | replace("'", "''") }}'),
            {%- endfor %}
            cast(null as varchar)
        ] as findings
    from records

)

select
    record,
    array_join(filter(findings, finding -> finding is not null), ', ') as fault
from checked
where cardinality(filter(findings, finding -> finding is not null)) > 0

union all

select
    record,
    'key is repeated' as fault
from checked
group by record
having count(*) > 1

{% endtest %}
