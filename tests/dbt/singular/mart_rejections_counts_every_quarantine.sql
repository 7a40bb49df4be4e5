-- Every rejected record is counted once under each of its reasons, whatever table it came from.
{%- set tables = [
    'flight_ops__flight_events',
    'registry__aircraft',
    'registry__airports',
    'registry__carriers',
    'schedules__flight_schedules',
    'ticketing__fraud_labels',
    'ticketing__passengers',
    'ticketing__payments',
    'weather__station_readings',
] %}

with quarantined as (

    {% for table in tables -%}
    select
        '{{ table | replace("__", ".") }}' as source_table,
        coalesce(sum(cardinality(rejections)), 0) as reasons
    from {{ ref('quarantine_' ~ table) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (

    select
        source_table,
        sum(records) as reasons
    from {{ ref('mart_rejections') }}
    group by source_table

)

select
    quarantined.source_table,
    quarantined.reasons as quarantined_reasons,
    counted.reasons as counted_reasons
from quarantined
left join counted on quarantined.source_table = counted.source_table
where quarantined.reasons <> coalesce(counted.reasons, 0)
