"""The data provider over gRPC, on loopback: generic handlers over bytes, without generated code."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import (
    InvalidArgumentError,
    MissingDependencyError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
)
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordfs.tensorboard.provider import DataProvider

__all__ = ["Server", "serve"]

SERVICE = "tensorboard.data.TensorBoardDataProvider"

UNARY = (
    "GetExperiment",
    "ListPlugins",
    "ListRuns",
    "ListScalars",
    "ReadScalars",
    "ListTensors",
    "ReadTensors",
    "ListBlobSequences",
    "ReadBlobSequences",
)

_MESSAGE_SIZE = 256 << 20
"""What TensorBoard's client takes."""

_log = logging.getLogger("recordfs")


class Server(NamedTuple):
    """A server that is running.

    Attributes:
        address: What to give TensorBoard as ``--grpc_data_provider``.
        stop: Ends it.
    """

    address: str
    stop: Callable[[], None]


def serve(provider: DataProvider, *, threads: int = 16) -> Server:
    """Start to answer on a free port of the loopback interface.

    Every user of this machine can ask there; nobody from another machine can.

    Raises:
        MissingDependencyError: grpcio is not installed; TensorBoard depends on it.
    """
    try:
        import grpc
    except ImportError as missing:
        raise MissingDependencyError(
            'this needs TensorBoard; pip install "recordfs[tensorboard]" brings it'
        ) from missing
    handlers = {name: grpc.unary_unary_rpc_method_handler(_answering(grpc, getattr(provider, name))) for name in UNARY}
    handlers["ReadBlob"] = grpc.unary_stream_rpc_method_handler(_streaming(grpc, provider.ReadBlob))
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="recordfs-grpc"),
        options=[
            ("grpc.max_send_message_length", _MESSAGE_SIZE),
            ("grpc.max_receive_message_length", _MESSAGE_SIZE),
            ("grpc.so_reuseport", 0),
        ],
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return Server(f"127.0.0.1:{port}", lambda: server.stop(None))


def _answering(grpc: Any, call: Callable[[bytes], bytes]) -> Callable[[bytes, Any], bytes]:
    def answer(request: bytes, context: Any) -> bytes:
        try:
            return call(request)
        except RecordFSError as error:
            context.abort(_status(grpc, error), redact(str(error)))
            raise
        except Exception:
            _log.exception("a request from TensorBoard could not be answered")
            raise

    return answer


def _streaming(grpc: Any, call: Callable[[bytes], Iterator[bytes]]) -> Callable[[bytes, Any], Iterator[bytes]]:
    def answer(request: bytes, context: Any) -> Iterator[bytes]:
        try:
            yield from call(request)
        except RecordFSError as error:
            context.abort(_status(grpc, error), redact(str(error)))

    return answer


def _status(grpc: Any, error: RecordFSError) -> Any:
    """Return the status that TensorBoard turns into 400, 404 and 403; others become 500."""
    if isinstance(error, InvalidArgumentError):
        return grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, NotFoundError):
        return grpc.StatusCode.NOT_FOUND
    if isinstance(error, PermissionDeniedError):
        return grpc.StatusCode.PERMISSION_DENIED
    return grpc.StatusCode.UNAVAILABLE
