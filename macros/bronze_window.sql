{#- The arrival partitions that a base_ model reads: literals, so that Athena prunes by them. -#}
{%- macro bronze_window() -%}
    {%- if not execute -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set override = window_override() -%}
    {%- if override -%}
        {{ return(arrival_partitions(override.first, override.last)) }}
    {%- endif -%}
    {%- if this is none or not is_incremental() -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set last_arrival = newest_value(this, '_arrived_at') -%}
    {%- if last_arrival.value is none -%}
        {{ return('true') }}
    {%- endif -%}
    {#- Firehose files an object under its oldest record: one day back. Clocks differ: one ahead. -#}
    {%- set day = modules.datetime.timedelta(days=1) -%}
    {%- set first = last_arrival.value.date() - day -%}
    {%- set last = [last_arrival.value.date(), last_arrival.today] | max + day -%}
    {{ return(arrival_partitions(first, last)) }}
{%- endmacro -%}


{#- `_arrived_at >= <literal>`: what an incremental model has not yet seen of a Silver relation. -#}
{%- macro arrived_window(column='_arrived_at', margin_days=1) -%}
    {%- if not execute -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set override = window_override() -%}
    {%- if override -%}
        {%- set first = override.first - modules.datetime.timedelta(days=margin_days - 1) -%}
        {{ return(column ~ " >= timestamp '" ~ first ~ " 00:00:00'") }}
    {%- endif -%}
    {%- if this is none or not is_incremental() -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set last_arrival = newest_value(this, '_arrived_at') -%}
    {%- if last_arrival.value is none -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set since = last_arrival.value - modules.datetime.timedelta(days=margin_days) -%}
    {{ return(column ~ " >= " ~ timestamp_literal(since)) }}
{%- endmacro -%}


{#- The dates that new records touch, as a predicate of literals on a date column. -#}
{%- macro touched_dates(column, relations, whole_months=false) -%}
    {%- if not execute or this is none or not is_incremental() -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set window = arrived_window() -%}
    {%- if window == 'true' -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set queries = [] -%}
    {%- for touched in relations -%}
        {%- do queries.append(
            'select distinct cast(' ~ touched.date ~ ' as date) as touched_date from '
            ~ touched.relation ~ ' where ' ~ window
        ) -%}
    {%- endfor -%}
    {%- set rows = run_query(queries | join(' union ') ~ ' order by 1').rows -%}
    {%- set days = [] -%}
    {%- for row in rows if row[0] is not none -%}
        {%- do days.extend(days_of_month(row[0]) if whole_months else [row[0]]) -%}
    {%- endfor -%}
    {{ return(date_ranges(column, days | unique | sort, gap_days=31 if whole_months else 4)) }}
{%- endmacro -%}


{#- The same for a monthly mart: the whole months that new records touch. -#}
{%- macro touched_months(column, relations) -%}
    {{ return(touched_dates(column, relations, whole_months=true)) }}
{%- endmacro -%}


{#- The first and the last day of a date's month. -#}
{%- macro days_of_month(day) -%}
    {%- set first = day.replace(day=1) -%}
    {%- set next_month = (first + modules.datetime.timedelta(days=31)).replace(day=1) -%}
    {{ return([first, next_month - modules.datetime.timedelta(days=1)]) }}
{%- endmacro -%}


{#- Days as OR-ed literals on year, month and day; whole years are folded into one range. -#}
{%- macro arrival_partitions(first, last) -%}
    {%- set date = modules.datetime.date -%}
    {%- set parts = [] -%}
    {%- set whole_years = [] -%}
    {%- for year in range(first.year, last.year + 1) -%}
        {%- if first <= date(year, 1, 1) and last >= date(year, 12, 31) -%}
            {%- do whole_years.append(year) -%}
        {%- else -%}
            {%- set first_month = first.month if year == first.year else 1 -%}
            {%- set last_month = last.month if year == last.year else 12 -%}
            {%- for month in range(first_month, last_month + 1) -%}
                {%- set is_first = year == first.year and month == first.month -%}
                {%- set is_last = year == last.year and month == last.month -%}
                {%- do parts.append(
                    'year = ' ~ year ~ ' and month = ' ~ month ~ ' and day between '
                    ~ (first.day if is_first else 1) ~ ' and ' ~ (last.day if is_last else 31)
                ) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if whole_years -%}
        {%- do parts.append('year between ' ~ whole_years[0] ~ ' and ' ~ whole_years[-1]) -%}
    {%- endif -%}
    {{ return('(' ~ parts | join(' or ') ~ ')') }}
{%- endmacro -%}


{#- Sorted dates as OR-ed ranges of literals; dates at most gap_days apart share one. -#}
{%- macro date_ranges(column, dates, gap_days=4) -%}
    {%- if not dates -%}
        {{ return('false') }}
    {%- endif -%}
    {%- set ranges = [] -%}
    {%- for day in dates -%}
        {%- if ranges and (day - ranges[-1].last).days <= gap_days -%}
            {%- do ranges[-1].update({'last': day}) -%}
        {%- else -%}
            {%- do ranges.append({'first': day, 'last': day}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set parts = [] -%}
    {%- for days in ranges -%}
        {%- do parts.append(
            column ~ " between date '" ~ days.first ~ "' and date '" ~ days.last ~ "'"
        ) -%}
    {%- endfor -%}
    {{ return('(' ~ parts | join(' or ') ~ ')') }}
{%- endmacro -%}


{#- The greatest value of an Iceberg table's column, from its metadata (reads no data), and the
    engine's date. -#}
{%- macro newest_value(relation, column) -%}
    {%- set partitions = api.Relation.create(
        database=relation.database,
        schema=relation.schema,
        identifier=relation.identifier ~ '$partitions'
    ) -%}
    {%- set row = run_query(
        'select max(data.' ~ column ~ '.max) as newest, current_date as today from ' ~ partitions
    ).rows[0] -%}
    {{ return({'value': row[0], 'today': row[1]}) }}
{%- endmacro -%}


{#- The vars bronze_from and bronze_until as dates, or none. -#}
{%- macro window_override() -%}
    {%- set bronze_from = var('bronze_from') -%}
    {%- set bronze_until = var('bronze_until') -%}
    {%- if bronze_from is none and bronze_until is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- if bronze_from is none -%}
        {{ exceptions.raise_compiler_error(
            "bronze_until is set without bronze_from. Give both: "
            ~ "--vars '{bronze_from: 2013-01-01, bronze_until: 2013-01-31}'.") }}
    {%- endif -%}
    {%- set first = to_date(bronze_from, 'bronze_from') -%}
    {%- set last = modules.datetime.date.today() if bronze_until is none
        else to_date(bronze_until, 'bronze_until') -%}
    {%- if last < first -%}
        {{ exceptions.raise_compiler_error(
            'bronze_until (' ~ last ~ ') is before bronze_from (' ~ first ~ ').') }}
    {%- endif -%}
    {{ return({'first': first, 'last': last}) }}
{%- endmacro -%}


{#- A var's text as a date, or an error that names the var. -#}
{%- macro to_date(value, name) -%}
    {%- set text = value | string -%}
    {%- if not modules.re.match('^[0-9]{4}-[0-9]{2}-[0-9]{2}$', text) -%}
        {{ exceptions.raise_compiler_error(
            name ~ " is '" ~ text ~ "'. Write it as a date: 2013-01-31.") }}
    {%- endif -%}
    {{ return(modules.datetime.date.fromisoformat(text)) }}
{%- endmacro -%}


{#- A Python datetime as a timestamp(6) literal. -#}
{%- macro timestamp_literal(value) -%}
    {{ return("timestamp '" ~ value.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "'") }}
{%- endmacro -%}
