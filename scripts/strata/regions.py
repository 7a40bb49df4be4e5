"""Whether a region has the services that the templates use, as botocore's endpoints tell."""

import difflib
import re
from collections.abc import Iterable

import boto3

from strata.errors import StrataError

# CloudFormation's name of a service, where boto3's is not the same in small letters.
_CLIENTS = {"KinesisFirehose": "firehose", "RedshiftServerless": "redshift-serverless"}


def used_services(templates: Iterable[str]) -> set[str]:
    """The services whose resources some templates hold, by boto3's names."""
    names = {name for text in templates for name in re.findall(r"Type: AWS::(\w+)::", text)}
    return {_CLIENTS.get(name, name.lower()) for name in names}


def missing_services(region: str, services: Iterable[str]) -> list[str]:
    """Those services that the region lacks. One without regions, such as IAM, is everywhere."""
    session = boto3.Session()
    partition = session.get_partition_for_region(region)
    found = []
    for service in sorted(services):
        regions = session.get_available_regions(service, partition)
        elsewhere = regions or session.get_available_regions(service)
        if elsewhere and region not in regions:
            found.append(service)
    return found


def require(region: str, templates: Iterable[str]) -> None:
    """Raise StrataError where the region lacks a service that the templates need."""
    missing = missing_services(region, used_services(templates))
    if missing:
        raise StrataError(
            f"the region {region} does not have {', '.join(missing)}",
            "choose another: export AWS_REGION=…",
        )


def unknown(region: str) -> str | None:
    """What to say of a region that botocore does not know; None for one that it knows."""
    session = boto3.Session()
    known = [
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("sts", partition)
    ]
    if region in known:
        return None
    near = difflib.get_close_matches(region, known, n=1)
    return f"did you mean {near[0]}? export AWS_REGION={near[0]}" if near else "export AWS_REGION=…"
