-- grain: one row a change of an airport (faa, change sequence), or an unusable record
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='record_key',
        partitioned_by=['month(_occurred_at)'],
        update_condition=better_record(),
        meta={'merge_bound': '_change_sequence'},
    )
}}

{%- set types = {
    'faa': 'varchar',
    'name': 'varchar',
    'lat': 'double',
    'lon': 'double',
    'alt': 'integer',
    'tz': 'integer',
    'dst': 'varchar',
    'tzone': 'varchar',
    '_op': 'varchar',
    '_committed_at': 'timestamp',
    '_change_sequence': 'varchar',
} %}

with

bronze as (

    select * from {{ source('registry', 'airports') }}
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
        {{ rejections(change_rules('faa') + [
            out_of_range('lat', -90, 90),
            out_of_range('lon', -180, 180),
            out_of_range('alt', -2000, 30000),
            out_of_range('tz', -12, 14),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    types,
    key=['faa', '_change_sequence'],
    event_time='_committed_at',
    time_is_key=false
) }}
