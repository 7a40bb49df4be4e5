"""A buildspec as one shell script, so that a variable that a command sets is there for the next.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from typing import Any

import yaml

from local_aws.errors import AwsError

_SHELLS = {"bash", "/bin/sh", "sh"}
#: `install` is left out: what it would install is in the environment of the local AWS.
_PHASES = ("pre_build", "build", "post_build")


def variables(text: str) -> dict[str, str]:
    """The plain variables of a buildspec; raises AwsError for what is not served."""
    return {
        name: str(value)
        for name, value in _parsed(text).get("env", {}).get("variables", {}).items()
    }


def shell(text: str) -> str:
    """The shell that the commands are for; CodeBuild's default is sh."""
    return str(_parsed(text).get("env", {}).get("shell", "sh"))


def script(text: str) -> str:
    """The commands of the phases.

    A command that fails ends its phase, whose `finally` still runs. `post_build` runs after a build
    that failed, and is told by CODEBUILD_BUILD_SUCCEEDING; nothing runs after a failed `pre_build`.
    https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
    """
    phases = _parsed(text)["phases"]
    lines = ["export CODEBUILD_BUILD_SUCCEEDING=1"]
    for name in _PHASES:
        phase = phases.get(name, {})
        if not phase:
            continue
        lines += [f"echo 'Entering phase {name.upper()}'", *_until_one_fails(phase["commands"])]
        lines += [f"{{ {command}\n}}" for command in phase.get("finally", [])]
        if name == "pre_build":
            lines.append('[ "$CODEBUILD_BUILD_SUCCEEDING" = 1 ] || exit 1')
    lines.append('[ "$CODEBUILD_BUILD_SUCCEEDING" = 1 ]')
    return "\n".join(lines)


def _until_one_fails(commands: list[str]) -> list[str]:
    chain = " && ".join(f"{{ {command}\n}}" for command in commands)
    return [f"{chain} || export CODEBUILD_BUILD_SUCCEEDING=0"]


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
        env = found.get("env", {})
        known = set(found) <= {"version", "env", "phases"} and set(env) <= {"shell", "variables"}
        if not (known and env.get("shell", "sh") in _SHELLS and set(found["phases"])):
            raise AwsError("InvalidInputException", "buildspec: a part of it is not served here")
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise AwsError("InvalidInputException", f"buildspec: {error}") from error
    return dict(found)
