{#- The law of conservation, by identity: every record of Bronze is in Silver, under its key or under
    its own id (not at its time of arrival: a file delivered again has another), and what is in Silver
    is what a record of Bronze says, column by column. Under the default window it looks at what
    arrived, and happened, in the window. -#}
{% test conserved(model, source_relation, key, event_time, is_text=true) %}

{%- set window = window_of_test() %}
{%- set columns = [] %}
{%- for column in context_node().columns.values() %}
{%- if column.name not in [
    'record_key', 'rejections', '_record_id', '_delivery_id', '_payload_sha256', '_arrived_at',
    '_occurred_at', '_content_hash',
] %}
{%- set type = column.data_type | replace('(6)', '') %}
{%- do columns.append((column.name, as_declared(column.name, type, is_text))) %}
{%- endif %}
{%- endfor %}

with bronze as (

    select
        _record_id,
        _delivery_id,
        _payload_sha256,
        {{ as_declared('_arrived_at', 'timestamp', is_text) }} as _arrived_at,
        {{ as_declared(event_time, 'timestamp', is_text) }} as _happened_at,
        {% for name, expression in columns -%}
        {{ expression }} as {{ name }},
        {% endfor -%}
        {{ key }} as record_key
    from {{ source_relation }}
    {%- if window %}
    where {{ arrival_partitions(window.first, modules.datetime.date(9998, 12, 31)) }}
    {%- endif %}

),

silver as (

    select *
    from {{ incremental_table_of(context_node().unique_id).relation if execute else model }}
    {%- if window %}
    where _occurred_at >= timestamp '{{ window.first }} 00:00:00'
    {%- endif %}

),

-- One pass over Bronze, whose text is dear to read.
compared as (

    select
        coalesce(bronze._record_id, silver._record_id) as _record_id,
        max(bronze.record_key) as record_key,
        max(coalesce(bronze._happened_at, bronze._arrived_at)) as _occurred_at,
        max(silver._arrived_at) as silver_arrived_at,
        count(silver.record_key) > 0 as is_in_silver,
        coalesce(bool_or(
            silver._arrived_at = bronze._arrived_at
            and silver._delivery_id = bronze._delivery_id
            and silver._payload_sha256 is not distinct from bronze._payload_sha256
            and silver.record_key in (bronze.record_key, bronze._record_id)
            {%- for name, _ in columns %}
            and silver.{{ name }} is not distinct from bronze.{{ name }}
            {%- endfor %}
        ), false) as is_as_it_arrived
    from bronze
    full outer join silver on bronze._record_id = silver._record_id
    group by 1

)

select
    compared._record_id,
    compared.record_key,
    if(compared.is_in_silver, 'not as it arrived', 'lost') as fault
from compared
left join silver on compared.record_key = silver.record_key
where
    (
        compared.is_in_silver
        and not compared.is_as_it_arrived
        {%- if window %}
        -- Firehose files an object under the day of its oldest record.
        and compared.silver_arrived_at >= timestamp '{{ window.first }} 00:00:00' + interval '1' day
        {%- endif %}
    )
    or (
        not compared.is_in_silver
        and silver.record_key is null
        {%- if window %}
        and compared._occurred_at >= timestamp '{{ window.first }} 00:00:00'
        {%- endif %}
    )

{% endtest %}
