-- grain: one row a planned flight (flight_date, carrier, flight, origin), or an unusable record
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='record_key',
        partitioned_by=['month(_occurred_at)'],
        update_condition=better_record('published_at'),
        meta={'merge_bound': '_occurred_at'},
    )
}}

{%- set columns = [
    'flight_date',
    'carrier',
    'flight',
    'origin',
    'dest',
    'sched_dep_time',
    'sched_arr_time',
    'published_at',
] %}

with

bronze as (

    select * from {{ source('schedules', 'flight_schedules') }}
    where {{ bronze_window() }}

),

parsed as (

    select
        flight_date,
        carrier,
        flight,
        origin,
        dest,
        sched_dep_time,
        sched_arr_time,
        cast(published_at as timestamp(6)) as published_at,
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
            ('missing_key', 'flight_date is null or carrier is null or flight is null or origin is null'),
            missing('dest'),
            missing('sched_dep_time'),
            missing('sched_arr_time'),
            missing('published_at'),
            not_a_clock_time('sched_dep_time'),
            not_a_clock_time('sched_arr_time'),
            from_the_future('published_at'),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    columns,
    key=['flight_date', 'carrier', 'flight', 'origin'],
    event_time='cast(flight_date as timestamp(6))',
    time_is_key=false,
    version='published_at'
) }}
