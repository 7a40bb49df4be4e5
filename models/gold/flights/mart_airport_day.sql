-- grain: one row an airport and day (airport_code, flight_date)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['airport_code', 'flight_date'],
        partitioned_by=['month(flight_date)'],
        meta={'merge_bound': 'flight_date', 'test_window': 'flight_date'},
    )
}}

with

flights as (

    select * from {{ ref('fct_flights') }}
    where {{ touched_dates('flight_date', [
        {'relation': ref('fct_flights'), 'date': 'flight_date'},
    ]) }}

),

movements as (

    select
        origin_airport_code as airport_code,
        flight_date,
        true as is_departure,
        is_cancelled,
        has_departed as has_happened,
        departure_delay_minutes as delay_minutes,
        _arrived_at
    from flights

    union all

    select
        destination_airport_code as airport_code,
        flight_date,
        false as is_departure,
        is_cancelled,
        has_arrived as has_happened,
        arrival_delay_minutes as delay_minutes,
        _arrived_at
    from flights

),

totals as (

    select
        airport_code,
        flight_date,
        count_if(is_departure) as scheduled_departures,
        count_if(is_departure and has_happened) as departures,
        count_if(is_departure and is_cancelled) as cancelled_departures,
        count_if(not is_departure) as scheduled_arrivals,
        count_if(not is_departure and has_happened) as arrivals,
        avg(if(is_departure, cast(delay_minutes as double))) as mean_departure_delay_minutes,
        avg(if(not is_departure, cast(delay_minutes as double))) as mean_arrival_delay_minutes,
        max(_arrived_at) as _arrived_at
    from movements
    group by 1, 2

)

select * from totals
