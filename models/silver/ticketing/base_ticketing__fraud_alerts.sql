-- grain: one row an alert of a payment (payment_id), or an unusable record
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
    'payment_id': 'varchar',
    'passenger_id': 'varchar',
    'rules': 'varchar',
    'amount': 'decimal(10,2)',
    'paid_at': 'timestamp',
    'detected_at': 'timestamp',
} %}

with

bronze as (

    select * from {{ source('ticketing', 'fraud_alerts') }}
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
            ('missing_key', 'payment_id is null'),
            missing('paid_at'),
            from_the_future('paid_at'),
            missing('passenger_id'),
            missing('amount'),
            missing('detected_at'),
            ('unknown_value:rules', "not regexp_like(coalesce(rules, ''), '^[a-z_]+([|][a-z_]+)*$')"),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    types,
    key=['payment_id'],
    event_time='paid_at'
) }}
