-- grain: one row a judged payment (payment_id), with the newest verdict
with

records as (

    select * from {{ ref('base_ticketing__fraud_labels') }}

),

accepted as (

    select
        record_key,
        payment_id,
        is_fraud,
        labelled_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
