"""One ASGI application for one port: checks a request, then routes it by its SigV4 service."""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol

from local_aws.caller import CALLER, Caller
from local_aws.errors import AwsError

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("local_aws")

_LOOPBACK_HOST = re.compile(r"^(localhost|127\.0\.0\.1|[a-z0-9.-]+\.localhost)(:\d+)?$")
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([a-z0-9-]+)/aws4_request")
_PRESIGNED = re.compile(r"X-Amz-Credential=[^&]*?(?:%2F|/)([a-z0-9-]+)(?:%2F|/)aws4_request")
_ADMIN_PATHS = ("/_ministack", "/_localstack", "/_aws")


class JsonService(Protocol):
    """A service of AWS's JSON protocol: one call an operation, AwsError for a fault."""

    def handle(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]: ...

    def resources(self, operation: str, payload: dict[str, Any]) -> list[str]:
        """The ARNs that a caller needs the operation's action on; empty where IAM asks for `*`."""
        ...


class Gateway:
    """Our services first, MiniStack for the rest.

    `services` maps a SigV4 service name to a JsonService. Each has its own threads: a slow query
    must not keep a catalog call waiting, and nothing ever blocks the event loop. `on_fallback` is
    told of each request to MiniStack: its service, its operation (empty without the header that
    says it) and its path.
    """

    def __init__(
        self,
        services: Mapping[str, JsonService],
        fallback: Asgi,
        on_fallback: Callable[[str, str, str], None],
        identify: Callable[[Scope, Mapping[str, bytes], bytes], Caller],
    ) -> None:
        self._services = services
        self._fallback = fallback
        self._on_fallback = on_fallback
        self._identify = identify
        self._pools: dict[str, Executor] = {
            name: ThreadPoolExecutor(max_workers=32, thread_name_prefix=name) for name in services
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._fallback(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} connections are not served")
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        try:
            service = check_request(scope, headers)
        except AwsError as error:
            await _answer(send, error.status, _error_body(error))
            return
        if service in self._services:
            await self._serve(service, scope, headers, receive, send)
        else:
            await self._fallback(scope, receive, send)
            self._on_fallback(service, _operation(headers), scope["path"])

    async def _serve(
        self,
        service: str,
        scope: Scope,
        headers: Mapping[str, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        body = await _read_body(receive)
        # The REST protocol says the operation in the path.
        operation = _operation(headers) or scope["path"].strip("/")
        loop = asyncio.get_running_loop()
        try:
            payload = json.loads(body or b"{}")
            caller = self._identify(scope, headers, body)
            work = partial(self._handle, caller, service, operation, payload)
            in_context = partial(copy_context().run, work)
            result = await loop.run_in_executor(self._pools[service], in_context)
            await _answer(send, 200, result)
        except AwsError as error:
            await _answer(send, error.status, _error_body(error))
        except json.JSONDecodeError as error:
            await _answer(
                send, 400, {"__type": "SerializationException", "message": f"not JSON: {error}"}
            )
        except Exception:
            log.exception("%s.%s failed", service, operation)
            await _answer(
                send,
                500,
                {"__type": "InternalFailure", "message": f"{service}.{operation} failed: see log"},
            )

    def _handle(
        self, caller: Caller, service: str, operation: str, payload: dict[str, Any]
    ) -> dict[str, Any]:
        CALLER.set(caller)
        if not caller.is_root:
            resources = self._services[service].resources(operation, payload)
            caller.require(f"{service}:{operation}", *resources)
        return self._services[service].handle(operation, payload)


def check_request(scope: Scope, headers: Mapping[str, bytes]) -> str:
    """The SigV4 service that a request is signed for.

    Raises AwsError for a browser's request (an `Origin`), a foreign `Host`, an admin path of the
    emulator, or no signature: any page in a browser on this machine can reach a loopback port.
    """
    if "origin" in headers:
        raise AwsError("AccessDenied", "requests from browsers are refused", 403)
    if not _LOOPBACK_HOST.match(headers.get("host", b"").decode("latin-1")):
        raise AwsError("AccessDenied", "the Host is not this machine's loopback", 403)
    if scope["path"].startswith(_ADMIN_PATHS):
        raise AwsError("AccessDenied", "the emulator's admin endpoints are closed", 403)
    authorization = headers.get("authorization", b"").decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    match = _CREDENTIAL.search(authorization) or _PRESIGNED.search(query)
    if not match:
        raise AwsError("MissingAuthenticationToken", "the request is not signed", 403)
    return match[1]


def _operation(headers: Mapping[str, bytes]) -> str:
    return headers.get("x-amz-target", b"").decode("latin-1").rpartition(".")[2]


def _error_body(error: AwsError) -> dict[str, Any]:
    return {
        "__type": error.code,
        "message": error.message,
        "Message": error.message,
        **error.extra,
    }


async def _read_body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, payload: Mapping[str, Any]) -> None:
    body = json.dumps(payload, default=str).encode()
    headers = [
        (b"content-type", b"application/x-amz-json-1.1"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
