-- grain: one row a month, origin and weather (flight_month, origin_airport_code, weather_condition)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['flight_month', 'origin_airport_code', 'weather_condition'],
        meta={'merge_bound': 'flight_month', 'test_window': 'flight_month'},
    )
}}

{%- set touched = [
    {'relation': ref('fct_flights'), 'date': 'flight_date'},
    {'relation': ref('fct_weather_readings'), 'date': 'observed_at'},
    {'relation': ref('fct_weather_readings'), 'date': "observed_at - interval '12' hour"},
] %}

with

flights as (

    select * from {{ ref('fct_flights') }}
    where {{ touched_months('flight_date', touched) }}

),

readings as (

    select
        airport_code,
        observed_at,
        weather_condition,
        _arrived_at
    from {{ ref('fct_weather_readings') }}

),

conditions as (

    select weather_condition
    from (
        values ('snow'), ('rain'), ('fog'), ('wind'), ('fair'), ('unknown')
    ) as known (weather_condition)

),

-- The reading of the hour in which the flight was to depart.
matched as (

    select
        flights.flight_date,
        flights.origin_airport_code,
        flights.is_cancelled,
        flights.has_departed,
        flights.departure_delay_minutes,
        coalesce(readings.weather_condition, 'unknown') as weather_condition,
        greatest(
            flights._arrived_at, coalesce(readings._arrived_at, flights._arrived_at)
        ) as _arrived_at
    from flights
    left join readings
        on
            flights.origin_airport_code = readings.airport_code
            and date_trunc('hour', flights.scheduled_departure_at) = readings.observed_at

),

-- Every condition has a row: weather that arrives late moves flights between them, and a merge
-- removes no row.
grid as (

    select
        origins.flight_month,
        origins.origin_airport_code,
        cast(conditions.weather_condition as varchar) as weather_condition,
        origins._arrived_at
    from (
        select
            cast(date_trunc('month', flight_date) as date) as flight_month,
            origin_airport_code,
            max(_arrived_at) as _arrived_at
        from matched
        group by 1, 2
    ) as origins
    cross join conditions

),

totals as (

    select
        cast(date_trunc('month', flight_date) as date) as flight_month,
        origin_airport_code,
        weather_condition,
        count(*) as scheduled_flights,
        count_if(is_cancelled) as cancelled_flights,
        count_if(has_departed) as departed_flights,
        count_if(departure_delay_minutes >= 15) as late_departures,
        avg(cast(departure_delay_minutes as double)) as mean_departure_delay_minutes
    from matched
    group by 1, 2, 3

),

final as (

    select
        grid.flight_month,
        grid.origin_airport_code,
        grid.weather_condition,
        coalesce(totals.scheduled_flights, 0) as scheduled_flights,
        coalesce(totals.cancelled_flights, 0) as cancelled_flights,
        coalesce(totals.departed_flights, 0) as departed_flights,
        coalesce(totals.late_departures, 0) as late_departures,
        totals.mean_departure_delay_minutes,
        grid._arrived_at
    from grid
    left join totals
        on
            grid.flight_month = totals.flight_month
            and grid.origin_airport_code = totals.origin_airport_code
            and grid.weather_condition = totals.weather_condition

)

select * from final
