-- grain: one row a change of a passenger (passenger_id, change sequence)
with

records as (

    select * from {{ ref('base_ticketing__passengers') }}

),

accepted as (

    select
        record_key,
        passenger_id,
        email as email_hash,
        country as country_code,
        loyalty_tier,
        created_on as registered_date,
        _op as operation,
        _change_sequence as change_sequence,
        _occurred_at as changed_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
