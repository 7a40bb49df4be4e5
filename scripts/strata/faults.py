"""What AWS's errors mean to whoever deploys or asks, and how to go on."""

from botocore.exceptions import ClientError

from strata.errors import StrataError

_AGAIN = "then run the same command again: it goes on where it was"
# By a word of the error's code or of a stack event's reason, the first that fits.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
_HINTS = (
    (
        ("ExpiredToken", "RequestExpired", "token included in the request is expired"),
        f"your credentials have expired: sign in again (aws sso login), {_AGAIN}",
    ),
    (
        ("AccessDenied", "not authorized to perform", "UnauthorizedOperation"),
        "ask for the right that the message names (infra/github_oidc.yaml lists what a deployment "
        f"needs), {_AGAIN}",
    ),
    (
        ("TooManyBuckets",),
        f"the account has its quota of buckets: raise it in Service Quotas or delete some, {_AGAIN}",
    ),
    (
        ("LimitExceeded", "QuotaExceeded", "exceeded the maximum", "limit exceeded"),
        "a quota of the account is reached: raise it in Service Quotas (strata doctor shows those "
        f"that matter), {_AGAIN}",
    ),
    (
        ("BucketAlreadyOwnedByYou", "BucketAlreadyExists", "AWS::S3::Bucket' with identifier"),
        "the bucket exists: kept by an earlier strata destroy (which names how to remove it), or "
        "somebody else's; bucket names are shared by all accounts. Remove it, or choose another "
        "name of the environment",
    ),
    (
        ("already exists", "AlreadyExists"),
        "something of that name was not made by this stack: remove it, or choose another name of "
        "the environment, and deploy again",
    ),
    (
        ("Throttling", "Rate exceeded", "TooManyRequests"),
        "AWS asks for patience: wait a minute, and run the same command again",
    ),
    (
        ("InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch"),
        "AWS does not know these credentials: set AWS_PROFILE (aws sso login)",
    ),
)


def hint(text: str) -> str:
    """How to go on after an error, by its code or its message; empty where nothing fits."""
    return next((way for words, way in _HINTS if any(word in text for word in words)), "")


def explained(error: ClientError) -> StrataError:
    """The error of an AWS call as a person reads it."""
    fault = error.response["Error"]
    known = hint(fault["Code"]) or hint(fault.get("Message", ""))
    return StrataError(
        str(error), known or "is everything deployed? strata deploy; strata doctor says more"
    )
