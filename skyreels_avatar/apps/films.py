"""Films made by one process or by many: what `sa.render` is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyreels_avatar.film.render import FilmResult, MakeWindows
from skyreels_avatar.film.render import render as render_here

if TYPE_CHECKING:
    from skyreels_avatar.script import Script


def render(
    script: Script | str | Path,
    output: str | Path = "film.mp4",
    *,
    engine: str | None = None,
    workers: int | None = None,
    address: str | None = None,
    **settings: Any,
) -> FilmResult:
    """Make a film; what an earlier run of the same film has made is not made again.

    Args:
        script: a Script, or the path of a YAML file; see `read_script`.
        output: an .mp4 file; it appears when it is complete.
        engine: "local" makes windows of all shots side by side in processes of this machine, "ray"
            on a Ray cluster; None makes them one after the other, unless `workers` are given.
        workers: how many, with an engine; None = as many as there is room for.
        address: of a Ray cluster that runs; None starts one on this machine.
        settings: tier, seed, num_inference_steps, guidance_scale, audio_guidance_scale, only,
            resume, work and on_progress, as in `film.render.render`.

    Raises:
        ScriptError: the script has problems; all that were found.
        InputError: something else that was given cannot be used.
        CheckpointError: weights of the tier are missing or damaged.
        MissingExtraError: Ray is asked for and not installed.
        Cancelled: `on_progress` returned False. Finished shots are kept.
    """
    many = engine is not None or workers is not None
    make = _side_by_side(engine or "local", workers, address) if many else None
    return render_here(script, output, make_windows=make, **settings)


def _side_by_side(engine: str, workers: int | None, address: str | None) -> MakeWindows:
    from skyreels_avatar.apps.farm import make_windows

    def make(requests, folder, on_progress):
        return make_windows(requests, folder, engine, workers, address, on_progress)

    return make
