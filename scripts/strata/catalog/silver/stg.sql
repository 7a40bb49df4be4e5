-- grain: one row a [[ noun ]] ([[ key | join(', ') ]])
with

records as (

    select * from {{ ref('base_[[ name ]]') }}

),

accepted as (

    select
        record_key,
[%- for column in columns %]
        [[ column.name ]],
[%- endfor %]
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
