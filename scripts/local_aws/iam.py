"""IAM for our own services, by MiniStack's evaluator, and a record of what was asked of it."""

import json
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from local_aws.caller import Account, Caller
from local_aws.errors import AwsError
from local_aws.files import write_atomically
from local_aws.ministack import act_as, act_for_the_account
from local_aws.settings import REGION

_WITH_KEY = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}

_KEYS_OF_WRITES = (
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
)


def know_the_keys_of_writes() -> None:
    """Let policies ask which key a write to S3 names; MiniStack tells them the algorithm only.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
    """
    from ministack.core import iam_actions

    known = iam_actions._s3_object_context

    def context(action: str, query: Any, path: str, headers: Any) -> dict[str, Any]:
        found: dict[str, Any] = known(action, query, path, headers)
        if action == "s3:PutObject":
            given = {name: headers.get(name) for name in _KEYS_OF_WRITES}
            found |= {f"s3:{name}": value for name, value in given.items() if value}
        return found

    iam_actions._s3_object_context = context


class IamCaller:
    """A user or a role's session, known by its access key.

    `arn` is what policies and grants name: the role's, for a session of the role.
    """

    is_root = False

    def __init__(self, access_key: str, arn: str) -> None:
        self._access_key = access_key
        self.arn = arn

    def require(self, action: str, *resources: str) -> None:
        """Raise AwsError when IAM does not allow `action` on one of the `resources` (ARNs)."""
        from ministack.core import iam_evaluator

        act_for_the_account()
        # Services ask each other over TLS, which policies of buckets may demand.
        iam_evaluator.pin_request_origin("127.0.0.1", True)
        for resource in resources or ("*",):
            denied = iam_evaluator.enforce(
                self._access_key, action, action.partition(":")[0], REGION, resource_arn=resource
            )
            if denied:
                raise _refusal(denied, action, resource)


@cache
def acting(role: str) -> Caller:
    """A role as a service of ours acts by it: `require` asks what the service would ask AWS for."""
    access_key, _, _ = act_as(role)
    return IamCaller(access_key, role)


def identify(scope: Mapping[str, Any], headers: Mapping[str, bytes], body: bytes) -> Caller:
    """Who signed a request. Raises AwsError for a key that is unknown or a wrong signature."""
    from ministack.core import iam_evaluator, router

    text = {name: value.decode("latin-1") for name, value in headers.items()}
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    access_key = router.extract_access_key_id(text, query)
    if iam_evaluator.is_root_access_key(access_key):
        return Account()
    act_for_the_account()
    raw_path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
    iam_evaluator.pin_request_origin((scope.get("client") or ("127.0.0.1",))[0], False)
    iam_evaluator.pin_signed_request(scope["method"], raw_path, query, scope["headers"])
    iam_evaluator.pin_signed_body(body)
    if failure := iam_evaluator.check_credentials(access_key):
        raise AwsError(failure.code, failure.message, 403)
    identity = iam_evaluator.resolve_caller_identity(access_key) or {}
    return IamCaller(access_key, _iam_arn(identity["userArn"]))


class Record:
    """What identities other than the account asked IAM for, and what it answered.

    It holds the calls to every service of the local AWS, and those that services make on behalf of
    a caller: each identity, action, decision and resource once, of a folder of objects or tables the
    first. `path` keeps it, as JSON, for whoever compares it with the policies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        kept = json.loads(path.read_text()) if path.exists() else []
        self._asked = {(*entry[:3], _folder(entry[3])): entry[3] for entry in kept}
        self._is_saved = True

    def install(self) -> None:
        """Take note of every decision of MiniStack's evaluator from now on, and let S3 ask for the
        key of an encrypted bucket on behalf of whoever reads or writes an object."""
        from ministack.core import iam_evaluator

        decide = iam_evaluator.enforce

        def enforce(access_key: str, action: str, service: str, region: str, **given: Any) -> Any:
            resource = given.get("resource_arn", "*")
            denied = decide(access_key, action, service, region, **given)
            if iam_evaluator.is_root_access_key(access_key or ""):
                return denied
            self._note(access_key, action, resource, denied)
            if denied or not (key := _key_of(action, resource)):
                return denied
            through = {"kms:ViaService": f"s3.{region}.amazonaws.com"}
            return enforce(access_key, _WITH_KEY[action], "kms", region, resource_arn=key,
                           service_context=through)  # fmt: skip

        iam_evaluator.enforce = enforce

    def save(self) -> None:
        """Write what is new."""
        with self._lock:
            if self._is_saved:
                return
            self._is_saved = True
            listed = sorted([*place[:3], resource] for place, resource in self._asked.items())
        write_atomically(self._path, json.dumps(listed))

    def _note(self, access_key: str, action: str, resource: str, denied: Any) -> None:
        from ministack.core import iam_evaluator

        identity = iam_evaluator.resolve_caller_identity(access_key)
        if identity is None:
            return
        decision = "denied" if denied else "allowed"
        place = (_iam_arn(identity["userArn"]), action, decision, _folder(resource))
        with self._lock:
            if place not in self._asked:
                self._asked[place] = resource
                self._is_saved = False


def _key_of(action: str, resource: str) -> str | None:
    """The KMS key of the bucket of an object that is read or written.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    from ministack.services import s3

    if action not in _WITH_KEY:
        return None
    bucket = resource.removeprefix("arn:aws:s3:::").partition("/")[0]
    key: str | None = s3._bucket_default_sse_headers(bucket).get(
        "x-amz-server-side-encryption-aws-kms-key-id"
    )
    return key


def _folder(resource: str) -> str:
    """The first two parts of a resource's path."""
    return "/".join(resource.split("/")[:3])


def _iam_arn(arn: str) -> str:
    """The ARN of the role behind a session, and any other ARN as it is."""
    parts = arn.split(":")
    if parts[2] != "sts" or not parts[5].startswith("assumed-role/"):
        return arn
    return f"arn:aws:iam::{parts[4]}:role/{parts[5].split('/')[1]}"


def _refusal(denied: Any, action: str, resource: str) -> AwsError:
    from ministack.core import iam_actions, iam_evaluator

    if isinstance(denied, iam_evaluator.AuthError):
        return AwsError(denied.code, denied.message, 403)
    message = iam_actions.identity_denial_message(
        action, denied.principal_arn, resource, denied.decision == "Deny"
    )
    return AwsError("AccessDeniedException", message)
