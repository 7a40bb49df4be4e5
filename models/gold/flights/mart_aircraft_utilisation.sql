-- grain: one row an aircraft and month of flight (tail_number, flight_month)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['tail_number', 'flight_month'],
        delete_condition='src.scheduled_flights = 0',
        insert_condition='src.scheduled_flights > 0',
        meta={'merge_bound': 'flight_month', 'test_window': 'flight_month'},
    )
}}

{%- set touched = touched_months('flight_date', [
    {'relation': ref('fct_flights'), 'date': 'flight_date'},
]) %}

with

flights as (

    select * from {{ ref('fct_flights') }}
    where {{ touched }}

),

totals as (

    select
        tail_number,
        cast(date_trunc('month', flight_date) as date) as flight_month,
        count(*) as scheduled_flights,
        count_if(has_departed) as departed_flights,
        count(distinct flight_date) as days_in_use,
        coalesce(sum(air_time_minutes), 0) as air_time_minutes,
        coalesce(sum(if(has_departed, distance_miles)), 0) as flown_miles,
        max(_arrived_at) as _arrived_at
    from flights
    where tail_number is not null
    group by 1, 2

),

{% if is_incremental() -%}
-- An aircraft that a correction left without flights has no month any more: the merge deletes it.
vacated as (

    select
        existing.tail_number,
        existing.flight_month,
        cast(0 as bigint) as scheduled_flights,
        cast(0 as bigint) as departed_flights,
        cast(0 as bigint) as days_in_use,
        cast(0 as bigint) as air_time_minutes,
        cast(0 as bigint) as flown_miles,
        existing._arrived_at
    from {{ this }} as existing
    left join totals
        on existing.tail_number = totals.tail_number and existing.flight_month = totals.flight_month
    where
        totals.tail_number is null
        and {{ touched | replace('flight_date', 'existing.flight_month') }}

),

{% endif -%}
months as (

    select * from totals
    {%- if is_incremental() %}
    union all
    select * from vacated
    {%- endif %}

)

select * from months
