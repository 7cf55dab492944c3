"""Where a search is kept: memory, a SQLite file, or a database server; opened and closed."""

import random
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import optuna
from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from gancompress.errors import ConfigError, MissingExtraError, RunError, StorageError

# A path is a SQLite file; a text is the address of a database, such as
# ``postgresql+psycopg://me@host/searches``.
Storage: TypeAlias = Path | str | None

# Two processes that make the tables of one new database meet each other's.
_ATTEMPTS: Final = 5
_FAILURES: Final = (SQLAlchemyError, optuna.exceptions.StorageInternalError)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's log and its notes about experimental parts, inside the block only."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def check_address(address: str) -> URL:
    """Read the address of a database, so that a mistake in it is found early.

    Args:
        address: Such as ``postgresql+psycopg://me@host/searches``.

    Raises:
        ConfigError: If it is none, or of a database that is not supported. No message holds it:
            an address may hold a password.
        MissingExtraError: If the database's driver is not installed.
    """
    hint = "write it like postgresql+psycopg://user@host/database or sqlite:////folder/file"
    try:
        url = make_url(address)
        if url.get_backend_name() not in {"postgresql", "sqlite"}:
            raise ConfigError(
                f"a search cannot be kept in a database of '{url.get_backend_name()}'", hint=hint
            )
        url.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ConfigError("the 'storage' is no address of a database", hint=hint) from None
    except ImportError as error:
        raise MissingExtraError(error.name or "psycopg", "postgres") from None
    return url


def name_of(storage: Storage) -> str:
    """Say what to call a storage in a message: without its password.

    Args:
        storage: The storage.
    """
    if isinstance(storage, str):
        return make_url(storage).render_as_string(hide_password=True)
    return str(storage)


@contextmanager
def opened(storage: Storage) -> Iterator[optuna.storages.BaseStorage]:
    """Open a storage, and close it at the end.

    Args:
        storage: SQLite file or address of a database; None keeps everything in memory.

    Yields:
        Optuna's storage.

    Raises:
        ConfigError: If an address cannot be used.
        RunError: If a file is something else.
        StorageError: If it cannot be written, then or inside the block; what was kept stays.
    """
    if storage is None:
        yield optuna.storages.InMemoryStorage()
        return
    backend = _connect(storage)
    try:
        yield backend
    except _FAILURES as error:
        raise _cannot_write(storage, error) from error
    finally:
        backend.remove_session()
        backend.engine.dispose()


def _connect(storage: Path | str) -> optuna.storages.RDBStorage:
    if isinstance(storage, str):
        url = check_address(storage)
    else:
        # Not by hand: a path may hold what means something in an address.
        url = URL.create("sqlite", database=str(storage.absolute()))
    for attempt in range(_ATTEMPTS):
        try:
            if isinstance(storage, Path):
                storage.parent.mkdir(parents=True, exist_ok=True)
            return _database(url)
        except (OSError, *_FAILURES) as error:
            met = isinstance(error, IntegrityError) or "already exists" in str(error)
            if attempt == _ATTEMPTS - 1 or not met:
                raise _cannot_open(storage, error) from error
        time.sleep(random.random())  # noqa: S311 - not for cryptography
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover


def _database(url: URL) -> optuna.storages.RDBStorage:
    waiting = {"timeout": 60} if url.get_backend_name() == "sqlite" else {}
    with quiet():
        return optuna.storages.RDBStorage(
            url.render_as_string(hide_password=False),
            engine_kwargs={"connect_args": waiting, "pool_pre_ping": True},
        )


def _cannot_open(storage: Path | str, error: Exception) -> RunError:
    if isinstance(storage, str) or isinstance(innermost(error), sqlite3.OperationalError):
        return _cannot_write(storage, error)
    return RunError(
        f"'{storage}' is no record of a search: {str(error).splitlines()[0]}",
        hint="move the file away, or give another one",
    )


def _cannot_write(storage: Path | str, error: Exception) -> StorageError:
    if isinstance(storage, Path) and not storage.exists():
        return StorageError(
            f"'{storage}' was removed while the search went on",
            hint="start the same command again: it searches anew",
        )
    cause = (str(innermost(error)).strip().splitlines() or ["no reason is given"])[0]
    if isinstance(storage, str):
        return StorageError(
            f"'{name_of(storage)}' cannot be used: {cause}",
            hint="look at the server, and start the same command again: scored subnets are kept",
        )
    return StorageError(
        f"'{storage}' cannot be written: {cause}",
        hint="make room and start the same command again: scored subnets are kept",
    )


def innermost(error: BaseException) -> BaseException:
    """Return the first cause of an error.

    Optuna wraps SQLAlchemy's error, which wraps the driver's: the last one says what happened.

    Args:
        error: The error.
    """
    return error if error.__cause__ is None else innermost(error.__cause__)
