{#- The identity of a flight: date, carrier, number and origin (without the origin some repeat). -#}
{%- macro flight_id(flight_date='flight_date', carrier='carrier', flight='flight', origin='origin') -%}
    {{ return(
        'cast(' ~ flight_date ~ " as varchar) || '-' || " ~ carrier ~ " || '-' || cast("
        ~ flight ~ " as varchar) || '-' || " ~ origin
    ) }}
{%- endmacro -%}


{#- A local clock time (HHMM, 2400 is the midnight that ends the day) on a date → UTC timestamp(6). -#}
{%- macro clock_to_utc(date, hhmm, timezone) -%}
    {{ return(
        'cast(at_timezone(with_timezone('
        ~ "date_add('minute', " ~ hhmm ~ ' / 100 * 60 + ' ~ hhmm ~ ' % 100, cast(' ~ date
        ~ ' as timestamp(6))), ' ~ timezone ~ "), 'UTC') as timestamp(6))"
    ) }}
{%- endmacro -%}


{#- A UTC timestamp → the wall clock of a zone as HHMM; midnight is 0. -#}
{%- macro utc_to_clock(timestamp, timezone) -%}
    {%- set local = "at_timezone(with_timezone(" ~ timestamp ~ ", 'UTC'), " ~ timezone ~ ')' -%}
    {{ return('(hour(' ~ local ~ ') * 100 + minute(' ~ local ~ '))') }}
{%- endmacro -%}
