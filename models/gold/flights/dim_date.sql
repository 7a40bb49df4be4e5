-- grain: one row a day (date_day) of the years 2010 to 2029
{{ config(materialized='table') }}

with

days as (

    select cast(calendar.calendar_day as date) as date_day
    from unnest(
        sequence(date '2010-01-01', date '2029-12-31', interval '1' day)
    ) as calendar (calendar_day)

),

final as (

    select
        date_day,
        cast(date_trunc('month', date_day) as date) as month_start_date,
        cast(year(date_day) as integer) as year_number,
        cast(quarter(date_day) as integer) as quarter_number,
        cast(month(date_day) as integer) as month_number,
        cast(day(date_day) as integer) as day_of_month,
        cast(day_of_week(date_day) as integer) as iso_day_of_week,
        day_of_week(date_day) in (6, 7) as is_weekend
    from days

)

select * from final
