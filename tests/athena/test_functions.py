"""Expressions mean what they mean in Trino: results as Athena prints them, errors by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from local_aws.athena.failure import QueryFailed

Evaluate = Callable[[str], Any]

CASES = [
    # whole numbers and decimals: https://trino.io/docs/current/functions/decimal.html
    ("7 / 2", "3"), ("-7 / 2", "-3"), ("7 % 3", "1"), ("-7 % 3", "-1"), ("1 / 3.0", "0.3"),
    ("decimal '1.00' / 3", "0.33"), ("decimal '2.00' / 3", "0.67"), ("decimal '-2.00' / 3", "-0.67"),
    ("1e0 / 3", "0.3333333333333333"), ("1e0 / 0", "Infinity"), ("decimal '1.5' * 2", "3.0"),
    ("decimal '1.25' + 1", "2.25"), ("2147483647 + cast(1 as bigint)", "2147483648"),
    ("round(2.5)", "3"), ("round(-2.5)", "-3"), ("round(1.005, 2)", "1.010"), ("round(2.5e0)", "3.0"),
    ("floor(-1.5)", "-2"), ("ceil(1.2e0)", "2.0"), ("truncate(-1.7e0)", "-1.0"), ("abs(-3)", "3"),
    ("mod(10, 4)", "2"), ("power(2, 10)", "1024.0"), ("sign(-2)", "-1"), ("sqrt(16)", "4.0"),
    ("greatest(1, 2, 3)", "3"), ("least(1, null)", None), ("greatest(1, 2.5)", "2.5"),
    ("1e10", "1.0E10"), ("1.5e-5", "1.5E-5"), ("123456.789e0", "123456.789"), ("-0e0", "-0.0"),
    # casts
    ("cast('12' as integer)", "12"), ("try_cast(' 12 ' as integer)", None),
    ("try_cast('1.5' as integer)", None), ("try_cast('1_000' as integer)", None),
    ("cast(2.5e0 as integer)", "3"), ("cast(-2.5e0 as integer)", "-2"), ("cast(2.5 as integer)", "3"),
    ("cast('  1.5 ' as double)", "1.5"), ("try_cast('abc' as double)", None),
    ("cast('1.235' as decimal(5,2))", "1.24"), ("cast(true as varchar)", "true"),
    ("cast(1.5e0 as varchar)", "1.5E0"), ("cast(123456789e0 as varchar)", "1.23456789E8"),
    ("cast(decimal '1.50' as varchar)", "1.50"), ("cast('abcdef' as varchar(3))", "abc"),
    ("try_cast('yes' as boolean)", None), ("cast('T' as boolean)", "true"), ("cast(0 as boolean)", "false"),
    ("cast('2013-1-5' as date)", "2013-01-05"), ("try_cast('2013-02-30' as date)", None),
    ("try_cast('2013-01-01 10:00:00' as date)", None),
    ("cast('2013-01-01' as timestamp)", "2013-01-01 00:00:00.000"),
    ("cast('2013-01-01 10:17:00.1236' as timestamp)", "2013-01-01 10:17:00.124"),
    ("cast('2013-01-01 10:17:00.123456' as timestamp(6))", "2013-01-01 10:17:00.123456"),
    ("try_cast('2013-01-01T10:17:00' as timestamp)", None),
    ("cast(timestamp '2013-01-01 10:17:00' as date)", "2013-01-01"),
    ("cast(timestamp '2013-01-01 10:17:00' as varchar)", "2013-01-01 10:17:00"),
    ("cast(array[1, 2] as array(varchar))", "[1, 2]"),
    ("cast(row(1, 'a') as row(x bigint, y varchar)).y", "a"),
    ("cast(99999999999 as varchar)", "99999999999"), ("typeof(1)", "integer"),
    ("typeof(1.50)", "decimal(3,2)"), ("typeof(now())", "timestamp(3) with time zone"),
    ("typeof(array[1])", "array(integer)"), ("typeof('a' || 'b')", "varchar"),
    # strings: https://trino.io/docs/current/functions/string.html
    ("'a' || 'b'", "ab"), ("'a' || null", None), ("concat('a', 'b', 'c')", "abc"),
    ("length('häh')", "3"), ("substr('abcde', 2)", "bcde"), ("substr('abcde', 2, 2)", "bc"),
    ("substr('abcde', -2)", "de"), ("substr('abcde', 0)", ""), ("substr('abcde', -9)", ""),
    ("substring('abcde' from 2 for 3)", "bcd"), ("trim('  a ')", "a"), ("trim(both 'x' from 'xax')", "a"),
    ("lower('ÄB')", "äb"), ("replace('aXbX', 'X')", "ab"), ("split('a|b||', '|')", "[a, b, , ]"),
    ("split_part('a-b', '-', 2)", "b"), ("split_part('a-b', '-', 3)", None),
    ("strpos('abc', 'c')", "3"), ("position('b' in 'abc')", "2"), ("lpad('7', 3, '0')", "007"),
    ("lpad('12345', 3, '0')", "123"), ("rpad('a', 3, 'xy')", "axy"), ("reverse('abc')", "cba"),
    ("regexp_like('abc', '^a')", "true"), ("regexp_extract('a1b2', '[0-9]+')", "1"),
    ("regexp_extract('abc', '[0-9]+')", None), ("regexp_extract('a1b2', '([a-z])([0-9])', 2)", "1"),
    ("regexp_replace('a1b2', '[0-9]')", "ab"), ("regexp_replace('ab', '(a)(b)', '$2$1')", "ba"),
    ("starts_with('abc', 'ab')", "true"), ("'abc' like 'a_c'", "true"), ("'a%c' like 'a#%c' escape '#'", "true"),
    ("to_hex(to_utf8('a'))", "61"), ("lower(to_hex(md5(to_utf8('a'))))", "0cc175b9c0f1b6a831c399e269772661"),
    ("lower(to_hex(sha256(to_utf8('a'))))", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("to_hex(sha1(to_utf8('a')))", "86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8"),
    ("to_hex(xxhash64(to_utf8('')))", "EF46DB3751D8E999"), ("to_hex(xxhash64(to_utf8('a')))", "D24EC4F1A98C6E5B"),
    ("from_utf8(from_hex('61'))", "a"), ("chr(97)", "a"), ("codepoint('a')", "97"),
    ("to_base64(to_utf8('a'))", "YQ=="), ("X'61'", "61"),
    # conditions
    ("coalesce(null, 1, 2)", "1"), ("nullif(1, 1)", None), ("if(1 > 2, 'a')", None),
    ("case when null then 1 else 2 end", "2"), ("case 2 when 1 then 'a' when 2 then 'b' end", "b"),
    ("try(1 / 0)", None), ("try(cast('x' as integer))", None), ("1 in (1, null)", "true"),
    ("2 in (1, null)", None), ("null is distinct from 1", "true"), ("1 between 1 and 2", "true"),
    ("not true or true", "true"), ("(1, 2) in (select 1, 2)", "true"),
    ("exists (select 1 where false)", "false"), ("(select max(x) from (values 1, 3) as t(x))", "3"),
    # dates and times: https://trino.io/docs/current/functions/datetime.html
    ("date_diff('day', date '2013-01-01', date '2013-01-31')", "30"),
    ("date_diff('hour', timestamp '2013-01-01 10:59:00', timestamp '2013-01-01 11:01:00')", "0"),
    ("date_diff('month', date '2013-01-31', date '2013-02-28')", "1"),
    ("date_diff('month', date '2013-01-15', date '2013-03-14')", "1"),
    ("date_diff('minute', timestamp '2013-01-01 00:02:30', timestamp '2013-01-01 00:00:00')", "-2"),
    ("date_add('month', 1, date '2013-01-31')", "2013-02-28"), ("date_add('day', -1, date '2013-01-01')", "2012-12-31"),
    ("date_add('minute', 90, timestamp '2013-01-01 00:00:00')", "2013-01-01 01:30:00.000"),
    ("date_trunc('month', date '2013-05-17')", "2013-05-01"), ("date_trunc('week', date '2013-01-03')", "2012-12-31"),
    ("date_trunc('hour', timestamp '2013-01-01 10:17:00')", "2013-01-01 10:00:00.000"),
    ("date '2013-01-01' + interval '1' day", "2013-01-02"), ("date '2013-01-31' + interval '1' month", "2013-02-28"),
    ("timestamp '2013-01-01 00:00:00' - interval '1' hour", "2012-12-31 23:00:00.000"),
    ("year(date '2013-05-17')", "2013"), ("extract(dow from date '2013-01-06')", "7"),
    ("day_of_week(date '2013-01-06')", "7"), ("week(date '2013-01-01')", "1"), ("quarter(date '2013-05-17')", "2"),
    ("day_of_year(date '2013-02-01')", "32"), ("last_day_of_month(date '2013-02-01')", "2013-02-28"),
    ("hour(timestamp '2013-01-01 10:17:00')", "10"), ("minute(timestamp '2013-01-01 10:17:00')", "17"),
    ("date_parse('2013-01-01 10:17:05', '%Y-%m-%d %H:%i:%s')", "2013-01-01 10:17:05.000"),
    ("try(date_parse('nope', '%Y-%m-%d'))", None),
    ("date_format(timestamp '2013-01-01 10:17:05', '%Y/%m/%d %H:%i:%s')", "2013/01/01 10:17:05"),
    ("format_datetime(timestamp '2013-01-01 10:17:05', 'yyyy-MM-dd''T''HH:mm')", "2013-01-01T10:17"),
    ("from_iso8601_timestamp('2013-01-01T10:17:00Z')", "2013-01-01 10:17:00.000 UTC"),
    ("at_timezone(from_iso8601_timestamp('2013-01-01T10:17:00+02:00'), 'UTC')", "2013-01-01 08:17:00.000 UTC"),
    ("cast(at_timezone(from_iso8601_timestamp_nanos('2013-01-01T10:17:00.123456Z'), 'UTC') as timestamp(6))",
     "2013-01-01 10:17:00.123456"),
    ("cast(from_iso8601_timestamp('2013-01-01T10:17:00+02:00') as timestamp)", "2013-01-01 10:17:00.000"),
    ("try(from_iso8601_timestamp('2013-01-01 10:17'))", None),
    ("cast(at_timezone(timestamp '2013-07-01 12:00:00 UTC', 'America/New_York') as timestamp)", "2013-07-01 08:00:00.000"),
    ("hour(at_timezone(timestamp '2013-01-01 12:00:00 UTC', 'America/New_York'))", "7"),
    ("cast(at_timezone(with_timezone(timestamp '2013-07-01 08:00:00', 'America/New_York'), 'UTC') as timestamp)",
     "2013-07-01 12:00:00.000"),
    ("timestamp '2013-07-01 12:00:00 UTC' at time zone 'UTC'", "2013-07-01 12:00:00.000 UTC"),
    ("from_unixtime(1.5)", "1970-01-01 00:00:01.500 UTC"), ("to_unixtime(timestamp '1970-01-01 00:00:01')", "1.0"),
    ("to_iso8601(date '2013-01-01')", "2013-01-01"), ("current_date", "2013-01-15"),
    ("cast(now() as timestamp)", "2013-01-15 12:30:45.123"), ("from_iso8601_date('2013-01-01')", "2013-01-01"),
    ("to_milliseconds(date '2013-01-03' - date '2013-01-01') / 86400000", "2"),
    ("date '2013-01-01' < timestamp '2013-01-01 00:00:01'", "true"),
    # arrays, maps, rows: https://trino.io/docs/current/functions/array.html
    ("array[1, 2] || array[3]", "[1, 2, 3]"), ("array[1, 2] || 3", "[1, 2, 3]"), ("array['a'] || cast(null as array(varchar))", None),
    ("cardinality(array[1, null])", "2"), ("contains(array[1, 2], 2)", "true"), ("contains(array[1, null], 2)", None),
    ("element_at(array[1, 2], -1)", "2"), ("element_at(array[1], 5)", None), ("array[1, 2][2]", "2"),
    ("array_join(array['a', null, 'b'], ',')", "a,b"), ("array_join(array[1, null], ',', '?')", "1,?"),
    ("array_distinct(array['b', 'a', 'b'])", "[b, a]"), ("array_distinct(array[1, null, null])", "[1, null]"),
    ("array_sort(array[3, null, 1])", "[1, 3, null]"), ("array_max(array[1, 3])", "3"), ("array_max(array[1, null])", None),
    ("array_position(array['a', 'b'], 'b')", "2"), ("array_remove(array[1, 2, 1], 1)", "[2]"),
    ("slice(array[1, 2, 3, 4], 2, 2)", "[2, 3]"), ("slice(array[1, 2, 3, 4], -2, 2)", "[3, 4]"),
    ("sequence(1, 3)", "[1, 2, 3]"), ("sequence(date '2013-01-30', date '2013-02-01')", "[2013-01-30, 2013-01-31, 2013-02-01]"),
    ("flatten(array[array[1], array[2, 3]])", "[1, 2, 3]"), ("repeat('a', 2)", "[a, a]"),
    ("filter(array['a', null, ''], x -> x <> '')", "[a]"), ("transform(array[1, 2], x -> x * 2)", "[2, 4]"),
    ("reduce(array[1, 2, 3], 0, (s, x) -> s + x, s -> s)", "6"), ("any_match(array[1, 2], x -> x > 1)", "true"),
    ("all_match(array[1, 2], x -> x > 1)", "false"), ("none_match(cast(array[] as array(integer)), x -> x > 1)", "true"),
    ("transform(array[array[1], array[2]], x -> transform(x, y -> y + 1))", "[[2], [3]]"),
    ("map(array['a'], array[1])['a']", "1"), ("element_at(map(array['a'], array[1]), 'b')", None),
    ("map_keys(map(array['a', 'b'], array[1, 2]))", "[a, b]"), ("map(array['a'], array[1])", "{a=1}"),
    ("map_filter(map(array['a', 'b'], array[1, 2]), (k, v) -> v > 1)", "{b=2}"),
    ("transform_values(map(array['a'], array[1]), (k, v) -> v + 1)", "{a=2}"), ("row(1, 'a')[2]", "a"),
    # JSON: https://trino.io/docs/current/functions/json.html
    ("""json_extract_scalar('{"a": {"b": 1}}', '$.a.b')""", "1"), ("""json_extract_scalar('{"a": {"b": 1}}', '$.a')""", None),
    ("""json_extract_scalar('broken', '$.a')""", None), ("""json_array_length('[1, 2]')""", "2"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), CASES)
def test_value(evaluate: Evaluate, sql: str, expected: str | None) -> None:
    assert evaluate(f"select {sql}") == [[expected]]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("1 / 0", "DIVISION_BY_ZERO"), ("1 % 0", "DIVISION_BY_ZERO"), ("1.0 / 0", "DIVISION_BY_ZERO"),
        ("cast('x' as integer)", "INVALID_CAST_ARGUMENT"), ("cast(' 12 ' as integer)", "INVALID_CAST_ARGUMENT"),
        ("cast('1.5' as integer)", "INVALID_CAST_ARGUMENT"), ("cast('2013-02-30' as date)", "INVALID_CAST_ARGUMENT"),
        ("'1' = 1", "TYPE_MISMATCH"), ("'a' + 1", "TYPE_MISMATCH"), ("date '2013-01-01' = '2013-01-01'", "TYPE_MISMATCH"),
        ("if(1, 2, 3)", "TYPE_MISMATCH"), ("coalesce(1, 'a')", "TYPE_MISMATCH"), ("case when 1 then 2 end", "TYPE_MISMATCH"),
        ("array[1][2]", "INVALID_FUNCTION_ARGUMENT"), ("lpad(1, 2, '0')", "FUNCTION_NOT_FOUND"),
        ("upper(1)", "FUNCTION_NOT_FOUND"), ("nosuch(1)", "FUNCTION_NOT_FOUND"), ("read_text('/etc/passwd')", "FUNCTION_NOT_FOUND"),
        ("getenv('HOME')", "FUNCTION_NOT_FOUND"), ("error('x')", "FUNCTION_NOT_FOUND"), ("md5('a')", "FUNCTION_NOT_FOUND"),
        ("date_diff('hour', date '2013-01-01', date '2013-01-02')", "INVALID_FUNCTION_ARGUMENT"),
        ("from_iso8601_timestamp('nope')", "INVALID_FUNCTION_ARGUMENT"), ("nope", "COLUMN_NOT_FOUND"),
        ("map(array['a'], array[1])['b']", "INVALID_FUNCTION_ARGUMENT"),
        ("json_parse('broken')", "INVALID_FUNCTION_ARGUMENT"), ("2147483647 + 1", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("row_number()", "EXPRESSION_NOT_WINDOW"), ("cast(date '2013-01-01' as integer)", "TYPE_MISMATCH"),
    ],
)  # fmt: skip
def test_failure(evaluate: Evaluate, sql: str, code: str) -> None:
    with pytest.raises(QueryFailed) as raised:
        evaluate(f"select {sql}")
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select sum(x), avg(x), count(*), count(x) from (values 1, 2, null) as t(x)", [["3", "1.5", "3", "2"]]),
        ("select avg(x) from (values decimal '1.00', decimal '2.01') as t(x)", [["1.51"]]),
        ("select count_if(x), bool_or(x) from (values cast(null as boolean)) as t(x)", [["0", None]]),
        ("select sum(x) filter (where x > 1), count(distinct x) from (values 1, 2, 2) as t(x)", [["4", "2"]]),
        ("select array_agg(x order by x desc) from (values 1, 3, 2) as t(x)", [["[3, 2, 1]"]]),
        ("select max_by(a, b), min_by(a, b) from (values ('x', 1), ('y', 2)) as t(a, b)", [["y", "x"]]),
        ("select listagg(a, ',') within group (order by a) from (values 'b', 'a') as t(a)", [["a,b"]]),
        ("select a, count(*) from (values 1, 1, 2) as t(a) group by 1 having count(*) > 1", [["1", "2"]]),
        ("select a, sum(b) from (values (1, 1), (2, 2)) as t(a, b) group by rollup(a) order by a",
         [["1", "1"], ["2", "2"], [None, "3"]]),
        ("select x, row_number() over (order by x desc) from (values 1, 2) as t(x) order by x",
         [["1", "2"], ["2", "1"]]),
        ("select lag(x) over (order by x), lead(x, 1, 0) over (order by x) from (values 1, 2) as t(x) order by x",
         [[None, "2"], ["1", "0"]]),
        ("select last_value(x) ignore nulls over (order by o rows between unbounded preceding and current row) "
         "from (values (1, 5), (2, null)) as t(o, x) order by o", [["5"], ["5"]]),
        ("select sum(x) over (partition by g order by x rows between 1 preceding and current row) "
         "from (values (1, 1), (1, 2), (1, 3)) as t(g, x) order by x", [["1"], ["3"], ["5"]]),
        ("select x from (values 2, null, 1) as t(x) order by x desc", [["2"], ["1"], [None]]),
        ("select u.v, u.o from (values array['a', 'b']) as t(l) cross join unnest(l) with ordinality as u(v, o)",
         [["a", "1"], ["b", "2"]]),
        ("select t.a, u.v from (values (1, cast(null as array(integer)))) as t(a, l) left join unnest(l) as u(v) on true",
         [["1", None]]),
        ("select u.k, u.v from unnest(map(array['a'], array[1])) as u(k, v)", [["a", "1"]]),
        ("select d from unnest(sequence(date '2013-01-01', date '2013-01-03', interval '1' day)) as s(d)",
         [["2013-01-01"], ["2013-01-02"], ["2013-01-03"]]),
        ("select * from (values (1, 'a')) as a(id, x) join (values (1, 'b')) as b(id, y) using (id)", [["1", "a", "b"]]),
        ("select a.id from (values 1, 2) as a(id) where not exists (select 1 from (values 1) as b(id) where b.id = a.id)",
         [["2"]]),
        ("select 1 union select 1 union all select 2 order by 1", [["1"], ["2"]]),
        ("select x from (values 1, 2) as t(x) intersect select 2", [["2"]]),
        ("select x from (values 1, 2) as t(x) except select 2", [["1"]]),
        ("with a as (select 1 as x), b as (select x + 1 as y from a) select y, x from a, b", [["2", "1"]]),
        ("select x as y from (values 3, 1) as t(x) order by y limit 1", [["1"]]),
        ("select approx_distinct(x) from (values 1, 1, 2) as t(x)", [["2"]]),
        ("select x, X from (values 1) as t(x)", [["1", "1"]]),
        ("select map_agg(k, v) from (values ('a', 1)) as t(k, v)", [["{a=1}"]]),
        ("select x from (values 1, 2) as t(x) offset 1 limit 1", [["2"]]),
    ],
)  # fmt: skip
def test_query(evaluate: Evaluate, sql: str, expected: list[list[str | None]]) -> None:
    assert evaluate(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')", "select * from '/etc/passwd'", "with recursive a(x) as (select 1) select * from a",
        "select x from (values 1) as t(x) qualify row_number() over () = 1", "select distinct on (x) x from (values 1) as t(x)",
        "select * from (values 1) as t(x) tablesample bernoulli (10)", "select x from (values 1) as t(x) limit 1 + 1",
        "select a.x from (values 1) as a(x), (values 1) as b(x) where x = 1", "select y from (values 1) as t(x)",
        "select sum(x), y from (values (1, 2)) as t(x, y)", "select format('%s', 1)",
    ],
)  # fmt: skip
def test_refused(evaluate: Evaluate, sql: str) -> None:
    with pytest.raises(QueryFailed):
        evaluate(sql)


def test_errors_say_where(evaluate: Evaluate) -> None:
    with pytest.raises(QueryFailed, match="line 2:8: Column 'nope' cannot be resolved"):
        evaluate("select 1,\n       nope")


def test_a_zone_lost_in_a_column_is_refused_where_its_wall_clock_is_needed(
    evaluate: Evaluate,
) -> None:
    inner = "(select at_timezone(timestamp '2013-07-01 12:00:00 UTC', 'America/New_York') as x)"
    assert evaluate(f"select cast(at_timezone(x, 'UTC') as timestamp) from {inner}") == [
        ["2013-07-01 12:00:00.000"]
    ]
    with pytest.raises(QueryFailed, match="at_timezone"):
        evaluate(f"select cast(x as timestamp) from {inner}")
