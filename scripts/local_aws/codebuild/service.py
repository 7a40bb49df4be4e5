"""CodeBuild's API: projects whose builds run in a subprocess, with the rights of the project's role.

Kept from the service: the source as a zip in S3, the buildspec of the project, variables and their
overrides, the states of a build, the time-out, the limit of builds at once, logs, an event when a
build ends. Not kept: images and compute types, the `install` phase, artifacts, caches, reports,
batches, VPCs, secrets as variables; what a project asks of these is ignored.
https://docs.aws.amazon.com/codebuild/latest/APIReference/Welcome.html
"""

import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from local_aws import arns, operations
from local_aws.codebuild import buildspec
from local_aws.codebuild.runner import Runner
from local_aws.codebuild.store import Store
from local_aws.errors import AwsError

Json = dict[str, Any]
#: Puts an event of a service on the default bus: its type, the service and the detail.
Emit = Callable[[str, str, Json], None]

_OPERATIONS = {
    "CreateProject", "UpdateProject", "DeleteProject", "BatchGetProjects", "ListProjects",
    "StartBuild", "StopBuild", "BatchGetBuilds", "ListBuildsForProject",
}  # fmt: skip
_DEFAULT_TIMEOUT = 60


class CodeBuild:
    """The service over its `store`; `clock` stamps the builds, `runner` runs them."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], runner: Runner, emit: Emit
    ) -> None:
        self._store = store
        self._clock = clock
        self._runner = runner
        self._emit = emit
        self._lock = threading.Lock()
        for build in store.builds():
            if not build["buildComplete"]:  # the local AWS stopped while it ran
                store.save_build(self._ended(build, "FAULT"))

    def handle(self, operation: str, payload: Json) -> Json:
        """Answer `operation`; raises AwsError, also for what is not served here."""
        if operation not in _OPERATIONS:
            raise AwsError(
                "InvalidInputException", f"codebuild:{operation} is not served by the local AWS"
            )
        return operations.call(self, operation, payload, "InvalidInputException")

    def resources(self, operation: str, payload: Json) -> list[str]:
        """The projects that an operation is about: IAM knows no builds."""
        named = [payload.get("name"), payload.get("projectName"), *payload.get("names", [])]
        builds = [payload.get("id"), *payload.get("ids", [])]
        projects = [name for name in named if name]
        projects += [id_.rpartition("build/")[2].partition(":")[0] for id_ in builds if id_]
        return [arns.arn("codebuild", f"project/{name}") for name in dict.fromkeys(projects)]

    # Projects

    def create_project(self, *, name: str, **definition: Any) -> Json:
        """Create a project; its buildspec must be one that is served."""
        buildspec.script(definition["source"]["buildspec"])
        project = {"name": name, "arn": arns.arn("codebuild", f"project/{name}"), **definition}
        if not self._store.add_project(project):
            raise AwsError("ResourceAlreadyExistsException", f"Project already exists: {name}")
        return {"project": project}

    def update_project(self, *, name: str, **definition: Any) -> Json:
        """Change what is given of a project."""
        project = {**self._project(name), **definition}
        buildspec.script(project["source"]["buildspec"])
        self._store.replace_project(project)
        return {"project": project}

    def delete_project(self, *, name: str) -> Json:
        """Delete a project; one that does not exist is no error."""
        self._store.delete_project(name)
        return {}

    def batch_get_projects(self, *, names: list[str]) -> Json:
        """Projects by their names."""
        found = {name: self._store.project(name) for name in names}
        return {
            "projects": [project for project in found.values() if project],
            "projectsNotFound": [name for name, project in found.items() if project is None],
        }

    def list_projects(self, **_: Any) -> Json:
        """The names of all projects."""
        return {"projects": [project["name"] for project in self._store.projects()]}

    # Builds

    def start_build(
        self,
        *,
        projectName: str,
        environmentVariablesOverride: list[Json] | None = None,
        **_: Any,
    ) -> Json:
        """Start a build; raises AccountLimitExceededException as `concurrentBuildLimit` says."""
        project = self._project(projectName)
        with self._lock:
            earlier = self._store.builds(project["name"])
            running = [build for build in earlier if not build["buildComplete"]]
            if len(running) >= project.get("concurrentBuildLimit", 60):
                raise AwsError(
                    "AccountLimitExceededException",
                    f"Cannot have more than {len(running)} builds of {project['name']} at once",
                )
            build = self._build(project, environmentVariablesOverride or [], len(earlier) + 1)
            self._store.save_build(build)
        threading.Thread(target=self._run, args=(project, build), daemon=True).start()
        return {"build": build}

    def stop_build(self, *, id: str) -> Json:  # noqa: A002
        """Stop a build; its state is STOPPED when its process has ended."""
        if (build := self._store.build(id)) is None:
            raise AwsError("ResourceNotFoundException", f"Build not found: {id}")
        if not build["buildComplete"]:
            self._runner.stop(build["id"])
        return {"build": build}

    def batch_get_builds(self, *, ids: list[str]) -> Json:
        """Builds by their ids."""
        found = {id_: self._store.build(id_) for id_ in ids}
        return {
            "builds": [build for build in found.values() if build],
            "buildsNotFound": [id_ for id_, build in found.items() if build is None],
        }

    def list_builds_for_project(self, *, projectName: str, **_: Any) -> Json:
        """The ids of a project's builds, newest first."""
        project = self._project(projectName)
        return {"ids": [build["id"] for build in self._store.builds(project["name"])]}

    def _project(self, name: str) -> Json:
        if (project := self._store.project(name)) is None:
            raise AwsError("ResourceNotFoundException", f"Project cannot be found: {name}")
        return project

    def _build(self, project: Json, override: list[Json], number: int) -> Json:
        stream = str(uuid.uuid4())
        id_ = f"{project['name']}:{stream}"
        own = project.get("environment", {}).get("environmentVariables", [])
        values = {one["name"]: one for one in [*own, *override]}
        logs = project.get("logsConfig", {}).get("cloudWatchLogs", {})
        return {
            "id": id_,
            "arn": arns.arn("codebuild", f"build/{id_}"),
            "projectName": project["name"],
            "buildNumber": number,
            "buildStatus": "IN_PROGRESS",
            "buildComplete": False,
            "currentPhase": "BUILD",
            "startTime": self._clock().timestamp(),
            "timeoutInMinutes": project.get("timeoutInMinutes", _DEFAULT_TIMEOUT),
            "serviceRole": project["serviceRole"],
            "source": project["source"],
            "environment": {
                **project.get("environment", {}),
                "environmentVariables": list(values.values()),
            },
            "logs": {
                "groupName": logs.get("groupName", f"/aws/codebuild/{project['name']}"),
                "streamName": stream,
            },
        }

    def _run(self, project: Json, build: Json) -> None:
        status = self._runner.run(build)
        if self._store.project(project["name"]) is None:
            return
        self._store.save_build(self._ended(build, status))
        self._tell(build, status)

    def _ended(self, build: Json, status: str) -> Json:
        return {
            **build,
            "buildStatus": status,
            "buildComplete": True,
            "currentPhase": "COMPLETED",
            "endTime": self._clock().timestamp(),
        }

    def _tell(self, build: Json, status: str) -> None:
        """https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications-ref.html"""
        self._emit("CodeBuild Build State Change", "aws.codebuild", {
            "build-status": status,
            "project-name": build["projectName"],
            "build-id": build["arn"],
            "current-phase": "COMPLETED",
            "version": "1",
        })  # fmt: skip
