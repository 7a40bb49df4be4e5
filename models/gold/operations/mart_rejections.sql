-- grain: one row a day of arrival, table and reason (arrived_date, source_table, reason)
{{ config(materialized='view') }}

{%- set tables = [
    ('flight_ops', 'flight_events'),
    ('registry', 'aircraft'),
    ('registry', 'airports'),
    ('registry', 'carriers'),
    ('schedules', 'flight_schedules'),
    ('ticketing', 'fraud_alerts'),
    ('ticketing', 'fraud_labels'),
    ('ticketing', 'passengers'),
    ('ticketing', 'payments'),
    ('weather', 'station_readings'),
] %}

with

{% for system, name in tables -%}
{{ system }}_{{ name }} as (

    select
        '{{ system }}.{{ name }}' as source_table,
        rejections,
        _arrived_at
    from {{ ref('quarantine_' ~ system ~ '__' ~ name) }}

),

{% endfor -%}
rejected as (

    {% for system, name in tables -%}
    select * from {{ system }}_{{ name }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (

    select
        cast(rejected._arrived_at as date) as arrived_date,
        cast(rejected.source_table as varchar) as source_table,
        cast(given.reason as varchar) as reason,
        count(*) as records
    from rejected
    cross join unnest(rejected.rejections) as given (reason)
    group by 1, 2, 3

)

select * from final
