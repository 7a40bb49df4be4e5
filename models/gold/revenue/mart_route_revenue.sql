-- grain: one row a route and month of flight (origin, destination, flight_month)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['origin_airport_code', 'destination_airport_code', 'flight_month'],
        meta={'merge_bound': 'flight_month', 'test_window': 'flight_month'},
    )
}}

{%- set touched = touched_months('flight_date', [
    {'relation': ref('fct_flights'), 'date': 'flight_date'},
    {'relation': ref('fct_payments'), 'date': 'flight_date'},
]) %}

with

flights as (

    select
        origin_airport_code,
        destination_airport_code,
        cast(date_trunc('month', flight_date) as date) as flight_month,
        count(*) as scheduled_flights,
        count_if(has_departed) as departed_flights,
        max(distance_miles) as distance_miles,
        max(_arrived_at) as _arrived_at
    from {{ ref('fct_flights') }}
    where {{ touched }}
    group by 1, 2, 3

),

payments as (

    select
        origin_airport_code,
        destination_airport_code,
        cast(date_trunc('month', flight_date) as date) as flight_month,
        count(*) as payments,
        sum(amount_usd) as revenue_usd,
        max(_arrived_at) as _arrived_at
    from {{ ref('fct_payments') }}
    where {{ touched }}
    group by 1, 2, 3

),

final as (

    select
        coalesce(flights.origin_airport_code, payments.origin_airport_code) as origin_airport_code,
        coalesce(
            flights.destination_airport_code, payments.destination_airport_code
        ) as destination_airport_code,
        coalesce(flights.flight_month, payments.flight_month) as flight_month,
        coalesce(flights.scheduled_flights, 0) as scheduled_flights,
        coalesce(flights.departed_flights, 0) as departed_flights,
        flights.distance_miles,
        coalesce(payments.payments, 0) as payments,
        cast(coalesce(payments.revenue_usd, 0) as decimal(18, 2)) as revenue_usd,
        cast(payments.revenue_usd as double)
        / nullif(flights.departed_flights, 0) as revenue_usd_per_flight,
        greatest(
            coalesce(flights._arrived_at, payments._arrived_at),
            coalesce(payments._arrived_at, flights._arrived_at)
        ) as _arrived_at
    from flights
    full outer join payments
        on
            flights.origin_airport_code = payments.origin_airport_code
            and flights.destination_airport_code = payments.destination_airport_code
            and flights.flight_month = payments.flight_month

)

select * from final
