{#- Text as it arrived → a value of the declared type, or null. -#}
{%- macro parse(column, type) -%}
    {%- set text = "nullif(nullif(trim(" ~ column ~ "), ''), '\\N')" -%}
    {%- if type == 'varchar' -%}
        {{ return(text) }}
    {%- elif type == 'integer' or type == 'bigint' -%}
        {#- A producer that turns to floats (12.0) still means the integer. -#}
        {{ return("try_cast(regexp_replace(" ~ text ~ ", '\\.0+$', '') as " ~ type ~ ")") }}
    {%- elif type == 'timestamp' -%}
        {{ return(
            "try(cast(at_timezone(from_iso8601_timestamp_nanos(" ~ text ~ "), 'UTC') as timestamp(6)))"
        ) }}
    {%- else -%}
        {{ return("try_cast(" ~ text ~ " as " ~ type ~ ")") }}
    {%- endif -%}
{%- endmacro -%}


{#- A column of a source in its declared type: sources in text are parsed. -#}
{%- macro as_declared(column, type, is_text) -%}
    {%- if is_text -%}
        {{ return(parse(column, type)) }}
    {%- endif -%}
    {{ return('cast(' ~ column ~ ' as ' ~ type | replace('timestamp', 'timestamp(6)') ~ ')') }}
{%- endmacro -%}


{#- The columns of a text source in their declared types, and what did not parse. -#}
{%- macro parsed_columns(types) -%}
    {%- for column, type in types.items() %}
        {{ parse(column, type) }} as {{ column }},
    {%- endfor %}
        {{ wrong_types(types) }} as _wrong_types
{%- endmacro -%}


{#- `wrong_type:<column>` for each column that holds text and no value of its type. -#}
{%- macro wrong_types(types) -%}
    filter(array[
        {%- for column, type in types.items() if type != 'varchar' %}
            if({{ parse(column, 'varchar') }} is not null and {{ parse(column, type) }} is null,
                'wrong_type:{{ column }}'),
        {%- endfor %}
            cast(null as varchar)
        ], reason -> reason is not null)
{%- endmacro -%}


{#- The reasons for which a record is rejected, in order of the alphabet; empty when it is good.
    A payload that could not be read has its one reason: its columns are missing for that. -#}
{%- macro rejections(rules) -%}
    cast(array_sort(array_distinct(filter(
            split(coalesce(_rejection, ''), '|')
            || if(
                {{ is_unreadable() }},
                array[cast(null as varchar)],
                _wrong_types || array[
                {%- for reason, condition in rules %}
                    if({{ condition }}, '{{ reason }}'),
                {%- endfor %}
                    cast(null as varchar)
                ]
            ),
            reason -> reason <> ''
        ))) as array(varchar))
{%- endmacro -%}


{#- Rule: the column must hold a value (when the condition holds). One of a wrong type is not missing. -#}
{%- macro missing(column, when='true') -%}
    {{ return((
        'missing:' ~ column,
        when ~ ' and ' ~ column ~ " is null and not contains(_wrong_types, 'wrong_type:" ~ column ~ "')"
    )) }}
{%- endmacro -%}


{#- Rule: a value lies between two bounds, both included. -#}
{%- macro out_of_range(column, least, greatest) -%}
    {{ return((
        'out_of_range:' ~ column, column ~ ' not between ' ~ least ~ ' and ' ~ greatest
    )) }}
{%- endmacro -%}


{#- Rule: a clock time written as HHMM, from 0 to 2400. -#}
{%- macro not_a_clock_time(column) -%}
    {{ return((
        'out_of_range:' ~ column,
        column ~ ' not between 0 and 2400 or ' ~ column ~ ' % 100 > 59'
    )) }}
{%- endmacro -%}


{#- Rule: nothing happens later than an hour after it arrived. -#}
{%- macro from_the_future(column) -%}
    {{ return(('from_the_future', column ~ " > _arrived_at + interval '1' hour")) }}
{%- endmacro -%}


{#- Rules that every change of a captured database obeys. -#}
{%- macro change_rules(key) -%}
    {{ return([
        ('missing_key', key ~ ' is null'),
        ('unknown_operation', "coalesce(_op, '') not in ('I', 'U', 'D')"),
        ('missing_change_sequence', "not regexp_like(coalesce(_change_sequence, ''), '^[0-9]{35}$')"),
        from_the_future('_committed_at'),
    ]) }}
{%- endmacro -%}


{#- True for a record of which nothing could be read. -#}
{%- macro is_unreadable() -%}
    _payload_sha256 is not null
{%- endmacro -%}


{#- One record a key: the CTEs that end a base_ model. The winner among records of one key depends
    on what they say and never on when they came, so that any order of arrival ends the same. -#}
{%- macro one_record_a_key(columns, key, event_time, time_is_key=true, version='_occurred_at') -%}
    {%- set usable = [] -%}
    {%- for column in key -%}
        {%- do usable.append(column ~ ' is not null') -%}
    {%- endfor -%}
    {%- if time_is_key -%}
        {%- do usable.append(event_time ~ " <= _arrived_at + interval '1' hour") -%}
    {%- endif -%}
keyed as (

    select
        if({{ usable | join(' and ') }}, {{ joined(key) }}, _record_id) as record_key,
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        rejections,
        _record_id,
        _delivery_id,
        _payload_sha256,
        _arrived_at,
        {%- if time_is_key %}
        if({{ usable | join(' and ') }}, {{ event_time }}, _arrived_at) as _occurred_at,
        {%- else %}
        coalesce({{ event_time }}, _arrived_at) as _occurred_at,
        {%- endif %}
        {{ content_hash(columns) }} as _content_hash
    from checked

),

ranked as (

    select
        *,
        row_number() over (
            partition by record_key
            order by
                if(cardinality(rejections) = 0, 0, 1),
                {{ version }} desc,
                _content_hash desc,
                _arrived_at,
                _record_id
        ) as record_rank
    from keyed

),

final as (

    select
        record_key,
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        rejections,
        _record_id,
        _delivery_id,
        _payload_sha256,
        _arrived_at,
        _occurred_at,
        _content_hash
    from ranked
    where record_rank = 1

)

select * from final
{%- endmacro -%}


{#- Columns as one text, nulls as a character that no value holds. -#}
{%- macro joined(columns) -%}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append("coalesce(cast(" ~ column ~ " as varchar), '~')") -%}
    {%- endfor -%}
    {{ return(texts | join(" || '|' || ")) }}
{%- endmacro -%}


{#- The hash of what columns say. A null says nothing: a column that is added later leaves the hash of
    the records before it as it was. -#}
{%- macro content_hash(columns) -%}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append("coalesce('|" ~ column ~ "=' || cast(" ~ column ~ " as varchar), '')") -%}
    {%- endfor -%}
    {{ return('lower(to_hex(md5(to_utf8(' ~ texts | join(' || ') ~ '))))') }}
{%- endmacro -%}


{#- The MERGE's update condition: the record in the batch says more than the one in the table. The
    same order as in one_record_a_key; a rejected record never replaces a good one. -#}
{%- macro better_record(version='_occurred_at') -%}
    {{ return(
        "((cardinality(src.rejections) = 0 and cardinality(target.rejections) > 0)"
        ~ " or ((cardinality(src.rejections) = 0) = (cardinality(target.rejections) = 0)"
        ~ " and (src." ~ version ~ " > target." ~ version
        ~ " or (src." ~ version ~ " = target." ~ version
        ~ " and src._content_hash > target._content_hash))))"
    ) }}
{%- endmacro -%}
