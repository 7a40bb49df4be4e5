-- grain: one row a payment (payment_id), or an unusable record
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
    'flight_date': 'date',
    'carrier': 'varchar',
    'flight': 'integer',
    'origin': 'varchar',
    'dest': 'varchar',
    'amount': 'decimal(10,2)',
    'currency': 'varchar',
    'channel': 'varchar',
    'card_number': 'varchar',
    'email': 'varchar',
    'country': 'varchar',
    'paid_at': 'timestamp',
} %}

with

bronze as (

    select * from {{ source('ticketing', 'payments') }}
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
            missing('flight_date'),
            missing('carrier'),
            missing('flight'),
            missing('origin'),
            missing('dest'),
            missing('amount'),
            missing('currency'),
            out_of_range('amount', '0.01', '100000.00'),
            ('unknown_value:channel', "coalesce(channel, '') not in ('web', 'mobile', 'agency')"),
            ('unknown_value:currency', "currency <> 'USD'"),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    types,
    key=['payment_id'],
    event_time='paid_at'
) }}
