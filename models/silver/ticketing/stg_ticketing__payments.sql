-- grain: one row a payment (payment_id)
with

records as (

    select * from {{ ref('base_ticketing__payments') }}

),

accepted as (

    select
        record_key,
        payment_id,
        {{ flight_id() }} as flight_id,
        passenger_id,
        flight_date,
        carrier as carrier_code,
        origin as origin_airport_code,
        dest as destination_airport_code,
        amount as amount_usd,
        channel,
        substr(card_number, -4) as card_last_four,
        email as email_hash,
        paid_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
