"""What is going on in an environment: read through the AWS APIs, as plain data."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from strata import query
from strata.declarations import Source
from strata.environment import Environment
from strata.errors import StrataError
from strata.operate import builds
from strata.operate.builds import Build

Json = dict[str, Any]
Client = Callable[[str], Any]

_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_AT_ONCE = 8
_FAILURES = "-failures"
_FAILED = ("FAILED", "TIMEOUT", "ERROR")
_INGESTION_JOBS = ("landing", "compaction")
_METRICS = timedelta(minutes=15)


@dataclass(frozen=True)
class Freshness:
    """A source: its newest arrival, its age in seconds, and pass, warn, error or undeclared."""

    source: str
    newest: str | None
    age_seconds: int | None
    status: str


@dataclass(frozen=True)
class Stream:
    """A stream: its state, open shards, for how long it keeps records, and how far its reader is
    behind, where that is known."""

    name: str
    status: str
    shards: int | None
    delivery: str
    retention_hours: int | None
    lag_milliseconds: float | None

    @property
    def loses_records(self) -> bool:
        """Whether its reader is more than half the retention behind, at whose end records are gone."""
        if self.retention_hours is None or self.lag_milliseconds is None:
            return False
        return self.lag_milliseconds / 3_600_000 > self.retention_hours / 2


@dataclass(frozen=True)
class Run:
    """A run of a Glue job."""

    job: str
    run_id: str
    state: str
    started_at: str
    seconds: int
    error: str


@dataclass(frozen=True)
class Queue:
    """A queue of failures, and the messages that wait in it."""

    name: str
    messages: int


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm: OK, ALARM or INSUFFICIENT_DATA, and why."""

    name: str
    state: str
    reason: str


@dataclass(frozen=True)
class Screen:
    """Everything at one moment."""

    at: str
    freshness: list[Freshness]
    builds: list[Build]
    streams: list[Stream]
    runs: list[Run]
    queues: list[Queue]
    alarms: list[Alarm]

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look: late data, records that will be lost, a failed build or run,
        a waiting failure, an alarm."""
        return (
            any(one.status not in ("pass", "undeclared") for one in self.freshness)
            or any(one.loses_records for one in self.streams)
            or any(not one.succeeded for one in self.builds[:1])
            or any(one.state in _FAILED for one in newest_runs(self.runs))
            or any(one.messages for one in self.queues)
            or any(one.state == "ALARM" for one in self.alarms)
        )


def look(manifest: Json, sources: list[Source], environment: Environment, client: Client) -> Screen:
    """Ask every service once."""
    streams = [source for source in sources if source.ingest == "stream"]
    return Screen(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        freshness=freshness(manifest, client("athena")),
        builds=builds.last(environment, client("s3")),
        streams=[_stream(source, environment, client) for source in streams],
        runs=_runs(environment, client("glue")),
        queues=_queues(environment, client("sqs")),
        alarms=_alarms(environment, client("cloudwatch")),
    )


def freshness(manifest: Json, athena: Any) -> list[Freshness]:
    """Each source's newest arrival in Bronze against its declared `freshness`, by Athena's clock."""
    nodes = sorted(manifest["sources"].values(), key=lambda n: (n["source_name"], n["name"]))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda node: _freshness(node, athena), nodes))


def unready(manifest: Json, environment: Environment, client: Client) -> list[str]:
    """Why a build should wait: sources that are late, jobs whose newest run failed, events of the
    ingestion that nobody could handle."""
    late = [
        one
        for one in freshness(manifest, client("athena"))
        if one.status not in ("pass", "undeclared")
    ]
    jobs = [environment.resource(name) for name in _INGESTION_JOBS]
    failed = [one for one in newest_runs(_runs_of(jobs, client("glue"))) if one.state in _FAILED]
    waiting = _messages(environment.resource("ingestion-failures"), client("sqs"))
    return [
        *(f"{one.source} is late: its newest arrival is {one.newest or 'none'}" for one in late),
        *(f"the newest run of {one.job} {one.state.lower()}: {one.error}" for one in failed),
        *([f"{waiting} events wait in the queue of failures"] if waiting else []),
    ]


def newest_runs(runs: Iterable[Run]) -> list[Run]:
    """The newest run of each job."""
    newest: dict[str, Run] = {}
    for run in runs:
        newest.setdefault(run.job, run)
    return list(newest.values())


def _freshness(node: Json, athena: Any) -> Freshness:
    name = f"{node['source_name']}.{node['name']}"
    declared = node.get("freshness") or {}
    if not node.get("loaded_at_field"):
        return Freshness(name, None, None, "undeclared")
    condition = f" where {declared['filter']}" if declared.get("filter") else ""
    newest = f"max({node['loaded_at_field']})"
    now = "cast(at_timezone(current_timestamp, 'UTC') as timestamp(3))"
    sql = (
        f"select {newest}, date_diff('second', {newest}, {now}) "  # noqa: S608 (the manifest's SQL)
        f"from {node['relation_name']}{condition}"
    )
    try:
        at, age = query.rows(sql, athena)[0]
    except StrataError as error:
        return Freshness(name, None, None, f"error: {error.message}")
    seconds = int(age) if age is not None else None
    return Freshness(name, at, seconds, _status(seconds, declared))


def _status(age: int | None, declared: Json) -> str:
    """As dbt judges it; a source without any arrival in its window is as late as can be."""
    limits = {
        word: limit["count"] * _SECONDS[limit["period"]]
        for word in ("error", "warn")
        if (limit := declared.get(f"{word}_after") or {}).get("count")
    }
    if not limits:
        return "undeclared"
    late = [word for word, limit in limits.items() if age is None or age > limit]
    return late[0] if late else "pass"


def _stream(source: Source, environment: Environment, client: Client) -> Stream:
    name = environment.resource(source.name)
    kinesis, firehose = client("kinesis"), client("firehose")
    try:
        found = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        status, shards = found["StreamStatus"], found["OpenShardCount"]
        retention = found["RetentionPeriodHours"]
    except kinesis.exceptions.ResourceNotFoundException:
        status, shards = "from Kafka" if source.kafka_topic else "MISSING", None
        retention = None
    try:
        described = firehose.describe_delivery_stream(DeliveryStreamName=name)
        delivery = described["DeliveryStreamDescription"]["DeliveryStreamStatus"]
    except firehose.exceptions.ResourceNotFoundException:
        delivery = "MISSING"
    return Stream(name, status, shards, delivery, retention, _lag(name, client("cloudwatch")))


def _lag(name: str, cloudwatch: Any) -> float | None:
    """How far the readers of a stream were behind, at most, in the last minutes.

    https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
    """
    end = datetime.now(UTC)
    found = cloudwatch.get_metric_statistics(
        Namespace="AWS/Kinesis",
        MetricName="GetRecords.IteratorAgeMilliseconds",
        Dimensions=[{"Name": "StreamName", "Value": name}],
        StartTime=end - _METRICS,
        EndTime=end,
        Period=int(_METRICS.total_seconds()),
        Statistics=["Maximum"],
    )["Datapoints"]
    return max((point["Maximum"] for point in found), default=None)


def _runs(environment: Environment, glue: Any) -> list[Run]:
    """The last three runs of each of the environment's jobs, newest first."""
    pages = glue.get_paginator("get_jobs").paginate()
    names = [job["Name"] for page in pages for job in page["Jobs"]]
    return _runs_of([n for n in sorted(names) if n.startswith(environment.resource(""))], glue)


def _runs_of(names: Iterable[str], glue: Any) -> list[Run]:
    """The last three runs of some jobs, newest first."""
    return [
        Run(
            job=name,
            run_id=run["Id"],
            state=run["JobRunState"],
            started_at=run["StartedOn"].astimezone(UTC).isoformat(timespec="seconds"),
            seconds=run.get("ExecutionTime", 0),
            error=run.get("ErrorMessage", ""),
        )
        for name in names
        for run in glue.get_job_runs(JobName=name, MaxResults=3)["JobRuns"]
    ]


def _queues(environment: Environment, sqs: Any) -> list[Queue]:
    """The environment's queues of failures; files that arrive wait in another one."""
    attribute = "ApproximateNumberOfMessages"
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=environment.resource(""))
    urls = [url for page in pages for url in page.get("QueueUrls", [])]
    return [
        Queue(url.rsplit("/", 1)[1], int(found["Attributes"][attribute]))
        for url in urls
        if url.endswith(_FAILURES)
        and (found := sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute]))
    ]


def _messages(queue: str, sqs: Any) -> int:
    """How many messages wait in a queue."""
    attribute = "ApproximateNumberOfMessages"
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])
    return int(found["Attributes"][attribute])


def _alarms(environment: Environment, cloudwatch: Any) -> list[Alarm]:
    prefix = environment.resource("")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    return [
        Alarm(alarm["AlarmName"], alarm["StateValue"], alarm.get("StateReason", ""))
        for page in pages
        for alarm in [*page.get("CompositeAlarms", []), *page.get("MetricAlarms", [])]
    ]
