-- grain: one row a change of an aircraft (tailnum, change sequence), or an unusable record
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
    'tailnum': 'varchar',
    'manufactured_year': 'integer',
    'type': 'varchar',
    'manufacturer': 'varchar',
    'model': 'varchar',
    'engines': 'integer',
    'seats': 'integer',
    'speed': 'integer',
    'engine': 'varchar',
    '_op': 'varchar',
    '_committed_at': 'timestamp',
    '_change_sequence': 'varchar',
} %}

with

bronze as (

    select * from {{ source('registry', 'aircraft') }}
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
        {{ rejections(change_rules('tailnum') + [
            out_of_range('manufactured_year', 1900, 2100),
            out_of_range('engines', 0, 12),
            out_of_range('seats', 0, 1000),
            out_of_range('speed', 0, 1500),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    types,
    key=['tailnum', '_change_sequence'],
    event_time='_committed_at',
    time_is_key=false
) }}
