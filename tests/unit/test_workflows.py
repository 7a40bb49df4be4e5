"""The workflows of GitHub: what they may do, what they run, and whom the account's roles trust."""

import os
import re
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from typer.testing import CliRunner

from strata.cli import app
from strata.environment import PROJECT
from tests.template_rules import identity_policies, listed, load, of_type, statements

WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text())
    for path in sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
}
JOBS = [(name, job, body) for name, flow in WORKFLOWS.items() for job, body in flow["jobs"].items()]
OIDC = load(PROJECT / "infra" / "github_oidc.yaml")
#: Deployed by people: the network, Redshift and QuickSight, and what docs/sources.md offers beside the declared sources.
BY_HAND = {"network.yaml", "consumption.yaml", "saas_flow.yaml", "crawler.yaml", "github_oidc.yaml"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_only(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(("name", "job", "body"), JOBS)
def test_actions_are_pinned_and_keep_no_credentials(name: str, job: str, body: Any) -> None:
    for step in body.get("steps", []):
        if action := step.get("uses"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("name", "job", "body"), JOBS)
def test_an_identity_is_for_jobs_that_need_one(name: str, job: str, body: Any) -> None:
    wants = "AWS_ROLE_ARN" in body.get("env", {}) or body.get("uses") or job == "docs"
    assert ("id-token" in body.get("permissions", {})) == bool(wants)


def test_a_pull_request_plans_and_a_release_deploys_prod() -> None:
    jobs = WORKFLOWS["deploy.yml"]["jobs"]
    runs = [step["run"] for step in jobs["plan"]["steps"] if "run" in step]
    assert any("deploy --env dev --plan" in run for run in runs)
    assert not any("--yes" in run for run in runs)
    assert "head.repo.full_name == github.repository" in jobs["plan"]["if"]
    assert "'release'" in jobs["prod"]["if"] and jobs["prod"]["with"] == {"environment": "prod"}
    assert "'push'" in jobs["dev"]["if"] and WORKFLOWS["deploy.yml"]["on"]["push"] == {
        "branches": ["main"]
    }
    (deploy,) = WORKFLOWS["deploy_environment.yml"]["jobs"].values()
    # The environment's reviewers are asked, and its name is in the subject that the role trusts.
    assert deploy["environment"] == {"name": "${{ inputs.environment }}"}


def test_the_commands_of_the_workflows_exist() -> None:
    lines = [
        line
        for _, _, body in JOBS
        for step in body.get("steps", [])
        for line in step.get("run", "").splitlines()
    ]
    used = [words.split() for line in lines for words in re.findall(r"bin/strata ([^|&]+)", line)]
    assert len(used) >= 2
    for words in used:
        told = CliRunner().invoke(app, [words[0], "--help"], env={"COLUMNS": "200"}).output
        for option in (word for word in words if word.startswith("--")):
            assert option in told


class Issuer(BaseHTTPRequestHandler):
    """GitHub's token service: gives a token to who knows the job's secret."""

    def do_GET(self) -> None:  # noqa: N802
        good = self.headers["Authorization"] == "bearer secret"
        self.send_response(200 if good and "audience=sts.amazonaws.com" in self.path else 403)
        self.end_headers()
        self.wfile.write(b'{"count": 1, "value": "header.claims.signature"}')

    def log_message(self, *given: Any) -> None:
        """Nothing."""


def test_the_identity_token_is_fetched_for_the_job_alone(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Issuer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        given = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token?api=1",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        }
        script = [str(PROJECT / ".github" / "identity_token.sh")]
        codes = [
            subprocess.run(
                script,
                env={**os.environ, **given, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret},
                check=False,
                capture_output=True,
            ).returncode
            for secret in ("wrong", "secret")
        ]
        server.shutdown()
    assert (codes[0] != 0, codes[1]) == (True, 0)
    assert (tmp_path / "token").read_text() == "header.claims.signature"
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_the_roles_trust_one_repository_and_one_place_of_it() -> None:
    """https://docs.github.com/en/actions/reference/security/oidc: the subject's forms."""
    subjects = {}
    for name, role in of_type(OIDC, "AWS::IAM::Role"):
        (trust,) = statements(role["AssumeRolePolicyDocument"])
        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        (condition,) = trust["Condition"].items()
        operator, keys = condition
        assert operator == "StringEquals"
        issuer = "token.actions.githubusercontent.com"
        assert keys[f"{issuer}:aud"] == "sts.amazonaws.com"
        subjects[name] = keys[f"{issuer}:sub"]["Fn::Sub"]
        assert "PermissionsBoundary" in role
    assert subjects == {
        "DeployRole": "repo:${Repository}:environment:${Environment}",
        "PlanRole": "repo:${Repository}:pull_request",
    }


def granted(*policies: str) -> set[str]:
    """The actions that some of the template's policies allow."""
    return {
        action
        for name, policy in identity_policies(OIDC)
        if name in policies
        for statement in statements(policy)
        for action in listed(statement["Action"])
    }


def test_a_plan_executes_nothing() -> None:
    roles = dict(of_type(OIDC, "AWS::IAM::Role"))
    assert roles["PlanRole"]["ManagedPolicyArns"] == [{"Ref": "Looks"}]
    changing = re.compile(r":(?!Describe|Get|List|(Create|Delete)ChangeSet$)")
    assert [action for action in granted("Looks") if changing.search(action)] == []


#: Types whose schemas do not say it: what their own API calls are.
WITHOUT_HANDLERS = {
    "AWS::CodeBuild::Project": {
        "create": {"permissions": ["codebuild:CreateProject"]},
        "delete": {"permissions": ["codebuild:DeleteProject"]},
    },
    "AWS::LakeFormation::Resource": {
        "create": {"permissions": ["lakeformation:RegisterResource"]},
        "delete": {"permissions": ["lakeformation:DeregisterResource"]},
    },
}


def test_the_role_may_make_and_delete_every_type_of_the_templates() -> None:
    """By the permissions that the types' schemas say their handlers need."""
    types = {
        resource["Type"]
        for path in sorted((PROJECT / "infra").glob("*.yaml"))
        if path.name not in BY_HAND
        for resource in load(path)["Resources"].values()
    }
    rights = {action.lower() for action in granted("Looks", "Deploys", "Stores", "Serves")}
    # Buckets are retained; who creates a table by Glue needs no right of Lake Formation's by IAM.
    needless = {"s3:deletebucket", "lakeformation:createtable"}
    missing = set()
    # Their schemas name no permissions.
    silent = {
        "AWS::LakeFormation::Resource": {
            "lakeformation:registerresource",
            "lakeformation:deregisterresource",
        }
    }
    for kind in types:
        if kind in silent:
            missing |= silent[kind] - rights
            continue
        noun = kind.rpartition("::")[2]
        own = re.compile(
            rf"\w+:(Create|Put|Delete|Register|Deregister)(Metric)?{noun}s?", re.IGNORECASE
        )
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        handlers = schema.get("handlers") or WITHOUT_HANDLERS[kind]
        for operation in ("create", "delete"):
            needed = filter(own.fullmatch, handlers[operation]["permissions"])
            missing |= {action.lower() for action in needed} - rights - needless
    assert missing == set()
