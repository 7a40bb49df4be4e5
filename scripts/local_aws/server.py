"""Puts the local AWS together and serves it."""

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

import boto3
import uvicorn
from botocore.config import Config

from local_aws import iam, ministack
from local_aws.clock import Clock
from local_aws.cloudwatch import evaluation
from local_aws.codebuild import step_functions
from local_aws.codebuild.runner import Runner
from local_aws.codebuild.service import CodeBuild
from local_aws.codebuild.store import Store as BuildStore
from local_aws.dms.service import DmsService
from local_aws.dms.store import Store as DmsStore
from local_aws.dms.workers import Workers
from local_aws.firehose import workers as firehose
from local_aws.firehose.streams import DeliveryStreams
from local_aws.firehose.workers import FirehoseWorkers
from local_aws.functions import Functions
from local_aws.gateway import Asgi, Gateway, JsonService
from local_aws.glue.catalog import GlueCatalog
from local_aws.glue.governed import GovernedCatalog
from local_aws.glue.jobs import GlueJobs
from local_aws.glue.service import GlueService
from local_aws.glue.triggers import GlueTriggers
from local_aws.kinesis import Streams, Trim
from local_aws.lake_formation.service import LakeFormation
from local_aws.lake_formation.store import Store
from local_aws.lambda_streams import workers as lambda_streams
from local_aws.lambda_streams.workers import LambdaStreams
from local_aws.settings import ACCOUNT, REGION, ROOT_KEY, Settings

_SAVE_SECONDS = 3
log = logging.getLogger("local_aws")


def run(settings: Settings) -> None:
    """Serve the local AWS until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    settings.state.mkdir(parents=True, exist_ok=True)
    ministack.configure(settings)
    served = application(settings)
    # What was imported stays, and batches of records are many objects without a cycle.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvicorn.run(
        served,
        host="127.0.0.1",
        port=settings.port,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )


def application(settings: Settings) -> Asgi:
    """The ASGI application of one local AWS; its services live as long as the server."""
    from local_aws.athena.api import metrics
    from local_aws.athena.service import AthenaService
    from local_aws.cloudformation import register

    clock = Clock(settings.state)
    client = client_factory(settings.endpoint)
    catalog = GlueCatalog(settings.state / "glue" / "catalog.db", clock.now, ACCOUNT)
    job_state = settings.state / "glue" / "jobs.db"
    jobs = GlueJobs(job_state, clock.now, client, settings.endpoint, ministack.emit_event)
    triggers = GlueTriggers(job_state, clock.now, jobs, ministack.next_cron)
    permissions = Store(settings.state / "lake_formation.json")
    governed = GovernedCatalog(catalog, permissions, iam.acting)
    glue = GlueService(governed, jobs, triggers)
    athena = AthenaService(
        catalog=governed,
        governance=governed,
        s3=client("s3"),
        disk_path=ministack.object_path,
        clock=clock.now,
        state_dir=settings.state / "athena",
        publish=lambda execution: client("cloudwatch").put_metric_data(
            Namespace=metrics.NAMESPACE, MetricData=metrics.data(execution)
        ),
    )
    firehose_state = settings.state / "firehose"
    streams = DeliveryStreams(
        firehose_state / "streams.json", clock.now, f"arn:aws:firehose:{REGION}:{ACCOUNT}"
    )
    fallback = ministack.load()
    kinesis, functions = Streams(clock), Functions()
    of_role = client_of_role(settings.endpoint)
    trim = Trim(kinesis)
    mappings = LambdaStreams(
        settings.state / "lambda_streams",
        lambda_streams.World(
            kinesis, functions, clock, of_role, iam.acting, ministack.record_metric, trim
        ),
    )
    workers = FirehoseWorkers(
        streams,
        firehose_state,
        firehose.World(
            kinesis, clock, of_role, iam.acting, functions.invoke, ministack.record_metric, trim
        ),
    )
    trim.readers = [workers, mappings]
    store = DmsStore(settings.state / "dms" / "dms.json")
    databases = settings.state / "sources"
    replications = Workers(store, databases, clock, lambda role: of_role(role, "s3"))
    dms = DmsService(store, replications, clock.now, f"arn:aws:dms:{REGION}:{ACCOUNT}")
    alarms = evaluation.AlarmEvaluation(client, clock.now)
    ministack.keep_alarms(clock.now, evaluation.check)
    lake_formation = LakeFormation(permissions)
    runner = Runner(of_role, settings.endpoint)
    builds = BuildStore(settings.state / "codebuild.db")
    codebuild = CodeBuild(builds, clock.now, runner, ministack.emit_event)
    step_functions.register(codebuild)
    register(athena, glue, streams, dms, lake_formation, codebuild)
    own: dict[str, JsonService] = {"athena": athena, "glue": glue, "firehose": streams, "dms": dms}
    own |= {"lakeformation": lake_formation, "codebuild": codebuild}
    asked = iam.Record(settings.state / "control" / "asked_of_iam.json")
    asked.install()
    iam.know_the_keys_of_writes()
    saver = Saver(asked)
    gateway = Gateway(own, fallback, saver.note, iam.identify)

    @asynccontextmanager
    async def background() -> AsyncIterator[None]:
        for service in (workers, triggers, alarms, mappings):
            threading.Thread(target=service.run, daemon=True).start()
        replications.resume()
        saving = asyncio.create_task(saver.run())
        yield
        saving.cancel()
        with suppress(asyncio.CancelledError):
            await saving
        await asyncio.to_thread(asked.save)
        workers.close()
        triggers.close()
        alarms.close()
        mappings.close()
        runner.close()
        await asyncio.to_thread(replications.close)
        athena.close()

    return _with_background(gateway, background)


def client_factory(endpoint: str) -> Any:
    """A function that gives the boto3 client of a service of the local AWS, one for each."""
    session = boto3.Session(
        aws_access_key_id=ROOT_KEY, aws_secret_access_key=ROOT_KEY, region_name=REGION
    )
    lock = threading.Lock()
    config = Config(
        max_pool_connections=64,
        retries={"max_attempts": 2},
        s3={"addressing_style": "path"},
        read_timeout=900,
    )

    @cache
    def client(service: str) -> Any:
        with lock:
            return session.client(service, endpoint_url=endpoint, config=config)

    return client


def client_of_role(endpoint: str) -> Callable[[str, str], Any]:
    """A function that gives the client of a service with the rights of a role, one for each.

    Services ask each other over TLS, which policies of buckets may demand.
    """

    def over_tls(request: Any, **_: Any) -> None:
        request.headers["X-Forwarded-Proto"] = "https"

    @cache
    def client(role: str, service: str) -> Any:
        made = boto3.Session(*ministack.act_as(role), region_name=REGION).client(
            service, endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"})
        )
        made.meta.events.register("before-send", over_tls)
        return made

    return client


class Saver:
    """Saves the control plane after it has changed.

    A `kill -9` loses at most its last seconds, and the metrics since; data is on disk already.
    """

    def __init__(self, asked: iam.Record) -> None:
        self._changed: set[str] = set()
        self._asked = asked

    def note(self, service: str, operation: str, path: str) -> None:
        """Take note of a request to MiniStack."""
        if not ministack.is_of_data(service, operation, path):
            self._changed.add(service)

    async def run(self) -> None:
        """Save every few seconds, where there is something to save."""
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            if self._changed:
                changed, self._changed = self._changed, set()
                await asyncio.to_thread(ministack.save_control_plane, changed)
            await asyncio.to_thread(self._asked.save)


def _with_background(app: Asgi, background: Any) -> Asgi:
    """Run `background` between the start and the end of the ASGI lifespan."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        context = background()

        async def send_and_follow(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                await context.__aenter__()
            if message["type"] == "lifespan.shutdown.complete":
                await context.__aexit__(None, None, None)
            await send(message)

        await app(scope, receive, send_and_follow)

    return wrapped
