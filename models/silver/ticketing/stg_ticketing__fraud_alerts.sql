-- grain: one row an alert of a payment (payment_id)
with

records as (

    select * from {{ ref('base_ticketing__fraud_alerts') }}

),

accepted as (

    select
        record_key,
        payment_id,
        passenger_id,
        rules,
        amount as amount_usd,
        paid_at,
        detected_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
