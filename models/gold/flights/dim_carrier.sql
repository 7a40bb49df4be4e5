-- grain: one row a carrier (carrier_code), those that left the registry included
{{ config(materialized='table') }}

with

changes as (

    select * from {{ ref('stg_registry__carriers') }}

),

ranked as (

    select
        *,
        max_by(operation, change_sequence) over (partition by carrier_code) as last_operation,
        row_number() over (
            partition by carrier_code
            order by if(operation = 'D', 1, 0), change_sequence desc
        ) as change_rank
    from changes

),

final as (

    select
        carrier_code,
        carrier_name,
        last_operation <> 'D' as is_in_registry
    from ranked
    where change_rank = 1

)

select * from final
