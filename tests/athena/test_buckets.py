# ruff: noqa: E501 (a statement reads best in one line)
"""Hive buckets: rows lie where Hive's hash (bucketing version 1) puts them, and filters prune them.

The expected buckets are computed by hand from Hive's definition, `(hash & 0x7fffffff) % buckets`.
"""

from __future__ import annotations

import re

import pytest

from .conftest import Athena


def create(
    athena: Athena, columns: str, count: int, query: str, properties: str = "format='parquet'"
) -> str:
    """CTAS of table `t`, as dbt-athena writes `bucketed_by` and `bucket_count`; gives its folder."""
    where = athena.location("t")
    athena.ok(
        f'create table "awsdatacatalog"."{athena.database}"."t"\n    with (\n'
        f"      table_type='hive',\n      is_external=true,external_location='{where}',\n"
        f"      bucketed_by=ARRAY[{columns}],\n      bucket_count={count},\n      {properties}\n    )\n"
        f"    as\n      {query}"
    )
    return where


def placed(athena: Athena, shown: str) -> dict[str, int]:
    """The bucket in the name of the file of each row."""
    rows = athena.rows(f'select {shown}, "$path" from t')
    found = {}
    for value, path in rows:
        match = re.search(r"/(\d{6})_0_[^/]+$", str(path))
        assert match, path
        found[str(value)] = int(match[1])
    return found


@pytest.mark.parametrize(
    ("values", "count", "expected"),
    [
        # An integer is its own hash; -1 & 0x7fffffff = 2147483647 = 4 * 536870911 + 3.
        ("0, 6, -1, null", 4, {"0": 0, "6": 2, "-1": 3, "None": 0}),
        ("tinyint '5', tinyint '-1'", 4, {"5": 1, "-1": 3}),
        # A bigint: its upper 32 bits xor its lower ones. 2^32 + 1: 1 xor 1. -1: all xor all.
        ("bigint '5', bigint '4294967297', bigint '-1', bigint '8589934593'", 4, {"5": 1, "4294967297": 0, "-1": 0, "8589934593": 3}),
        # hash * 31 + byte. 'ab': 97 * 31 + 98 = 3105 = 4 * 776 + 1. 'é' is 0xc3 0xa9, with signs
        # -61 * 31 - 87 = -1978, and 2^31 - 1978 = 2147481670 = 4 * 536870417 + 2.
        ("cast('ab' as varchar), cast('' as varchar), cast('é' as varchar)", 4, {"ab": 1, "": 0, "é": 2}),
        # Hive's VARCHAR(n) begins with 1: (31 + 97) * 31 + 98 = 4066 = 4 * 1016 + 2.
        ("'ab', 'ab'", 4, {"ab": 2}),
        # A date is its days after 1970-01-01.
        ("date '1970-01-06', date '1969-12-31'", 4, {"1970-01-06": 1, "1969-12-31": 3}),
        ("true, false", 2, {"true": 1, "false": 0}),
        # 1.0 is 0x3ff0000000000000 as a double, 0x3f800000 as a real: 1072693248 and 1065353216.
        ("1e0", 5, {"1.0": 3}),
        ("real '1'", 5, {"1.0": 1}),
        # A list: hash * 31 + element, 1 * 31 + 2 = 33. A map: the sum of key xor value, 1 xor 6 = 7.
        ("array[1, 2], array[], array[null, 2]", 4, {"[1, 2]": 1, "[]": 0, "[null, 2]": 2}),
        ("map(array[1], array[6]), map(array[1, 2], array[6, 2])", 4, {"{1=6}": 3, "{1=6, 2=2}": 3}),
    ],
)  # fmt: skip
def test_rows_lie_in_the_bucket_of_their_hash(
    athena: Athena, values: str, count: int, expected: dict[str, int]
) -> None:
    create(athena, "'v'", count, f"select v from (values {values}) as x(v)")
    assert placed(athena, "v") == expected


def test_several_columns_in_partitions_of_text_files(athena: Athena) -> None:
    # (2, 'ab'): 2 * 31 + 3105 = 3167 = 4 * 791 + 3. ('ab', 2) would be 3105 * 31 + 2 = 4 * 24064 + 1.
    rows = "select * from (values (2, cast('ab' as varchar), 'x'), (1, '', 'y')) as r(a, b, day)"
    properties = "partitioned_by=ARRAY['day'], format='textfile', write_compression='GZIP'"
    where = create(athena, "'a', 'b'", 4, rows, properties)
    assert placed(athena, "b") == {"ab": 3, "": 3}
    (path,) = athena.rows("select \"$path\" from t where day = 'x'")[0]
    assert re.fullmatch(rf"{where}/day=x/000003_0_[^/]+\.gz", str(path))
    glue = athena.aws.client("glue")
    table = glue.get_table(DatabaseName=athena.database, Name="t")["Table"]["StorageDescriptor"]
    assert (table["BucketColumns"], table["NumberOfBuckets"]) == (["a", "b"], 4)
    assert [c["Name"] for c in table["Columns"]] == ["a", "b"]


@pytest.mark.parametrize("form", ["json", "avro", "orc"])
def test_other_formats(athena: Athena, form: str) -> None:
    query = "select v, cast(v as smallint) as s from (values 1, 2) as x(v)"
    create(athena, "'v'", 2, query, f"format='{form}'")
    assert placed(athena, "v") == {"1": 1, "2": 0}
    assert athena.rows("select s from t where v = 1") == [["1"]]


@pytest.fixture
def orders(athena: Athena) -> Athena:
    """1,000 orders of 50 customers in two days, in eight buckets a day."""
    create(
        athena, "'customer', 'kind'", 8,
        "select n % 50 as customer, if(n % 3 = 0, 'web', cast('shop' as varchar)) as kind, n as amount, "
        "if(n % 2 = 0, 'a', 'b') as day from unnest(sequence(1, 1000)) as x(n)",
        "partitioned_by=ARRAY['day'], format='parquet'",
    )  # fmt: skip
    return athena


@pytest.mark.parametrize(
    ("where", "count"),
    [
        # 50 customers twenty times; the kinds' hashes are found by the same rule.
        ("customer = 7 and kind = 'web'", None), ("customer in (7, 8) and kind = 'shop'", None),
        ("(customer = 7 and kind = 'web') or (customer = 9 and kind = 'shop')", None),
        ("customer = 7 and kind in ('web', 'shop') and day = 'a'", 0), ("customer = 70 and kind = 'web'", 0),
        ("customer = 1000000000000 and kind = 'web'", 0),
    ],
)  # fmt: skip
def test_filters_on_all_bucket_columns_prune(orders: Athena, where: str, count: int | None) -> None:
    pruned = f"select count(*), sum(amount) from t where {where}"
    # `+ 0` and concat() hide the columns from static pruning.
    hidden = re.sub(r"\bkind (=|in)", r"concat(kind, '') \1", where).replace(
        "customer", "customer + 0"
    )
    whole = f"select count(*), sum(amount) from t where {hidden}"
    assert orders.rows(pruned) == orders.rows(whole)
    if count is not None:
        assert orders.rows(pruned)[0][0] == str(count)
    assert orders.scanned(pruned) < orders.scanned(whole)


@pytest.mark.parametrize(
    "where",
    ["customer = 7", "kind = 'web'", "customer = 7 or kind = 'web'", "customer > 7 and kind = 'web'", "customer = 7 and kind <> 'web'", "customer is null and kind = 'web'"],
)  # fmt: skip
def test_other_filters_read_every_bucket(orders: Athena, where: str) -> None:
    found = f"select count(customer), count(kind) from t where {where}"
    assert orders.scanned(found) == orders.scanned("select customer, kind from t")


def test_what_no_bucket_is_known_of_is_read(athena: Athena) -> None:
    where = create(athena, "'v'", 4, "select v from (values 1, 2, 3) as x(v)")
    (path,) = athena.rows('select "$path" from t where v = 2')[0]
    s3, prefix = athena.aws.client("s3"), f"{where}/".removeprefix(f"s3://{athena.bucket}/")
    key = str(path).removeprefix(f"s3://{athena.bucket}/")
    body = s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=athena.bucket, Key=f"{prefix}copy.parquet", Body=body)
    s3.put_object(
        Bucket=athena.bucket, Key=f"{prefix}20200102_030405_00001_x1y2z_bucket-00003.p", Body=body
    )
    assert athena.rows("select count(*) from t where v = 2") == [["2"]]
    assert athena.rows("select count(*) from t") == [["5"]]
    assert athena.rows("select count(*) from t where v = 1000000000000") == [["0"]]


def test_minus_zero_is_zero(athena: Athena) -> None:
    create(athena, "'v'", 2, "select v from (values 0e0, -0e0) as x(v)")
    assert athena.rows("select count(*) from t where v = 0e0") == [["2"]]


def test_another_hash_prunes_nothing(athena: Athena) -> None:
    where = create(athena, "'v'", 2, "select v from (values 1, 2) as x(v)")
    athena.ok("drop table t")
    athena.ok(
        f"create external table t (v int) clustered by (v) into 2 buckets stored as parquet "
        f"location '{where}' tblproperties ('bucketing_format'='spark')"
    )
    assert athena.scanned("select v from t where v = 1") == athena.scanned("select v from t")


def test_a_partition_in_other_buckets_is_refused(athena: Athena) -> None:
    create(athena, "'v'", 2, "select 1 as v, 'x' as day", "partitioned_by=ARRAY['day']")
    glue, place = athena.aws.client("glue"), {"DatabaseName": athena.database, "TableName": "t"}
    found = glue.get_partition(**place, PartitionValues=["x"])["Partition"]
    storage = {**found["StorageDescriptor"], "NumberOfBuckets": 3}
    glue.update_partition(
        **place,
        PartitionValueList=["x"],
        PartitionInput={"Values": ["x"], "StorageDescriptor": storage},
    )
    assert athena.fails("select * from t").startswith("HIVE_PARTITION_SCHEMA_MISMATCH")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("bucketed_by=array['a']", "INVALID_TABLE_PROPERTY: bucketed_by and bucket_count must be specified together"),
        ("bucket_count=4", "INVALID_TABLE_PROPERTY: bucketed_by and bucket_count must be specified together"),
        ("bucketed_by=array['a'], bucket_count=-1", "INVALID_TABLE_PROPERTY: bucket_count must be greater than zero"),
        ("bucketed_by=array['nope'], bucket_count=2", "INVALID_TABLE_PROPERTY: Bucketing columns [nope] not present in schema"),
        ("bucketed_by=array['at'], bucket_count=2", "NOT_SUPPORTED: Cannot create a table bucketed on an unsupported type"),
        ("bucketed_by=array['price'], bucket_count=2", "NOT_SUPPORTED: Cannot create a table bucketed on an unsupported type"),
        ("bucketed_by=array['pair'], bucket_count=2", "NOT_SUPPORTED: Cannot create a table bucketed on an unsupported type"),
        ("bucketed_by=array['n'], bucket_count=101", "HIVE_TOO_MANY_OPEN_PARTITIONS"),
    ],
)  # fmt: skip
def test_refusals(athena: Athena, properties: str, reason: str) -> None:
    query = "select 1 as a, timestamp '2013-01-01 00:00:00' as at, decimal '1.5' as price, cast(row(1) as row(x integer)) as pair, n from unnest(sequence(1, 101)) as x(n)"
    found = athena.fails(
        f"create table t with (external_location='{athena.location('t')}', {properties}) as {query}"
    )
    assert found.startswith(reason)


def test_insert_into_buckets_is_refused_as_athena_refuses_it(athena: Athena) -> None:
    """https://docs.aws.amazon.com/athena/latest/ug/insert-into.html: bucketed tables not supported."""
    create(athena, "'v'", 2, "select 1 as v")
    reason = "NOT_SUPPORTED: INSERT INTO is not supported on bucketed tables"
    assert athena.fails("insert into t values 2").startswith(reason)
    athena.ok(
        f"create external table u (v int) clustered by (v) into 2 buckets location '{athena.location('u')}'"
    )
    assert athena.fails("insert into u select 2").startswith(reason)
    for wrong in (
        "clustered by (w) into 2 buckets",
        "clustered by (v)",
        "clustered by (v) into 0 buckets",
    ):
        assert athena.fails(
            f"create external table w (v int) {wrong} location '{athena.location('w')}'"
        )
