-- grain: one row a passenger (passenger_id), deleted ones included as tombstones
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='passenger_id',
        update_condition='src._change_sequence > target._change_sequence',
    )
}}

with

changes as (

    select * from {{ ref('stg_ticketing__passengers') }}
    where {{ arrived_window() }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by passenger_id
            order by change_sequence desc
        ) as change_rank
    from changes

),

latest as (

    select
        passenger_id,
        email_hash,
        country_code,
        loyalty_tier,
        registered_date,
        changed_at,
        operation = 'D' as is_deleted,
        change_sequence as _change_sequence,
        _arrived_at
    from ranked
    where change_rank = 1

)

select * from latest
