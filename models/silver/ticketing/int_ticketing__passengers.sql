-- grain: one row a passenger who is not deleted (passenger_id)
with

latest as (

    select * from {{ ref('int_ticketing__passengers_latest') }}

),

present as (

    select
        passenger_id,
        email_hash,
        country_code,
        loyalty_tier,
        registered_date,
        changed_at,
        _arrived_at
    from latest
    where not is_deleted

)

select * from present
