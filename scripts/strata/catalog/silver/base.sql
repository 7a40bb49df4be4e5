-- grain: one row a [[ noun ]] ([[ key | join(', ') ]]), or an unusable record
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='record_key',
        partitioned_by=['month(_occurred_at)'],
        update_condition=better_record(),
[%- if bound %]
        meta={'merge_bound': '[[ bound ]]'},
[%- endif %]
    )
}}

{%- set types = {
[%- for column in columns %]
    '[[ column.name ]]': '[[ column.type ]]',
[%- endfor %]
} %}

with

bronze as (

    select * from {{ source('[[ system ]]', '[[ table ]]') }}
    where {{ bronze_window() }}

),

parsed as (

    select
[%- if is_text %]
        {{ parsed_columns(types) }},
        {{ parse('_arrived_at', 'timestamp') }} as _arrived_at,
[%- else %]
[%- for column in columns %]
        [[ 'cast(' ~ column.name ~ ' as timestamp(6)) as ' ~ column.name if column.type == 'timestamp' else column.name ]],
[%- endfor %]
        split(coalesce(_rejection, ''), '|') as _wrong_types,
        cast(_arrived_at as timestamp(6)) as _arrived_at,
[%- endif %]
        _record_id,
        _delivery_id,
        _rejection,
        _payload_sha256
    from bronze

),

checked as (

    select
        *,
[%- if is_changes %]
        {{ rejections(change_rules('[[ key[0] ]]')) }} as rejections
[%- else %]
        {{ rejections([
            ('missing_key', '[[ key | join(' is null or ') ]] is null'),
[%- if event_time not in key %]
            missing('[[ event_time ]]'),
[%- endif %]
            from_the_future('[[ event_time ]]'),
        ]) }} as rejections
[%- endif %]
    from parsed

),

{{ one_record_a_key(
    types,
    key=[[ key ]],
    event_time='[[ event_time ]]'[[ '' if time_is_key else ',\n    time_is_key=false' ]]
) }}
