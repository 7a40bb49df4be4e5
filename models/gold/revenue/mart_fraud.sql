-- grain: one row a day of payment and channel (paid_date, channel)
{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=['paid_date', 'channel'],
        partitioned_by=['month(paid_date)'],
        meta={'merge_bound': 'paid_date', 'test_window': 'paid_date'},
    )
}}

{#- A verdict comes days after its payment, at the latest after 120 (the limit of a chargeback). -#}
{%- set judged_payments -%}
    (
        select
            payments.paid_date,
            labels._arrived_at
        from {{ ref('fct_payments') }} as payments
        inner join {{ ref('stg_ticketing__fraud_labels') }} as labels
            on payments.payment_id = labels.payment_id
        where {{ arrived_window('payments.paid_at', margin_days=120) }}
    )
{%- endset %}

with

payments as (

    select * from {{ ref('fct_payments') }}
    where {{ touched_dates('paid_date', [
        {'relation': ref('fct_payments'), 'date': 'paid_date'},
        {'relation': judged_payments, 'date': 'paid_date'},
    ]) }}

),

labels as (

    select * from {{ ref('stg_ticketing__fraud_labels') }}

),

judged as (

    select
        payments.paid_date,
        payments.channel,
        payments.amount_usd,
        payments.paid_at,
        labels.is_fraud,
        labels.labelled_at,
        greatest(
            payments._arrived_at, coalesce(labels._arrived_at, payments._arrived_at)
        ) as _arrived_at
    from payments
    left join labels on payments.payment_id = labels.payment_id

),

final as (

    select
        paid_date,
        channel,
        count(*) as payments,
        count(is_fraud) as labelled_payments,
        count_if(is_fraud) as fraudulent_payments,
        cast(sum(amount_usd) as decimal(18, 2)) as amount_usd,
        cast(coalesce(sum(if(is_fraud, amount_usd)), 0) as decimal(18, 2)) as fraudulent_amount_usd,
        cast(count_if(is_fraud) as double) / nullif(count(is_fraud), 0) as fraud_rate,
        avg(cast(date_diff('hour', paid_at, labelled_at) as double)) as mean_hours_to_label,
        max(_arrived_at) as _arrived_at
    from judged
    group by 1, 2

)

select * from final
