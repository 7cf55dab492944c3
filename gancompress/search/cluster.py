"""A Ray cluster: our own on this machine, or one that is there."""

import gc
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, TextIO

from gancompress.errors import ConfigError, MissingExtraError, RunError

_ADDRESS: Final = re.compile(r"auto|(?P<host>[\w.-]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5})")
_HINT: Final = "give HOST:PORT as `ray start --head` shows it, or 'auto' on one of its nodes"
# Seconds for a cluster to answer. Ray itself waits for minutes, and then ends the process.
_ANSWER: Final = 15.0
# Where the user has not said otherwise: no statistics, and no warning about future releases.
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# Ray reads these when it is imported: the first keeps its ports off the network, the second lets
# nobody in who does not know the token.
_CLOSED: Final = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
_TOKEN: Final = "RAY_AUTH_TOKEN"  # noqa: S105 - the name of the variable
# Ray has no setting for what this thread of it prints.
_LISTENER: Final = "ray_listen_error_messages"
_LOOPBACK: Final = "127.0.0.1"
# The least that Ray takes is 75 MiB.
_STORE: Final = 100 * 2**20


def check_address(address: str) -> None:
    """Refuse what cannot be the address of a cluster; nothing is asked yet.

    Args:
        address: What a user gave.

    Raises:
        ConfigError: If it is neither ``auto`` nor ``HOST:PORT``.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"] or 1) not in range(1, 2**16):
        raise ConfigError(f"'{address}' is no address of a Ray cluster", hint=_HINT)


def check_ray() -> None:
    """Make sure that Ray is installed, without importing it: the environment counts at that time.

    Raises:
        MissingExtraError: If it is not.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("ray", "ray")


def check_cluster(address: str) -> None:
    """Make sure that a cluster answers, in a process that may hang or crash over it.

    Args:
        address: ``auto`` or ``HOST:PORT``.

    Raises:
        ConfigError: If it is neither, or no cluster answers there.
        MissingExtraError: If Ray is not installed.
    """
    check_address(address)
    check_ray()
    if address != "auto":
        _check_answer(address)


def import_ray() -> Any:
    """Import Ray.

    Returns:
        The module.

    Raises:
        MissingExtraError: If it is not installed.
    """
    check_ray()
    return import_module("ray")


@contextmanager
def joined(address: str) -> Iterator[Any]:
    """Join a cluster, and leave it as it is at the end.

    Args:
        address: ``auto`` or ``HOST:PORT``. This machine must be one of the cluster's nodes.

    Yields:
        The module ``ray``, connected.

    Raises:
        ConfigError: If the address cannot be used, or no cluster answers there.
        MissingExtraError: If Ray is not installed.
    """
    check_address(address)
    ray = import_ray()
    if ray.is_initialized():  # the calling program's own connection, which it goes on with
        yield ray
        return
    check_cluster(address)
    with _environment(), _connected(ray, address=address):
        yield ray


@contextmanager
def own_cluster(cpus: int, payload: int = 0) -> Iterator[Any]:
    """Start a cluster on this machine that only this process can use, and end it.

    It has no dashboard, sends no usage statistics, and asks for a token that no other user of the
    machine knows. It listens on the loopback address alone, unless the program has imported Ray
    before: how that listens is settled then.

    Args:
        cpus: Processors that it counts, whether the machine has them or not.
        payload: Bytes that the workers are sent.

    Yields:
        The module ``ray``, connected.

    Raises:
        MissingExtraError: If Ray is not installed.
        RunError: If it does not start.
    """
    check_ray()
    _close_to_others()
    with _environment():
        ray = import_ray()
        if ray.is_initialized():
            yield ray
            return
        # A socket's path may have a hundred characters, and Ray adds seventy.
        base = None if len(tempfile.gettempdir()) < 16 else "/tmp"  # noqa: S108
        folder = tempfile.TemporaryDirectory(prefix="ray-", dir=base, ignore_cleanup_errors=True)
        options = {
            "num_cpus": cpus,
            "num_gpus": 0,
            "include_dashboard": False,
            "object_store_memory": _STORE + 2 * payload,
            "_node_ip_address": _LOOPBACK,
        }
        with folder as at, _connected(ray, address="local", _temp_dir=at, **options):
            yield ray


@contextmanager
def _connected(ray: Any, **options: Any) -> Iterator[None]:
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        try:
            ray.init(
                log_to_driver=False, configure_logging=False, ignore_reinit_error=False, **options
            )
        except (ConnectionError, RuntimeError, ValueError, AssertionError) as error:
            raise _explained(options["address"], error) from error
        finally:
            if main:  # Ray puts its own in place, for good
                signal.signal(signal.SIGTERM, before)
        with redirect_stdout(_WithoutRay(sys.stdout)):
            yield
    finally:
        # Ray counts its actors and objects from the same number in every cluster, so a handle of
        # this one that is freed later would take an actor of the next one with it.
        gc.collect()
        ray.shutdown(wait_for_processes=True)


def _explained(address: str, error: Exception) -> ConfigError | RunError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if address == "local":
        return RunError(
            f"Ray cannot be started on this machine: {first}",
            hint="search without --workers, or see the whole story with --traceback",
        )
    return ConfigError(f"the Ray cluster at '{address}' cannot be joined: {first}", hint=_HINT)


def _check_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except OSError as error:
        raise ConfigError(
            f"no Ray cluster answers at '{address}': {error.strerror or error}", hint=_HINT
        ) from None
    words = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the address was checked
            words, capture_output=True, timeout=_ANSWER, check=False, text=True
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"what answers at '{address}' is no Ray cluster", hint=_HINT) from None
    if done.returncode != 0:
        told = (done.stderr.strip().splitlines() or ["it gives no reason"])[-1]
        raise ConfigError(f"the Ray cluster at '{address}' cannot be joined: {told}", hint=_HINT)


class _WithoutRay:
    """Standard output without what a thread of Ray's prints there about nodes and workers that end.

    Who employs them says so in an event, in a sentence and not in twenty lines.

    Args:
        stream: Where all else goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name == _LISTENER:
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _close_to_others() -> None:
    """Set what closes our own cluster to others, as far as that is not settled yet.

    Ray reads it once in a process, which has to start its processes with the same ever after.
    """
    if "ray" not in sys.modules or _TOKEN in os.environ:
        for name, value in {**_CLOSED, _TOKEN: secrets.token_hex(32)}.items():
            os.environ.setdefault(name, value)
    # Else the program has imported Ray before, which then makes a token of its own.


@contextmanager
def _environment() -> Iterator[None]:
    """Set what Ray and its processes read, inside the block only."""
    added = {name: value for name, value in _QUIET.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
