-- grain: one row a scheduled flight (flight_id)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='flight_id',
        partitioned_by=['month(flight_date)'],
        meta={'merge_bound': 'flight_date', 'test_window': 'flight_date'},
    )
}}

with

events as (

    select * from {{ ref('stg_flight_ops__flight_events') }}
    where {{ touched_dates('flight_date', [
        {'relation': ref('stg_flight_ops__flight_events'), 'date': 'flight_date'},
    ]) }}

),

airports as (

    select
        airport_code,
        timezone
    from {{ ref('dim_airport') }}

),

-- A correction of an event carries another id: the one that happened last is what happened.
ranked_events as (

    select
        *,
        row_number() over (
            partition by flight_id, event_type
            order by occurred_at desc, event_id desc
        ) as event_rank
    from events

),

flights as (

    select
        flight_id,
        max(flight_date) as flight_date,
        max(carrier_code) as carrier_code,
        max(flight_number) as flight_number,
        max(origin_airport_code) as origin_airport_code,
        max(if(event_type = 'scheduled', destination_airport_code)) as destination_airport_code,
        max(if(event_type = 'scheduled', tail_number)) as scheduled_tail_number,
        max(if(event_type = 'departed', tail_number)) as departed_tail_number,
        max(if(event_type = 'scheduled', scheduled_departure_hhmm)) as scheduled_departure_hhmm,
        max(if(event_type = 'scheduled', scheduled_arrival_hhmm)) as scheduled_arrival_hhmm,
        max(if(event_type = 'scheduled', distance_miles)) as distance_miles,
        max(if(event_type = 'departed', departure_hhmm)) as departure_hhmm,
        max(if(event_type = 'departed', departure_delay_minutes)) as departure_delay_minutes,
        max(if(event_type = 'arrived', arrival_hhmm)) as arrival_hhmm,
        max(if(event_type = 'arrived', arrival_delay_minutes)) as arrival_delay_minutes,
        max(if(event_type = 'arrived', air_time_minutes)) as air_time_minutes,
        bool_or(event_type = 'scheduled') as is_scheduled,
        bool_or(event_type = 'departed') as has_departed,
        bool_or(event_type = 'arrived') as has_arrived,
        bool_or(event_type = 'cancelled') as has_cancellation,
        max(_arrived_at) as _arrived_at
    from ranked_events
    where event_rank = 1
    group by flight_id
    having bool_or(event_type = 'scheduled')

),

zoned as (

    select
        flights.*,
        origins.timezone as origin_timezone,
        destinations.timezone as destination_timezone,
        {{ clock_to_utc(
            'flights.flight_date', 'flights.scheduled_departure_hhmm', 'origins.timezone'
        ) }} as scheduled_departure_at,
        {{ clock_to_utc(
            'flights.flight_date', 'flights.scheduled_arrival_hhmm', 'destinations.timezone'
        ) }} as arrival_on_flight_date_at,
        {{ clock_to_utc(
            "date_add('day', 1, flights.flight_date)",
            'flights.scheduled_arrival_hhmm',
            'destinations.timezone'
        ) }} as arrival_on_next_date_at
    from flights
    left join airports as origins on flights.origin_airport_code = origins.airport_code
    left join airports as destinations
        on flights.destination_airport_code = destinations.airport_code

),

-- Nobody lands before departing: an arrival that seems so is on the next day.
timed as (

    select
        *,
        if(
            arrival_on_flight_date_at > scheduled_departure_at,
            arrival_on_flight_date_at,
            arrival_on_next_date_at
        ) as scheduled_arrival_at,
        cast(date_add('minute', departure_delay_minutes, scheduled_departure_at) as timestamp(6))
            as departed_at
    from zoned

),

clocked as (

    select
        *,
        arrival_hhmm / 100 * 60 + arrival_hhmm % 100 as arrival_clock_minutes,
        {{ utc_to_clock('departed_at', 'destination_timezone') }} / 100 * 60
        + {{ utc_to_clock('departed_at', 'destination_timezone') }} % 100
            as departure_clock_minutes
    from timed

),

-- A diverted flight has a clock time and no delay: the next time that the clock showed it.
arrived as (

    select
        *,
        cast(coalesce(
            date_add('minute', arrival_delay_minutes, scheduled_arrival_at),
            date_add(
                'minute',
                (arrival_clock_minutes - departure_clock_minutes + 2880) % 1440,
                departed_at
            )
        ) as timestamp(6)) as arrived_at
    from clocked

),

final as (

    select
        flight_id,
        flight_date,
        carrier_code,
        flight_number,
        if(has_departed, departed_tail_number, scheduled_tail_number) as tail_number,
        origin_airport_code,
        destination_airport_code,
        origin_timezone,
        destination_timezone,
        distance_miles,
        scheduled_departure_hhmm,
        scheduled_arrival_hhmm,
        departure_hhmm,
        arrival_hhmm,
        scheduled_departure_at,
        departed_at,
        scheduled_arrival_at,
        arrived_at,
        departure_delay_minutes,
        arrival_delay_minutes,
        air_time_minutes,
        has_cancellation and not has_departed as is_cancelled,
        has_departed,
        has_arrived,
        has_arrived and arrival_delay_minutes is null as is_diverted,
        _arrived_at
    from arrived

)

select * from final
