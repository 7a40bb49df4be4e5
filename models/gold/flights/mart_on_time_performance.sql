-- grain: one row a carrier and month of flight (carrier_code, flight_month)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['carrier_code', 'flight_month'],
        meta={'merge_bound': 'flight_month', 'test_window': 'flight_month'},
    )
}}

with

flights as (

    select * from {{ ref('fct_flights') }}
    where {{ touched_months('flight_date', [
        {'relation': ref('fct_flights'), 'date': 'flight_date'},
    ]) }}

),

totals as (

    select
        carrier_code,
        cast(date_trunc('month', flight_date) as date) as flight_month,
        count(*) as scheduled_flights,
        count_if(is_cancelled) as cancelled_flights,
        count_if(has_departed) as departed_flights,
        count_if(has_arrived) as arrived_flights,
        count_if(departure_delay_minutes < 15) as on_time_departures,
        count_if(arrival_delay_minutes < 15) as on_time_arrivals,
        avg(cast(departure_delay_minutes as double)) as mean_departure_delay_minutes,
        avg(cast(arrival_delay_minutes as double)) as mean_arrival_delay_minutes,
        max(_arrived_at) as _arrived_at
    from flights
    group by 1, 2

)

select * from totals
