"""Shared fixtures: the shipped weights are loaded once, and nothing may open a socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds"


@pytest.fixture(autouse=True)
def _offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail whatever tries to reach a network: the library must work without one. A browser is driven on this machine."""
    connect = socket.socket.connect
    allowed = ("127.0.0.1", "::1", "localhost") if request.node.get_closest_marker("browser") else ()

    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        if address[0] not in allowed:
            raise AssertionError("a socket was opened")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep exported graphs in a folder of the test run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def model():
    import contradict as ct

    return ct.load_model(device="cpu", backend="torch", dtype="float32")


@pytest.fixture(scope="session")
def embedder():
    import contradict as ct

    return ct.load_embedder(device="cpu")


@pytest.fixture(scope="session")
def seed_statements():
    import contradict as ct

    return ct.read_statements(SEEDS / "statements.jsonl")
