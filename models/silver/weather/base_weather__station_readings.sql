-- grain: one row an hourly reading of a station (origin, observed_at), or an unusable record
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='record_key',
        partitioned_by=['month(_occurred_at)'],
        update_condition=better_record(),
        meta={'merge_bound': '_occurred_at'},
    )
}}

{%- set columns = [
    'origin',
    'observed_at',
    'temp',
    'dewp',
    'humid',
    'wind_dir',
    'wind_speed',
    'wind_gust',
    'precip',
    'pressure',
    'visib',
] %}

with

bronze as (

    select * from {{ source('weather', 'station_readings') }}
    where {{ bronze_window() }}

),

parsed as (

    select
        origin,
        cast(observed_at as timestamp(6)) as observed_at,
        temp,
        dewp,
        humid,
        wind_dir,
        wind_speed,
        wind_gust,
        precip,
        pressure,
        visib,
        split(coalesce(_rejection, ''), '|') as _wrong_types,
        cast(_arrived_at as timestamp(6)) as _arrived_at,
        _record_id,
        _delivery_id,
        _rejection,
        _payload_sha256
    from bronze

),

checked as (

    select
        *,
        {{ rejections([
            ('missing_key', 'origin is null or observed_at is null'),
            from_the_future('observed_at'),
            out_of_range('temp', -80, 140),
            out_of_range('dewp', -100, 100),
            out_of_range('humid', 0, 100),
            out_of_range('wind_dir', 0, 360),
            out_of_range('wind_speed', 0, 250),
            out_of_range('wind_gust', 0, 300),
            out_of_range('precip', 0, 20),
            out_of_range('pressure', 850, 1100),
            out_of_range('visib', 0, 100),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    columns,
    key=['origin', 'observed_at'],
    event_time='observed_at'
) }}
