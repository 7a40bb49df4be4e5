-- grain: one row a version of an aircraft (tail_number, valid_from)
{{ config(materialized='table') }}

with

changes as (

    select
        *,
        {{ joined([
            'operation = \'D\'', 'manufactured_year', 'aircraft_type', 'manufacturer', 'model',
            'engine_count', 'seat_count', 'cruising_speed_mph', 'engine_type',
        ]) }} as attributes
    from {{ ref('stg_registry__aircraft') }}

),

compared as (

    select
        *,
        lag(attributes) over (
            partition by tail_number
            order by change_sequence
        ) as previous_attributes,
        row_number() over (
            partition by tail_number
            order by change_sequence
        ) as change_number
    from changes

),

dated as (

    select
        *,
        -- What a full load found was true before anybody recorded when.
        if(
            change_number = 1 and regexp_like(change_sequence, '0{19}$'),
            timestamp '1970-01-01 00:00:00',
            changed_at
        ) as effective_at
    from compared

),

-- A change that changes nothing makes no version.
versions as (

    select
        *,
        lead(effective_at) over (
            partition by tail_number
            order by change_sequence
        ) as next_effective_at
    from dated
    where previous_attributes is null or attributes <> previous_attributes

),

-- Of several changes in one instant the last one makes the version; a deletion only ends one.
final as (

    select
        tail_number || '|' || change_sequence as aircraft_version_id,
        tail_number,
        manufactured_year,
        aircraft_type,
        manufacturer,
        model,
        engine_count,
        seat_count,
        cruising_speed_mph,
        engine_type,
        cast(effective_at as timestamp(6)) as valid_from,
        cast(next_effective_at as timestamp(6)) as valid_to,
        next_effective_at is null as is_current
    from versions
    where
        operation <> 'D'
        and (next_effective_at is null or next_effective_at > effective_at)

)

select * from final
