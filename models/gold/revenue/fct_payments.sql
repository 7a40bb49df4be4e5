-- grain: one row a payment (payment_id)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='payment_id',
        partitioned_by=['month(paid_at)'],
        meta={'merge_bound': 'paid_at', 'test_window': 'paid_at'},
    )
}}

with

payments as (

    select * from {{ ref('stg_ticketing__payments') }}
    where {{ arrived_window() }}

),

final as (

    select
        payment_id,
        flight_id,
        passenger_id,
        flight_date,
        carrier_code,
        origin_airport_code,
        destination_airport_code,
        amount_usd,
        channel,
        card_last_four,
        paid_at,
        cast(paid_at as date) as paid_date,
        _arrived_at
    from payments

)

select * from final
