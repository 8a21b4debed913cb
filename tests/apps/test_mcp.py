"""The tools of the Model Context Protocol, through the SDK's own client."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

pytest.importorskip("mcp", reason="needs the extra mcp")
pytest.importorskip("sqlalchemy", reason="needs the extra mcp")

from skyreels_avatar.apps.mcp import JobTools, create_server
from tests.samples import write_portrait, write_voice

TOOLS = {
    "generate_video", "retalk_video", "speak_text", "get_job", "list_jobs", "cancel_job",
    "save_result", "list_voices", "examine_file",
}  # fmt: skip
SERVE = "from skyreels_avatar.cli import main; main()"


async def _call(session, name, **values):
    answer = await session.call_tool(name, values)
    text = answer.content[0].text if answer.content else ""
    return answer.structured_content, text if answer.is_error else None


def test_every_tool_says_what_it_takes(tmp_path):
    server = create_server(JobTools(tmp_path / "data", 0))
    tools = asyncio.run(server.list_tools())
    assert {tool.name for tool in tools} == TOOLS
    assert all(tool.description for tool in tools)


def test_jobs_are_listed_canceled_and_refused(tmp_path, monkeypatch):
    from mcp import Client

    from tests.apps.sending import HereInteractive, trust_files

    trust_files(monkeypatch)
    tools = JobTools(tmp_path / "data", 0)
    tools.interactive = HereInteractive()
    image = str(write_portrait(tmp_path))

    async def talk():
        async with Client(create_server(tools)) as session:
            values = {"image": image, "text": "Hello.", "consent": True}
            job, problem = await _call(session, "generate_video", **values)
            assert problem is None and job["status"] == "queued" and job["position"] == 0
            for change, said in [({"consent": False}, "nobody has stated"),
                                 ({"camera": "fly:5"}, "fly"), ({"text": ""}, "audio"),
                                 ({"image": "/no/such.png"}, "not found")]:  # fmt: skip
                _, problem = await _call(session, "generate_video", **{**values, **change})
                assert said in problem
            listed, _ = await _call(session, "list_jobs")
            assert [one["id"] for one in listed["result"]] == [job["id"]]
            _, problem = await _call(session, "save_result", job_id=job["id"], path=image)
            assert "no result" in problem
            canceled, _ = await _call(session, "cancel_job", job_id=job["id"])
            assert canceled["status"] == "canceled"
            _, problem = await _call(session, "get_job", job_id="job_x")
            assert "no such job" in problem

    asyncio.run(talk())


@pytest.mark.slow
def test_a_video_is_made_over_stdio(tmp_path, root):
    from mcp import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client

    image, audio, saved = write_portrait(tmp_path), write_voice(tmp_path, 0.8), tmp_path / "a.mp4"
    parameters = StdioServerParameters(
        command=sys.executable, args=["-c", SERVE, "mcp", "--data", str(tmp_path / "data")],
        env={"PYTHONPATH": str(root), "PATH": os.environ["PATH"]},
    )  # fmt: skip

    async def talk():
        seen = []

        async def on_progress(done, total, message):
            seen.append((done, total, message))

        async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
            await session.initialize()
            values = {"image": str(image), "audio": str(audio), "size": "96x96", "consent": True}
            answer = await session.call_tool(
                "generate_video", {**values, "wait_s": 120}, progress_callback=on_progress,
                read_timeout_seconds=150,
            )  # fmt: skip
            job = answer.structured_content
            assert job["status"] == "succeeded" and seen[-1][0] == 100
            await session.call_tool("save_result", {"job_id": job["id"], "path": str(saved)})
            _, problem = await _call(session, "save_result", job_id=job["id"], path=str(saved))
            assert "exists already" in problem

    asyncio.run(talk())
    assert saved.read_bytes()[4:8] == b"ftyp"
