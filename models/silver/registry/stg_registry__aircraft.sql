-- grain: one row a change of an aircraft (tailnum, change sequence)
with

records as (

    select * from {{ ref('base_registry__aircraft') }}

),

accepted as (

    select
        record_key,
        tailnum as tail_number,
        manufactured_year,
        type as aircraft_type,
        manufacturer,
        model,
        engines as engine_count,
        seats as seat_count,
        speed as cruising_speed_mph,
        engine as engine_type,
        _op as operation,
        _change_sequence as change_sequence,
        _occurred_at as changed_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
