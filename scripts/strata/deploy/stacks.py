"""The CloudFormation stacks of an environment: their names, templates and parameters."""

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

from strata.declarations import Source
from strata.deploy.code import Artifacts
from strata.environment import PROJECT, Environment
from strata.errors import StrataError

_NETWORK = {"VpcCidr": "STRATA_NETWORK_CIDR", "Zones": "STRATA_NETWORK_ZONES"}

_ORCHESTRATION = {
    "BuildSchedule": "STRATA_BUILD_SCHEDULE",
    "SweepSchedule": "STRATA_SWEEP_SCHEDULE",
    "StaleSources": "STRATA_STALE_SOURCES",
}


@dataclass(frozen=True)
class Stack:
    """A stack to deploy: its name, its template in `infra/` and its parameters."""

    name: str
    template: str
    parameters: dict[str, str]

    def body(self) -> str:
        """The template's text."""
        return (PROJECT / "infra" / self.template).read_text()

    def content(self) -> str:
        """A digest of template and parameters: a stack tagged with it is up to date."""
        parameters = json.dumps(self.parameters, sort_keys=True)
        return hashlib.sha256((self.body() + parameters).encode()).hexdigest()[:32]


def storage_stack(environment: Environment) -> Stack:
    """Keys and buckets. The laptop serves loopback without TLS, and its disk keeps no old files."""
    strict = "false" if environment.is_local else "true"
    parameters = {"Environment": environment.name, "RequireTls": strict, "KeepVersions": strict}
    return Stack(environment.resource("storage"), "storage.yaml", parameters)


def has_network(environment: Environment) -> bool:
    """Whether the jobs run in a VPC of their own: `STRATA_NETWORK=on`, and never on the laptop."""
    return not environment.is_local and is_on("STRATA_NETWORK", default="off")


def network_stack(environment: Environment, ec2: Any) -> Stack:
    """The VPC of the jobs; S3's addresses in the region are a list that AWS keeps.

    https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html
    """
    name = f"com.amazonaws.{environment.region}.s3"
    found = ec2.describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [name]}]
    )["PrefixLists"]
    if not found:
        raise StrataError(f"AWS shows no prefix list {name}", "look at the region and your rights")
    given = {name: os.environ.get(variable, "") for name, variable in _NETWORK.items()}
    parameters = {
        "Environment": environment.name,
        "S3PrefixList": found[0]["PrefixListId"],
        **{parameter: value for parameter, value in given.items() if value},
    }
    return Stack(environment.resource("network"), "network.yaml", parameters)


def has_audit(environment: Environment) -> bool:
    """Whether the lake has an audit trail: unless `STRATA_AUDIT=off`, but never on the laptop."""
    return not environment.is_local and is_on("STRATA_AUDIT", default="on")


def audit_stack(environment: Environment) -> Stack:
    """The trail of who read and wrote what; its named query is in the query stack's workgroup."""
    return Stack(environment.resource("audit"), "audit.yaml", {"Environment": environment.name})


def is_on(variable: str, default: str) -> bool:
    """Whether a variable says `on`; raises StrataError for what is neither `on` nor `off`."""
    given = os.environ.get(variable) or default
    if given not in ("on", "off"):
        raise StrataError(f"{variable} is {given!r}", f"export {variable}=on, or =off")
    return given == "on"


def shared_stacks(
    environment: Environment, artifacts: Artifacts, sources: list[Source]
) -> list[Stack]:
    """What all sources share: query, ingestion, Spark where a source declares it, monitoring."""
    own = {"Environment": environment.name}
    # On the laptop a job is started by its command, so that what runs is what was asked for.
    start = {
        "StartJobs": "DISABLED" if environment.is_local else "ENABLED",
        "AlertEmail": os.environ.get("STRATA_ALERT_EMAIL", ""),
        "Network": "on" if has_network(environment) else "off",
    }
    code = {
        "CodeKey": artifacts.code_key,
        "LandingScriptKey": artifacts.landing_script_key,
        "CompactionScriptKey": artifacts.compaction_script_key,
    }
    is_spark = has_spark(environment, sources)
    watched = {"SparkJob": environment.resource("landing-spark")} if is_spark else {}
    return [
        Stack(environment.resource("query"), "query.yaml", own),
        Stack(environment.resource("ingestion"), "ingestion.yaml", {**own, **code, **start}),
        *([spark_stack(environment, artifacts)] if is_spark else []),
        Stack(
            environment.resource("monitoring"), "monitoring.yaml", {**own, **runbooks(), **watched}
        ),
    ]


def has_spark(environment: Environment, sources: list[Source]) -> bool:
    """Whether Spark carries any source, which it never does on the laptop."""
    return not environment.is_local and any(source.spark for source in sources)


def spark_stack(environment: Environment, artifacts: Artifacts) -> Stack:
    """The Glue Spark job of the sources that declare it; their workers come with each run."""
    parameters = {
        "Environment": environment.name,
        "CodeKey": artifacts.code_key,
        "SparkScriptKey": artifacts.spark_script_key,
        "Network": "on" if has_network(environment) else "off",
    }
    return Stack(environment.resource("spark"), "spark.yaml", parameters)


def orchestration_stack(environment: Environment, artifacts: Artifacts) -> Stack:
    """The state machine that builds, and its schedules.

    `STRATA_BUILD_SCHEDULE` and `STRATA_SWEEP_SCHEDULE` say when, in UTC; on the laptop a command
    starts a build. `STRATA_STALE_SOURCES=stop` lets late sources stop it.
    """
    given = {name: os.environ.get(variable, "") for name, variable in _ORCHESTRATION.items()}
    parameters = {
        "Environment": environment.name,
        "ProjectKey": artifacts.project_key,
        "Target": "local" if environment.is_local else "prod",
        "Schedules": "DISABLED" if environment.is_local else "ENABLED",
        **{parameter: value for parameter, value in given.items() if value},
    }
    return Stack(environment.resource("orchestration"), "orchestration.yaml", parameters)


def runbooks() -> dict[str, str]:
    """Where alarms say that their runbooks are, if not in the checkout."""
    given = os.environ.get("STRATA_RUNBOOKS_URL")
    return {"Runbooks": f"{given.rstrip('/')}/"} if given else {}


def source_stack(source: Source, environment: Environment) -> Stack:
    """The stream of one declared source."""
    parameters = {
        "Environment": environment.name,
        "Source": source.name,
        "Location": source.location,
        "Database": source.database,
        "Table": source.table,
        "FileFormat": source.file_format,
        **_kafka(source, environment),
    }
    return Stack(_name("stream", source, environment), "stream_source.yaml", parameters)


def alarm_stack(source: Source, environment: Environment) -> Stack:
    """The alarms of one declared source."""
    is_kafka = source.kafka_topic is not None and not environment.is_local
    parameters = {
        "Environment": environment.name,
        "Source": source.name,
        "Origin": ("kafka" if is_kafka else "kinesis") if source.ingest == "stream" else "files",
        "FileFormat": source.file_format,
        **runbooks(),
    }
    return Stack(_name("alarms", source, environment), "source_alarms.yaml", parameters)


def _name(concern: str, source: Source, environment: Environment) -> str:
    """A stack's name: letters, digits and hyphens only."""
    hyphened = source.name.replace(".", "-").replace("_", "-")
    return environment.resource(f"{concern}-{hyphened}")


def consumer_stacks(
    sources: list[Source], environment: Environment, artifacts: Artifacts
) -> list[Stack]:
    """The stacks that read the streams that name them, each the template of its name.

    Raises StrataError when there is no such template.
    """
    return [
        _consumer_stack(source.consumer, source, environment, artifacts)
        for source in sources
        if source.consumer
    ]


def _consumer_stack(
    name: str, source: Source, environment: Environment, artifacts: Artifacts
) -> Stack:
    template = f"{name}.yaml"
    if not (PROJECT / "infra" / template).is_file():
        raise StrataError(
            f"{source.file}: {source.name} has the consumer {name}, and infra/{template} is missing",
            "write it, or take meta.consumer out",
        )
    parameters = {
        "Environment": environment.name,
        "Source": source.name,
        "CodeKey": artifacts.code_key,
    }
    return Stack(environment.resource(name.replace("_", "-")), template, parameters)


def _kafka(source: Source, environment: Environment) -> dict[str, str]:
    """Where the records of a Kafka topic come from. The laptop has no Kafka: Kinesis stands in."""
    if source.kafka_topic is None or environment.is_local:
        return {}
    cluster = os.environ.get("STRATA_MSK_CLUSTER_ARN")
    if not cluster:
        raise StrataError(
            f"{source.name} comes from the Kafka topic {source.kafka_topic}, and no cluster is named",
            "export STRATA_MSK_CLUSTER_ARN=arn:aws:kafka:…",
        )
    return {"MskClusterArn": cluster, "MskTopic": source.kafka_topic}
