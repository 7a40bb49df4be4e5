-- grain: one row an hourly reading of a station (origin, observed_at)
with

records as (

    select * from {{ ref('base_weather__station_readings') }}

),

accepted as (

    select
        record_key,
        origin as airport_code,
        observed_at,
        temp as temperature_fahrenheit,
        dewp as dew_point_fahrenheit,
        humid as relative_humidity_percent,
        wind_dir as wind_direction_degrees,
        wind_speed as wind_speed_mph,
        wind_gust as wind_gust_mph,
        precip as precipitation_inches,
        pressure as pressure_millibars,
        visib as visibility_miles,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
