-- grain: one row an hourly reading at an airport (airport_code, observed_at)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['airport_code', 'observed_at'],
        partitioned_by=['month(observed_at)'],
        meta={'merge_bound': 'observed_at', 'test_window': 'observed_at'},
    )
}}

with

readings as (

    select * from {{ ref('stg_weather__station_readings') }}
    where {{ arrived_window() }}

),

classified as (

    select
        airport_code,
        observed_at,
        temperature_fahrenheit,
        dew_point_fahrenheit,
        relative_humidity_percent,
        wind_direction_degrees,
        wind_speed_mph,
        wind_gust_mph,
        precipitation_inches,
        pressure_millibars,
        visibility_miles,
        case
            when precipitation_inches > 0 and temperature_fahrenheit <= 32 then 'snow'
            when precipitation_inches > 0 then 'rain'
            when visibility_miles < 3 then 'fog'
            when wind_speed_mph >= 25 or wind_gust_mph >= 35 then 'wind'
            when precipitation_inches is null and visibility_miles is null then 'unknown'
            else 'fair'
        end as weather_condition,
        _arrived_at
    from readings

)

select * from classified
