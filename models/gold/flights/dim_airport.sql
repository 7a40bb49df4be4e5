-- grain: one row an airport (airport_code), those that left the registry included
{{ config(materialized='table') }}

with

changes as (

    select * from {{ ref('stg_registry__airports') }}

),

overrides as (

    select * from {{ ref('airport_overrides') }}

),

ranked as (

    select
        *,
        max_by(operation, change_sequence) over (partition by airport_code) as last_operation,
        row_number() over (
            partition by airport_code
            order by if(operation = 'D', 1, 0), change_sequence desc
        ) as change_rank
    from changes

),

-- Facts refer to airports that the registry has deleted: they keep what was last known.
registered as (

    select
        airport_code,
        airport_name,
        latitude,
        longitude,
        altitude_feet,
        utc_offset_hours,
        timezone,
        last_operation <> 'D' as is_in_registry
    from ranked
    where change_rank = 1

),

final as (

    select
        coalesce(registered.airport_code, overrides.airport_code) as airport_code,
        coalesce(overrides.airport_name, registered.airport_name) as airport_name,
        coalesce(overrides.latitude, registered.latitude) as latitude,
        coalesce(overrides.longitude, registered.longitude) as longitude,
        registered.altitude_feet,
        coalesce(overrides.utc_offset_hours, registered.utc_offset_hours) as utc_offset_hours,
        coalesce(overrides.timezone, registered.timezone) as timezone,
        coalesce(registered.is_in_registry, false) as is_in_registry,
        overrides.airport_code is not null as is_overridden
    from registered
    full outer join overrides on registered.airport_code = overrides.airport_code

)

select * from final
