-- grain: one row an event of a flight (event_id)
with

records as (

    select * from {{ ref('base_flight_ops__flight_events') }}

),

accepted as (

    select
        record_key,
        event_id,
        {{ flight_id() }} as flight_id,
        event_type,
        occurred_at,
        flight_date,
        carrier as carrier_code,
        flight as flight_number,
        origin as origin_airport_code,
        dest as destination_airport_code,
        tailnum as tail_number,
        sched_dep_time as scheduled_departure_hhmm,
        sched_arr_time as scheduled_arrival_hhmm,
        distance as distance_miles,
        dep_time as departure_hhmm,
        dep_delay as departure_delay_minutes,
        arr_time as arrival_hhmm,
        arr_delay as arrival_delay_minutes,
        air_time as air_time_minutes,
        _arrived_at
    from records
    where cardinality(rejections) = 0

)

select * from accepted
