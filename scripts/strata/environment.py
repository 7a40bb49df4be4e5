"""Which environment a command works on: its names, and the AWS settings of the local one."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from local_aws.files import write_atomically
from local_aws.settings import ACCOUNT, REGION, ROOT_KEY, Settings
from strata import regions
from strata.errors import StrataError

PROJECT = Path(__file__).resolve().parents[2]
LOCAL = "local"
_PROFILE = "strata-local"
_BUILD_ROLE = "dbt"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_UNSET = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_PROFILE",
)


@dataclass(frozen=True)
class Environment:
    """One deployment of Strata: `name` (local, dev, prod…), account and region."""

    name: str
    account: str
    region: str

    def bucket(self, layer: str) -> str:
        """The bucket of a layer: landing, bronze, silver, gold, athena-results or artifacts."""
        return f"strata-{self.name}-{self.account}-{layer}"

    def resource(self, name: str) -> str:
        """The name of a resource of this environment."""
        return f"strata-{self.name}-{name}"

    @property
    def is_local(self) -> bool:
        """Whether it is the laptop's."""
        return self.name == LOCAL

    @property
    def is_production(self) -> bool:
        """Whether it is the one whose stacks nobody may delete."""
        return self.name == "prod"


def client(service: str) -> Any:
    """The boto3 client of a service in the chosen environment."""
    return boto3.client(service)


def schema_prefix() -> str:
    """What stands before the project's schemas where several builds share a catalog."""
    return os.environ.get("STRATA_SCHEMA_PREFIX", "")


def schema(name: str) -> str:
    """The Glue database of a schema of the project."""
    return schema_prefix() + name


def choose(name: str | None) -> Environment:
    """Make environment `name` (default: `STRATA_ENV`, else local) the one that boto3 talks to.

    Raises StrataError when an account's credentials cannot be used.
    """
    name = name or os.environ.get("STRATA_ENV", LOCAL)
    if name == LOCAL:
        if has_given_role():
            os.environ.setdefault("DBT_PROFILES_DIR", str(PROJECT / "profiles"))
        else:
            apply_local(Settings.from_env())
        return Environment(LOCAL, ACCOUNT, REGION)
    if "AWS_REGION" in os.environ:  # boto3 reads the other name only
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]
    try:
        session = boto3.Session()
        if session.region_name is None:
            raise StrataError("no AWS region is set", "export AWS_REGION=…")
        account = session.client("sts").get_caller_identity()["Account"]
    except EndpointConnectionError as error:
        hint = regions.unknown(session.region_name)
        if hint is None:
            raise
        raise StrataError(f"AWS has no region {session.region_name}", hint) from error
    except (BotoCoreError, ClientError) as error:
        raise StrataError(
            f"environment {name}: AWS does not accept your credentials: {error}",
            "set AWS_PROFILE (aws sso login), or leave out --env to use the laptop",
        ) from error
    variables = {"STRATA_ENV": name, "STRATA_ACCOUNT": account, "AWS_REGION": session.region_name}
    os.environ.update(variables)
    os.environ.setdefault("STRATA_TARGET", "prod" if name == "prod" else "dev")
    os.environ.setdefault("DBT_PROFILES_DIR", str(PROJECT / "profiles"))
    return Environment(name, account, session.region_name)


def has_given_role() -> bool:
    """Whether a service of the local AWS runs this process: it has given it its address and a role."""
    address = os.environ.get("AWS_ENDPOINT_URL", "")
    return address.startswith("http://127.0.0.1:") and "AWS_SESSION_TOKEN" in os.environ


@contextmanager
def acting_as(role: str | None, environment: Environment) -> Iterator[None]:
    """Run a block, and what it starts, with the rights of one of the environment's roles; without
    a role with those that there are.

    Raises StrataError when the role cannot be assumed.
    """
    if role is None:
        yield
        return
    name = environment.resource(role)
    arn = f"arn:aws:iam::{environment.account}:role/{name}"
    try:
        keys = client("sts").assume_role(RoleArn=arn, RoleSessionName="strata")["Credentials"]
    except ClientError as error:
        raise StrataError(
            f"you may not act as {name}: {error}",
            "is it deployed, and do you carry its tag? docs/governance.md",
        ) from error
    before = {variable: os.environ.get(variable) for variable in _KEYS}
    given = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    _set(dict(zip(_KEYS, given, strict=True)))
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    """Set variables, or unset those that are None; a session that was made before is forgotten."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    boto3.setup_default_session()


def build_role() -> str | None:
    """The role that builds run as: `STRATA_ROLE`, which the laptop sets. In an account there is none
    by default: whoever builds is the role already."""
    return None if schema_prefix() else os.environ.get("STRATA_ROLE") or None


def local_variables(settings: Settings) -> dict[str, str]:
    """The variables with which any AWS client and dbt work on the local AWS."""
    config = str(settings.state / "aws" / "config")
    return {
        "AWS_CONFIG_FILE": config,
        "AWS_SHARED_CREDENTIALS_FILE": config,
        "AWS_PROFILE": _PROFILE,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "DBT_PROFILES_DIR": str(PROJECT / "profiles"),
        "STRATA_ENV": LOCAL,
        "STRATA_TARGET": LOCAL,
        "STRATA_ACCOUNT": ACCOUNT,
        "STRATA_ROLE": _BUILD_ROLE,
        "STRATA_PORT": str(settings.port),
        "STRATA_STATE": str(settings.state),
    }


def apply_local(settings: Settings) -> None:
    """Point this process, and what it starts, at the local AWS."""
    _write_profile(settings)
    for name in _UNSET:
        os.environ.pop(name, None)
    os.environ.update(local_variables(settings))
    boto3.setup_default_session()  # one made before has read another configuration


def shell_exports(settings: Settings) -> str:
    """Shell lines that do the same in a shell, `PATH` to this environment's tools included."""
    _write_profile(settings)
    tools = Path(sys.executable).parent
    lines = [f"unset {' '.join(_UNSET)}"]
    lines += [f'export {name}="{value}"' for name, value in local_variables(settings).items()]
    lines.append(f'export PATH="{tools}:$PATH"')
    return "\n".join(lines)


def _write_profile(settings: Settings) -> None:
    path = settings.state / "aws" / "config"
    text = (
        f"[profile {_PROFILE}]\n"
        f"region = {REGION}\n"
        f"endpoint_url = {settings.endpoint}\n"
        "s3 =\n    addressing_style = path\n"
        f"[{_PROFILE}]\n"
        f"aws_access_key_id = {ROOT_KEY}\n"
        f"aws_secret_access_key = {ROOT_KEY}\n"
    )
    if not path.exists() or path.read_text() != text:
        write_atomically(path, text)
