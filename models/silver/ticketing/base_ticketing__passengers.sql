-- grain: one row a change of a passenger (passenger_id, change sequence), or an unusable record
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
    'passenger_id': 'varchar',
    'full_name': 'varchar',
    'email': 'varchar',
    'phone': 'varchar',
    'country': 'varchar',
    'loyalty_tier': 'varchar',
    'created_on': 'date',
    '_op': 'varchar',
    '_committed_at': 'timestamp',
    '_change_sequence': 'varchar',
} %}

with

bronze as (

    select * from {{ source('ticketing', 'passengers') }}
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
        {{ rejections(change_rules('passenger_id') + [
            ('unknown_value:loyalty_tier', "loyalty_tier not in ('none', 'silver', 'gold')"),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    types,
    key=['passenger_id', '_change_sequence'],
    event_time='_committed_at',
    time_is_key=false
) }}
