{#- The law of conservation, by identity: every record of Bronze is in Silver, under its key or under
    its own id. (Not at its time of arrival: a file delivered again has another.) Under the default window it looks at what arrived, and
    happened, in the window. -#}
{% test conserved(model, source_relation, key, event_time, is_text=true) %}

{%- set window = window_of_test() %}
{%- set arrived_at = parse('_arrived_at', 'timestamp') if is_text else 'cast(_arrived_at as timestamp(6))' %}
{%- set occurred_at = parse(event_time, 'timestamp') if is_text else 'cast(' ~ event_time ~ ' as timestamp(6))' %}

with bronze as (

    select
        _record_id,
        {{ key }} as record_key,
        coalesce({{ occurred_at }}, {{ arrived_at }}) as _occurred_at
    from {{ source_relation }}
    {%- if window %}
    where {{ arrival_partitions(window.first, modules.datetime.date(9998, 12, 31)) }}
    {%- endif %}

),

arrivals as (

    select distinct
        _record_id,
        record_key
    from bronze
    {%- if window %}
    where _occurred_at >= timestamp '{{ window.first }} 00:00:00'
    {%- endif %}

),

silver as (

    select
        _record_id,
        record_key
    from {{ incremental_table_of(context_node().unique_id).relation if execute else model }}
    {%- if window %}
    where _occurred_at >= timestamp '{{ window.first }} 00:00:00'
    {%- endif %}

)

select
    arrivals._record_id,
    arrivals.record_key
from arrivals
left join silver as by_id on arrivals._record_id = by_id._record_id
left join silver as by_key on arrivals.record_key = by_key.record_key
where by_id._record_id is null and by_key.record_key is null

{% endtest %}
