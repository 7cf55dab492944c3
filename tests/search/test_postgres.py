"""A search that is kept in PostgreSQL, by a real server of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from search.chain import Chain, fail
from search.test_sharing import PLAN, check_shared

from gancompress.errors import ConfigError, StorageError
from gancompress.search.storage import check_address, name_of

PASSWORD = "very-secret"  # noqa: S105 - of a server that lives as long as a test


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    place = shutil.which("pg_ctl") or (found[-1] if found else None)
    return Path(place).parent if place else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("psycopg")
    programs = _programs()
    if programs is None:
        pytest.skip("needs a PostgreSQL server, such as apt-get install postgresql")
    # The server refuses to be root, and needs a folder of its own user's.
    user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if not os.getuid() else {}
    with tempfile.TemporaryDirectory() as root:
        if user:
            shutil.chown(root, **user)
        secret = Path(root) / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data, port = Path(root) / "data", _free_port()

        def call(*command: object) -> None:
            subprocess.run(
                [str(part) for part in command],
                check=True,
                cwd=root,
                stdout=subprocess.DEVNULL,
                timeout=60,
                **user,
            )

        call(
            *(programs / "initdb", "-D", data, "-U", "me", "-A", "scram-sha-256", "-N"),
            *("--pwfile", secret),
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {root} -c fsync=off"
        call(programs / "pg_ctl", "-D", data, "-w", "-l", f"{root}/log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            call(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def test_a_search_goes_on_and_processes_share_it(server: str) -> None:
    check_shared(server)
    # One database holds several searches: each with its own plan.
    assert Chain().search(storage=server, score=fail, **PLAN) == Chain().search(**PLAN)
    other = PLAN | {"seed": 5, "trials": 3}
    assert Chain().search(storage=server, **other) == Chain().search(**other)


def test_a_server_that_does_not_let_one_in_is_one_sentence(server: str) -> None:
    wrong = server.replace(PASSWORD, "another-secret")
    with pytest.raises(StorageError, match="cannot be used") as caught:
        Chain().search(storage=wrong)
    assert "another-secret" not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.mark.parametrize("address", ["nothing", "mysql://me:secret@host/x", "x+y://secret@z"])
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_address(address)
    assert "secret" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    assert name_of("postgresql+psycopg://me:secret@host/x") == "postgresql+psycopg://me:***@host/x"
