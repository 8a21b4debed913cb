"""How a server is set up."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.run import Engine
from skyreels_avatar.errors import InputError, MissingExtraError

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        data: the folder of the database, uploads and results.
        host, port: where it listens.
        tokens: the file of users; None = one local user, on loopback alone.
        database: an address; None = SQLite in the data folder.
        workers: worker processes of this machine; 0 = workers elsewhere.
        engine: what makes windows in parallel.
        limits: of users.
        public_url: how clients reach the server, where a proxy stands before it.
        consent: whether jobs that show a person need a statement; None = with tokens.
        fetch_urls: whether inputs may be http addresses that the server fetches.
        private_addresses: whether webhooks and fetched inputs may lead into private networks.
        address_s: how long signed addresses of files are valid.
        verbose: workers print what they log.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8080
    tokens: Path | None = None
    database: str | None = None
    workers: int = 1
    engine: Engine = field(default_factory=Engine)
    limits: Limits = field(default_factory=Limits)
    public_url: str | None = None
    consent: bool | None = None
    fetch_urls: bool = False
    private_addresses: bool = False
    address_s: float = 86400.0
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.tokens is None and self.host not in LOCAL_HOSTS:
            raise InputError(
                f"host {self.host} is reachable by others, who would need tokens; give a "
                "file of tokens, or listen on 127.0.0.1",
                parameter="tokens",
            )
        if not 0 <= self.port <= 65535:
            raise InputError(f"port must be 0 to 65535, got {self.port}")
        if self.engine.name not in (None, "local", "ray"):
            raise InputError(f"engine must be local or ray, got {self.engine.name!r}")
        if self.engine.name == "ray" and importlib.util.find_spec("ray") is None:
            raise MissingExtraError("ray", "farm")
        if self.workers < 0:
            raise InputError(f"workers must be 0 or more, got {self.workers}")

    @property
    def needs_consent(self) -> bool:
        """Whether a job that shows a person needs a statement of consent."""
        return self.tokens is not None if self.consent is None else self.consent
