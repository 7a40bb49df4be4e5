-- grain: one row a passenger who is not deleted (passenger_id)
{{ config(materialized='table') }}

with

passengers as (

    select * from {{ ref('int_ticketing__passengers') }}

),

final as (

    select
        passenger_id,
        country_code,
        loyalty_tier,
        registered_date,
        changed_at
    from passengers

)

select * from final
