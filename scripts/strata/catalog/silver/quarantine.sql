-- grain: one row a rejected record of base_[[ name ]]
with

records as (

    select * from {{ ref('base_[[ name ]]') }}

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
