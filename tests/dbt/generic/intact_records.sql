{#- A base table is what Bronze said: one row a key, content that still has its hash, the time of its
    event, known reasons. -#}
{% test intact_records(model, columns, occurred_at) %}

with records as (

    select * from {{ model }}

),

known_reasons as (

    select reason from {{ ref('rejection_reasons') }}

),

given_reasons as (

    select
        records.record_key,
        given.reason
    from records
    cross join unnest(records.rejections) as given (reason)

)

select
    record_key,
    'key is missing or repeated' as fault
from records
group by record_key
having record_key is null or count(*) > 1

union all

select
    record_key,
    'content is not that of its hash' as fault
from records
where _content_hash is distinct from {{ content_hash(columns) }}

union all

select
    record_key,
    'technical column is null or out of place' as fault
from records
where
    rejections is null
    or _record_id is null
    or _delivery_id is null
    or _arrived_at is null
    or _occurred_at is null
    or (cardinality(rejections) = 0 and _occurred_at <> {{ occurred_at }})
    or _occurred_at not in (_arrived_at, coalesce({{ occurred_at }}, _arrived_at))

union all

select
    given_reasons.record_key,
    'reason is not in rejection_reasons: ' || given_reasons.reason as fault
from given_reasons
left join known_reasons on split_part(given_reasons.reason, ':', 1) = known_reasons.reason
where known_reasons.reason is null

{% endtest %}
