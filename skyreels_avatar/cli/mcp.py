"""`skyreels-avatar mcp`: the jobs as tools for AI assistants, over standard input and output."""

from __future__ import annotations

from skyreels_avatar.cli.serve import Data, NumWorkers


def mcp_command(data: Data = None, workers: NumWorkers = 1) -> None:
    """Serve the jobs as Model Context Protocol tools over stdio."""
    # The tools first: they say which extra brings what is missing.
    from skyreels_avatar.apps.mcp import JobTools, create_server  # isort: skip
    from skyreels_avatar.apps.jobs.storage import default_data_folder
    from skyreels_avatar.checks import user_path

    folder = default_data_folder() if data is None else user_path(data).absolute()
    create_server(JobTools(folder, workers)).run("stdio")
