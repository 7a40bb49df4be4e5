-- grain: one row an event of a flight (event_id), or an unusable record
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

{%- set types = {
    'event_id': 'varchar',
    'event_type': 'varchar',
    'occurred_at': 'timestamp',
    'flight_date': 'date',
    'carrier': 'varchar',
    'flight': 'integer',
    'origin': 'varchar',
    'dest': 'varchar',
    'tailnum': 'varchar',
    'sched_dep_time': 'integer',
    'sched_arr_time': 'integer',
    'distance': 'integer',
    'dep_time': 'integer',
    'dep_delay': 'integer',
    'arr_time': 'integer',
    'arr_delay': 'integer',
    'air_time': 'integer',
} %}

with

bronze as (

    select * from {{ source('flight_ops', 'flight_events') }}
    where {{ bronze_window() }}

),

parsed as (

    select
        {{ parsed_columns(types) }},
        {{ parse('_arrived_at', 'timestamp') }} as _arrived_at,
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
            ('missing_key', 'event_id is null'),
            missing('occurred_at'),
            from_the_future('occurred_at'),
            ('unknown_event_type', "coalesce(event_type, '') not in ('scheduled', 'departed', 'arrived', 'cancelled')"),
            missing('flight_date'),
            missing('carrier'),
            missing('flight'),
            missing('origin'),
            missing('dest', "event_type = 'scheduled'"),
            missing('distance', "event_type = 'scheduled'"),
            missing('sched_dep_time', "event_type = 'scheduled'"),
            missing('sched_arr_time', "event_type = 'scheduled'"),
            missing('dep_time', "event_type = 'departed'"),
            missing('dep_delay', "event_type = 'departed'"),
            missing('arr_time', "event_type = 'arrived'"),
            not_a_clock_time('sched_dep_time'),
            not_a_clock_time('sched_arr_time'),
            not_a_clock_time('dep_time'),
            not_a_clock_time('arr_time'),
            out_of_range('distance', 1, 12000),
            out_of_range('dep_delay', -300, 3000),
            out_of_range('arr_delay', -300, 3000),
            out_of_range('air_time', 5, 1440),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    types,
    key=['event_id'],
    event_time='occurred_at'
) }}
