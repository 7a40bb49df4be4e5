-- grain: one row a rejected record of base_ticketing__fraud_alerts
with

records as (

    select * from {{ ref('base_ticketing__fraud_alerts') }}

),

rejected as (

    select
        record_key,
        rejections,
        _record_id,
        _delivery_id,
        _payload_sha256,
        _arrived_at,
        _occurred_at
    from records
    where cardinality(rejections) > 0

)

select * from rejected
