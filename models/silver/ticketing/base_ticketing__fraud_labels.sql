-- grain: one row a judged payment (payment_id), with the newest verdict, or an unusable record
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='record_key',
        partitioned_by=['month(_occurred_at)'],
        update_condition=better_record(),
    )
}}

{%- set columns = [
    'payment_id',
    'is_fraud',
    'labelled_at',
] %}

with

bronze as (

    select * from {{ source('ticketing', 'fraud_labels') }}
    where {{ bronze_window() }}

),

parsed as (

    select
        payment_id,
        is_fraud,
        cast(labelled_at as timestamp(6)) as labelled_at,
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
            ('missing_key', 'payment_id is null'),
            missing('is_fraud'),
            missing('labelled_at'),
            from_the_future('labelled_at'),
        ]) }} as rejections
    from parsed

),

{{ one_record_a_key(
    columns,
    key=['payment_id'],
    event_time='labelled_at',
    time_is_key=false
) }}
