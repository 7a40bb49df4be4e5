-- grain: one row a planned flight (flight_date, carrier, flight, origin)
with

records as (

    select * from {{ ref('base_schedules__flight_schedules') }}

),

accepted as (

    select
        record_key,
        {{ flight_id() }} as flight_id,
        flight_date,
        carrier as carrier_code,
        flight as flight_number,
        origin as origin_airport_code,
        dest as destination_airport_code,
        sched_dep_time as scheduled_departure_hhmm,
        sched_arr_time as scheduled_arrival_hhmm,
        published_at,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
