"""A real ComfyUI without a screen: started with our nodes, given workflows, listened to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = ROOT / "apps" / "comfy" / "example_workflows"
_START_S, _RUN_S = 180.0, 400.0
_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


@dataclass
class Run:
    """What ComfyUI told about one workflow.

    Attributes:
        end: "execution_success", "execution_error" or "execution_interrupted".
        message: of the error.
        progress: (node, value, maximum) of every report.
        texts: lines that nodes showed.
        cached: nodes that were not run again.
        files: what output nodes wrote.
    """

    end: str = ""
    message: str = ""
    progress: list[tuple[str, float, float]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def to_prompt(workflow: dict, node_types: dict) -> dict[str, dict]:
    """Return what /prompt takes of a workflow as it is saved by the editor.

    Args:
        node_types: what /object_info says about every node.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] not in node_types:
            assert "Note" in node["type"], f"ComfyUI has no node {node['type']}"
            continue
        given = node_types[node["type"]]["input"]
        values, inputs = list(node["widgets_values"]), {}
        for name, spec in {**given.get("required", {}), **given.get("optional", {})}.items():
            if isinstance(spec[0], list) or spec[0] in _WIDGETS:
                inputs[name] = values.pop(0)
                if len(spec) > 1 and spec[1].get("control_after_generate"):
                    values.pop(0)
        assert not values, f"{node['type']} has more values than fields: {values}"
        for socket_ in node["inputs"]:
            if socket_["link"] is not None:
                inputs[socket_["name"]] = sources[socket_["link"]]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def node_of(prompt: dict[str, dict], kind: str) -> str:
    """Return the id of the only node of a class."""
    (found,) = (key for key, node in prompt.items() if node["class_type"] == kind)
    return found


class ComfyUI:
    """A running ComfyUI; use `started`."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path, log: Path):
        self.session, self.folder, self._log = session, folder, log
        self.node_types: dict[str, Any] = {}

    def log(self) -> str:
        """Return what it has printed."""
        return self._log.read_text(errors="replace")

    def workflow(self, name: str) -> dict[str, dict]:
        """Return an example workflow in the form that /prompt takes."""
        text = (WORKFLOWS / f"{name}.json").read_text(encoding="utf-8")
        return to_prompt(json.loads(text), self.node_types)

    async def post(self, path: str, **values: Any) -> dict:
        """Post JSON, and return the answer."""
        async with self.session.post(path, json=values) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            return json.loads(text) if text else {}

    async def run(
        self, prompt: dict[str, dict], on_progress: Callable[[Run], Any] | None = None
    ) -> Run:
        """Run a workflow to its end.

        Args:
            on_progress: awaited after every report of progress.
        """
        run, client = Run(), f"test-{time.monotonic_ns()}"
        async with self.session.ws_connect(f"/ws?clientId={client}", max_msg_size=0) as messages:
            queued = await self.post("/prompt", prompt=prompt, client_id=client)
            async with asyncio.timeout(_RUN_S):
                async for message in messages:
                    if self._take(message, queued["prompt_id"], run):
                        break
                    if on_progress and run.progress:
                        await on_progress(run)
        return run

    def _take(self, message: aiohttp.WSMessage, prompt_id: str, run: Run) -> bool:
        """Write down one message, and tell whether it was the last."""
        if message.type == aiohttp.WSMsgType.BINARY:
            if int.from_bytes(message.data[:4], "big") == 3:  # a line of text of a node
                start = 8 + int.from_bytes(message.data[4:8], "big")
                run.texts.append(message.data[start:].decode())
            return False
        content = json.loads(message.data)
        kind, values = content["type"], content["data"]
        if values.get("prompt_id") not in (None, prompt_id):
            return False
        if kind == "progress":
            run.progress.append((values["node"], values["value"], values["max"]))
        elif kind == "execution_cached":
            run.cached += values["nodes"]
        elif kind == "executed":
            for file in (values["output"] or {}).get("images", []):
                run.files.append(self.folder / file["type"] / file["subfolder"] / file["filename"])
        elif kind in _ENDS:
            run.end, run.message = kind, values.get("exception_message", "")
            return True
        return False


@contextlib.asynccontextmanager
async def started(comfyui: Path, folder: Path) -> AsyncIterator[ComfyUI]:
    """Provide a ComfyUI with our nodes and nobody else's.

    Args:
        comfyui: its checkout, in which nothing is changed.
        folder: for its models, inputs, outputs and temporary files.
    """
    for name in ("custom_nodes", "models", "input", "output"):
        (folder / name).mkdir(parents=True)
    (folder / "custom_nodes" / "skyreels-avatar").symlink_to(ROOT / "apps" / "comfy")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "main.py", "--cpu", "--port", str(port), "--disable-api-nodes"),
        *("--base-directory", str(folder), "--database-url", "sqlite:///:memory:"),
    ]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "XDG_DATA_HOME": str(folder / "data"),  # for the key that videos are signed with
    }
    log = folder / "comfyui.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=comfyui, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            running = ComfyUI(session, folder, log)
            await _wait_until_ready(running, process)
            yield running
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


async def _wait_until_ready(running: ComfyUI, process: subprocess.Popen) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(aiohttp.ClientError):
            async with running.session.get("/object_info") as answer:
                running.node_types = await answer.json()
                return
        await asyncio.sleep(0.3)
    raise RuntimeError(f"ComfyUI did not start:\n{running.log()[-4000:]}")


def load_seconds(log: str) -> list[float]:
    """Return how long the networks took to load in each run of which a log tells."""
    return [float(found) for found in re.findall(r"frames of .*\bload ([\d.]+) s", log)]
