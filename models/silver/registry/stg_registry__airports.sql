-- grain: one row a change of an airport (faa, change sequence)
with

records as (

    select * from {{ ref('base_registry__airports') }}

),

accepted as (

    select
        record_key,
        faa as airport_code,
        name as airport_name,
        lat as latitude,
        lon as longitude,
        alt as altitude_feet,
        tz as utc_offset_hours,
        dst as daylight_saving,
        nullif(tzone, 'NA') as timezone,
        _op as operation,
        _change_sequence as change_sequence,
        _occurred_at as changed_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
