"""The jobs of the queue as tools of the Model Context Protocol, for assistants on this machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from skyreels_avatar import __version__
from skyreels_avatar.errors import AvatarError, InputError, MissingExtraError

try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.exceptions import ToolError
    from pydantic import Field
except ImportError as error:
    raise MissingExtraError("mcp", "mcp") from error

from skyreels_avatar.apps.jobs.database import Database
from skyreels_avatar.apps.jobs.inputs import checked_input
from skyreels_avatar.apps.jobs.intake import import_file
from skyreels_avatar.apps.jobs.interactive import Interactive
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.prepare import Preparer
from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.records import QUEUED, Job, NewJob, RequestError
from skyreels_avatar.apps.jobs.storage import Storage, make_data_folder
from skyreels_avatar.apps.jobs.supervisor import Supervisor
from skyreels_avatar.media.files import existing_file
from skyreels_avatar.media.outputs import check_outputs

USER = "local"
_MAX_WAIT_S = 600.0
_POLL_S = 0.4
_INSTRUCTIONS = """Talking videos from a picture (or a video), a voice and a sentence.
Each tool that makes something submits a job and returns it at once, or after `wait_s` seconds;
`get_job` waits further. Results are files on this machine. Use faces and voices only of people who
have agreed to this use."""

FilePath = Annotated[str, Field(description="path of a file on this machine")]
WaitS = Annotated[
    float, Field(ge=0, le=_MAX_WAIT_S, description="how long to wait for the job to end")
]
Consent = Annotated[
    bool,
    Field(description="true: the persons shown and heard agree to this use, or nobody is real"),
]


class JobTools:
    """What the tools do, over a queue with workers of its own.

    Args:
        data: the folder of the queue; the default one of `serve` may be shared with it.
    """

    def __init__(self, data: Path, num_workers: int = 1):
        make_data_folder(data)
        database = Database.in_folder(data)
        self.queue = JobQueue(database, Limits())
        self.storage = Storage(data, database)
        self.interactive = Interactive()
        self._supervisor = Supervisor(self.queue, self.storage, num_workers)

    @asynccontextmanager
    async def running(self, _: object) -> AsyncIterator[None]:
        """Run workers while the block runs."""
        await asyncio.to_thread(self._supervisor.start)
        try:
            yield
        finally:
            self.interactive.stop()
            await asyncio.to_thread(self._supervisor.stop)

    async def submit(
        self, kind: str, values: dict[str, Any], consent: bool | None, wait_s: float, ctx: Context
    ) -> dict[str, Any]:
        """Import the files that values name, queue a job, and wait for it."""
        if consent is False:
            raise ToolError("the job shows a person, and nobody has stated that they agree")
        job = await asyncio.to_thread(self._submit, kind, values, consent)
        return await self.wait(job.id, wait_s, ctx)

    def _submit(self, kind: str, values: dict[str, Any], consent: bool | None) -> Job:
        given = {name: value for name, value in values.items() if value not in (None, "")}
        try:
            for name in ("image", "video", "audio"):
                if name in given:
                    upload = import_file(self.storage, self.queue.limits, USER, given[name])
                    given[name] = upload.id
            stated = None if consent is None else {"statement": consent}
            new = NewJob(USER, kind, checked_input(kind, given), consent=stated)
            return Preparer(self.queue, self.storage, self.interactive).submit(new)[0]
        except RequestError as error:
            raise ToolError(f"{error.message}; {error.fix}") from error
        except AvatarError as error:
            raise ToolError(str(error)) from error

    async def wait(self, job_id: str, wait_s: float, ctx: Context) -> dict[str, Any]:
        """Return a job when it has ended or the time is over; report its progress meanwhile."""
        until = asyncio.get_running_loop().time() + wait_s
        reported = -1.0
        while True:
            job = await asyncio.to_thread(self._get, job_id)
            if job.percent > reported:
                reported = job.percent
                await ctx.report_progress(reported, 100, job.stage or job.status)
            if job.is_final or asyncio.get_running_loop().time() >= until:
                return await asyncio.to_thread(self.describe, job)
            await asyncio.sleep(_POLL_S)

    def _get(self, job_id: str) -> Job:
        try:
            return self.queue.get(USER, job_id)
        except RequestError as error:
            raise ToolError(f"{error.message}; list_jobs shows those there are") from error

    def describe(self, job: Job) -> dict[str, Any]:
        """Return a job as plain values, with the paths of its results."""
        found: dict[str, Any] = {
            "id": job.id, "kind": job.kind, "status": job.status, "stage": job.stage,
            "percent": job.percent, "seconds_left": job.seconds_left, "error": job.error,
        }  # fmt: skip
        if job.status == QUEUED:
            found["position"] = self.queue.positions([job.id]).get(job.id)
        result = dict(job.result or {})
        for key in ("video", "audio", "picture"):
            if key in result:
                result[key] = str(self.storage.job_folder(job.id) / result[key])
        return found | {"result": result or None}

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Stop a job."""
        self._get(job_id)
        return self.describe(self.queue.cancel(USER, job_id))

    def list(self, limit: int) -> list[dict[str, Any]]:
        """Return the latest jobs."""
        return [self.describe(job) for job in self.queue.list(USER, limit=limit)]

    def save(self, job_id: str, path: str) -> str:
        """Copy the result of a job to a path at which there is no file yet."""
        job = self._get(job_id)
        name = (job.result or {}).get("video") or (job.result or {}).get("audio")
        if name is None:
            raise ToolError(f"the job is {job.status} and has no result to save")
        target = Path(path).expanduser().absolute()
        try:
            check_outputs({"output": target}, [])
            with (
                target.open("xb") as file,
                (self.storage.job_folder(job_id) / name).open("rb") as source,
            ):
                shutil.copyfileobj(source, file)
        except FileExistsError as error:
            raise ToolError(f"{target} exists already; give another name") from error
        except (OSError, InputError) as error:
            raise ToolError(f"cannot write {target}: {error}") from error
        return str(target)


def create_server(tools: JobTools) -> MCPServer:
    """Return the server of the tools."""
    server = MCPServer(
        "skyreels-avatar", title="SkyReels Avatar", version=__version__,
        instructions=_INSTRUCTIONS, lifespan=tools.running, log_level="WARNING",
    )  # fmt: skip
    _add_makers(server, tools)
    _add_others(server, tools)
    return server


def _add_makers(server: MCPServer, tools: JobTools) -> None:
    @server.tool()
    async def generate_video(
        ctx: Context, image: FilePath, consent: Consent, audio: FilePath | None = None,
        text: str | None = None, voice: str | None = None, prompt: str = "",
        camera: str = "static", size: str | None = None, style: str = "natural", seed: int = 0,
        wait_s: WaitS = 0,
    ) -> dict[str, Any]:  # fmt: skip
        """Make a talking video of a portrait: give a sound (`audio`) or words to speak (`text`).

        `prompt` directs the performance ("she smiles warmly"), `camera` is a move with a strength
        in percent ("push_in:60"), `size` is like "512x512" or "720p".
        """
        values = {
            "image": image, "audio": audio, "text": text, "voice": voice, "prompt": prompt,
            "camera": camera, "size": size, "style": style, "seed": seed,
        }  # fmt: skip
        return await tools.submit("generate", values, consent, wait_s, ctx)

    @server.tool()
    async def retalk_video(
        ctx: Context, video: FilePath, consent: Consent, audio: FilePath | None = None,
        text: str | None = None, voice: str | None = None, prompt: str = "", keep: str = "face",
        length: str = "audio", seed: int = 0, wait_s: WaitS = 0,
    ) -> dict[str, Any]:  # fmt: skip
        """Let the person in a video say something else: a sound (`audio`) or words (`text`)."""
        values = {
            "video": video, "audio": audio, "text": text, "voice": voice, "prompt": prompt,
            "keep": keep, "length": length, "seed": seed,
        }  # fmt: skip
        return await tools.submit("retalk", values, consent, wait_s, ctx)

    @server.tool()
    async def speak_text(
        ctx: Context, text: str, voice: str | None = None, wait_s: WaitS = 30
    ) -> dict[str, Any]:
        """Say a text into a sound file; `list_voices` names the voices."""
        return await tools.submit("speak", {"text": text, "voice": voice}, None, wait_s, ctx)


def _add_others(server: MCPServer, tools: JobTools) -> None:
    @server.tool()
    async def get_job(ctx: Context, job_id: str, wait_s: WaitS = 0) -> dict[str, Any]:
        """Return a job: its status, stage, percent, and where its result is."""
        return await tools.wait(job_id, wait_s, ctx)

    @server.tool()
    def list_jobs(limit: Annotated[int, Field(ge=1, le=200)] = 20) -> list[dict[str, Any]]:
        """Return the latest jobs, the newest first."""
        return tools.list(limit)

    @server.tool()
    def cancel_job(job_id: str) -> dict[str, Any]:
        """Stop a job."""
        return tools.cancel(job_id)

    @server.tool()
    def save_result(job_id: str, path: FilePath) -> str:
        """Copy the result of a job that has succeeded to a path that does not exist yet."""
        return tools.save(job_id, path)

    @server.tool()
    def list_voices(language: str | None = None) -> list[dict[str, Any]]:
        """Return the voices that can speak, all or those of a language such as "de"."""
        from skyreels_avatar.media.speech import list_voices as find_voices

        try:
            found = find_voices(language)
        except AvatarError as error:
            raise ToolError(str(error)) from error
        return [
            {"name": voice.name, "title": voice.title, "languages": list(voice.languages),
             "sex": voice.sex} for voice in found if voice.installed
        ]  # fmt: skip

    @server.tool()
    def examine_file(path: FilePath) -> dict[str, Any]:
        """Tell whether a file is a picture, a sound or a video, its size and length."""
        from skyreels_avatar.apps.jobs.probe import probe_file

        try:
            source = existing_file(path, "file")
            return vars(probe_file(source.absolute(), tools.queue.limits))
        except RequestError as error:
            raise ToolError(error.message) from error
        except InputError as error:
            raise ToolError(str(error)) from error
