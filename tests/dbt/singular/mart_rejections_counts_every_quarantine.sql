-- Every rejected record is counted once under each of its reasons, on the day that it arrived,
-- whatever table it came from.
{%- set tables = [
    'flight_ops__flight_events',
    'registry__aircraft',
    'registry__airports',
    'registry__carriers',
    'schedules__flight_schedules',
    'ticketing__fraud_alerts',
    'ticketing__fraud_labels',
    'ticketing__passengers',
    'ticketing__payments',
    'weather__station_readings',
] %}

with quarantined as (

    {% for table in tables -%}
    select
        '{{ table | replace("__", ".") }}' as source_table,
        cast(_arrived_at as date) as arrived_date,
        sum(cardinality(rejections)) as reasons
    from {{ ref('quarantine_' ~ table) }}
    group by 2
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (

    select
        source_table,
        arrived_date,
        sum(records) as reasons
    from {{ ref('mart_rejections') }}
    group by 1, 2

)

select
    coalesce(quarantined.source_table, counted.source_table) as source_table,
    coalesce(quarantined.arrived_date, counted.arrived_date) as arrived_date,
    quarantined.reasons as quarantined_reasons,
    counted.reasons as counted_reasons
from quarantined
full outer join counted
    on
        quarantined.source_table = counted.source_table
        and quarantined.arrived_date = counted.arrived_date
where quarantined.reasons is distinct from counted.reasons
