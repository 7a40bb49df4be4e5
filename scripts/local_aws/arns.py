"""ARNs of the resources of our own services, as IAM's policies name them.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from local_aws.settings import ACCOUNT, REGION


def arn(service: str, resource: str) -> str:
    """The ARN of a resource of the account."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def glue_table(database: str, *tables: str) -> list[str]:
    """Tables' ARNs with those of their database and of the catalog: Glue asks for all of them.

    https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html
    """
    named = [arn("glue", f"table/{database.lower()}/{table.lower()}") for table in tables]
    return [*glue_database(database), *named]


def glue_database(*databases: str) -> list[str]:
    """Databases' ARNs, and that of the catalog."""
    named = [arn("glue", f"database/{database.lower()}") for database in databases]
    return [arn("glue", "catalog"), *named]


def s3_object(uri: str) -> str:
    """The ARN of an `s3://` address."""
    return f"arn:aws:s3:::{uri.partition('://')[2]}"


def work_group(name: str) -> str:
    """An Athena workgroup's ARN."""
    return arn("athena", f"workgroup/{name}")
