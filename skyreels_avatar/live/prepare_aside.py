"""Make an avatar while streams run: in another process, which comes after theirs."""

from __future__ import annotations

import logging
import os
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.live import forking
from skyreels_avatar.live.avatar import Avatar
from skyreels_avatar.live.prepare import prepare
from skyreels_avatar.loading.components import Components
from skyreels_avatar.parallel import send

logger = logging.getLogger(__name__)
_NICE = 10
_PATIENCE_S = 120.0  # it takes 3 s on an idle machine, and comes after everything else


def prepare_aside(image: str | Path, size: str | None, face: str, parts: Components) -> Avatar:
    """Do what `prepare` does in a process of low priority; where there is none, here.

    Raises:
        InputError: as `prepare`.
    """
    if not forking.is_possible():
        return prepare(image, size, face, parts)
    process, connection = forking.start(_run, image, size, face, parts)
    made = None
    try:
        if connection.poll(_PATIENCE_S):
            made = connection.recv()
    except (EOFError, OSError):
        pass
    finally:
        connection.close()
        process.kill()
        process.join()
    if made is None:
        logger.warning("the process that prepares an avatar has ended; this one prepares it")
        return prepare(image, size, face, parts)
    if isinstance(made, AvatarError):
        raise made
    return Avatar.of(*made)


def _run(
    connection: Connection, image: str | Path, size: str | None, face: str, parts: Components
) -> None:
    os.nice(_NICE)
    try:
        with torch.no_grad():
            made = prepare(image, size, face, parts).packed()
    except AvatarError as error:  # others take arguments that a pipe does not keep
        made = error if isinstance(error, InputError) else AvatarError(str(error))
    send(connection, made)
