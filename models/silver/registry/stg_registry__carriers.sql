-- grain: one row a change of a carrier (carrier, change sequence)
with

records as (

    select * from {{ ref('base_registry__carriers') }}

),

accepted as (

    select
        record_key,
        carrier as carrier_code,
        name as carrier_name,
        _op as operation,
        _change_sequence as change_sequence,
        _occurred_at as changed_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
