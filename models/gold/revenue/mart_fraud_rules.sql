-- grain: one row a month of verdicts and rule (labelled_month, rule)
{{ config(materialized='view') }}

with

labels as (

    select * from {{ ref('stg_ticketing__fraud_labels') }}

),

alerts as (

    select * from {{ ref('stg_ticketing__fraud_alerts') }}

),

judged as (

    select
        date_trunc('month', cast(labels.labelled_at as date)) as labelled_month,
        labels.is_fraud,
        case when alerts.rules is not null then 'any|' || alerts.rules else '' end as rules
    from labels
    left join alerts on labels.payment_id = alerts.payment_id

),

compared as (

    select
        judged.labelled_month,
        judged.is_fraud,
        names.rule,
        contains(split(judged.rules, '|'), names.rule) as is_alerted
    from judged
    cross join
        unnest(
            array['any', 'velocity', 'amount', 'impossible_travel', 'card_testing']
        ) as names (rule)

),

final as (

    select
        labelled_month,
        cast(rule as varchar) as rule,
        count_if(is_alerted) as judged_alerts,
        count_if(is_alerted and is_fraud) as confirmed_alerts,
        count_if(is_fraud) as frauds,
        cast(count_if(is_alerted and is_fraud) as double)
        / nullif(count_if(is_alerted), 0) as precision_rate,
        cast(count_if(is_alerted and is_fraud) as double)
        / nullif(count_if(is_fraud), 0) as recall_rate
    from compared
    group by 1, 2

)

select * from final
