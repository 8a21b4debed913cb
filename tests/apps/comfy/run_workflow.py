"""Run the example workflows in a real ComfyUI, and check what comes out.

Run it with the Python of that ComfyUI, in which the packages of SkyReels Avatar are installed too:

    python tests/apps/comfy/run_workflow.py --comfyui FOLDER [--keep FOLDER] [CHECK ...]

Without names of checks all are made. --keep leaves the videos in a folder.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from comfyui import ComfyUI, Run, load_seconds, node_of, started

import skyreels_avatar as sa

SIDE_PX = 256
GENERATE = "SkyReelsAvatarGenerate"


def probe(path: Path) -> dict:
    """Return the size, rate, length and loudness of a video, by decoding all of it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        fps = float(stream.average_rate)
    with av.open(str(path)) as container:
        sounds = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    sound = np.concatenate(sounds, axis=1)
    return {
        "width": frames[0].shape[1],
        "height": frames[0].shape[0],
        "frames": len(frames),
        "fps": fps,
        "sound_s": sound.shape[1] / rate,
        "rms": float(np.sqrt((sound**2).mean())),
        "change": float(np.abs(np.diff(np.stack(frames).astype(np.float32), axis=0)).mean()),
    }


def small(comfy: ComfyUI, name: str, seconds: float) -> dict[str, dict]:
    """Return an example workflow with a short voice and small pictures."""
    prompt = comfy.workflow(name)
    for node in prompt.values():
        inputs = node["inputs"]
        if node["class_type"] == "SkyReelsAvatarExample":
            inputs["seconds"] = seconds
        for side in ("width", "height"):
            if side in inputs:
                inputs[side] = SIDE_PX
    return prompt


def check_video(run: Run, path: Path, num_frames: int | None) -> dict:
    """Check that a run has made a video of the right size and length, with a sound."""
    assert run.end == "execution_success", run.message
    found = probe(path)
    assert (found["width"], found["height"]) == (SIDE_PX, SIDE_PX), found
    assert num_frames is None or found["frames"] == num_frames, found
    assert abs(found["sound_s"] - found["frames"] / found["fps"]) < 0.1, found
    assert found["rms"] > 0.005, "the sound is silent"
    assert found["change"] > 0.05, "nothing moves"
    if importlib.util.find_spec("c2pa"):
        assert sa.verify(path).state == "intact", "the signature was lost"
    return found


def temporary(comfy: ComfyUI) -> set[str]:
    """Return what lies in the temporary folder of the nodes."""
    folder = comfy.folder / "temp" / "skyreels_avatar"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


async def check_generate(comfy: ComfyUI) -> dict:
    """A portrait speaks; the networks stay loaded; an unchanged workflow is not run again."""
    prompt = small(comfy, "1_talking_portrait", 1.2)
    node = node_of(prompt, GENERATE)
    first = await comfy.run(prompt)
    found = check_video(first, first.files[-1], 30)
    values = [value for key, value, _ in first.progress if key == node]
    assert len(values) > 1 and values == sorted(values) and values[-1] == 30, first.progress
    assert any("loading" in text for text in first.texts), first.texts
    assert any("30 frames of 256x256" in text for text in first.texts), first.texts

    again = await comfy.run(prompt)
    assert node in again.cached and not again.progress, "unchanged inputs were made again"

    prompt[node]["inputs"]["seed"] = 1
    second = await comfy.run(prompt)
    check_video(second, second.files[-1], 30)
    assert node not in second.cached
    loads = load_seconds(comfy.log())
    assert len(loads) == 2 and loads[1] < 0.2 * loads[0], f"the networks were loaded again: {loads}"
    assert not any(name.startswith("run-") for name in temporary(comfy)), temporary(comfy)
    return {**found, "progress": len(values), "load_s": loads}


async def check_interrupt(comfy: ComfyUI) -> dict:
    """The stop button stops within a run, leaves no file, and the next run works."""
    prompt = small(comfy, "1_talking_portrait", 4.0)
    before, asked = temporary(comfy), []

    async def stop(run: Run) -> None:
        if not asked and run.progress[-1][1] > 0:
            asked.append(run.progress[-1][1])
            await comfy.post("/interrupt")

    run = await comfy.run(prompt, stop)
    assert run.end == "execution_interrupted", (run.end, run.message)
    assert 0 < run.progress[-1][1] < 100, run.progress
    assert temporary(comfy) == before, temporary(comfy) - before
    after = small(comfy, "1_talking_portrait", 0.6)
    check_video(done := await comfy.run(after), done.files[-1], 15)
    return {"stopped_at": run.progress[-1][1]}


async def check_errors(comfy: ComfyUI) -> dict:
    """What is wrong with the inputs is said in words that tell what to do."""
    messages = []
    for change, expected in (
        ({"text": "both"}, "give one of them"),
        ({"face": "7"}, "there is no face 7"),
        ({"face": "/etc/hostname.png"}, "face must be auto"),
    ):
        prompt = small(comfy, "1_talking_portrait", 0.5)
        prompt[node_of(prompt, GENERATE)]["inputs"].update(change)
        run = await comfy.run(prompt)
        assert run.end == "execution_error" and expected in run.message, (run.end, run.message)
        messages.append(run.message.splitlines()[0])
    return {"messages": messages}


async def check_memory(comfy: ComfyUI) -> dict:
    """ComfyUI's button for memory makes the networks go, and the next run loads them again."""
    prompt = small(comfy, "1_talking_portrait", 0.5)
    await comfy.run(prompt)
    already = len(load_seconds(comfy.log()))
    await comfy.post("/free", unload_models=True, free_memory=True)
    for _ in range(100):
        if "networks are unloaded" in comfy.log():
            break
        await asyncio.sleep(0.1)
    prompt[node_of(prompt, GENERATE)]["inputs"]["seed"] = 5
    check_video(run := await comfy.run(prompt), run.files[-1], None)
    loads = load_seconds(comfy.log())[already:]
    assert "networks are unloaded" in comfy.log() and loads[-1] > 0.05, loads
    return {"load_s": loads}


async def check_camera(comfy: ComfyUI) -> dict:
    """A text is said, two moves are chained, and the preview shows them."""
    prompt = small(comfy, "2_text_to_talking_video", 0.0)
    prompt[node_of(prompt, "SkyReelsAvatarSpeak")]["inputs"]["text"] = "Hello there."
    preview = prompt[node_of(prompt, "SkyReelsAvatarCameraPreview")]["inputs"]
    preview["seconds"] = 2.4
    for node in prompt.values():
        if node["inputs"].get("after"):
            node["inputs"]["start_s"] = 0.4  # within the text
    run = await comfy.run(prompt)
    assert run.end == "execution_success", run.message
    (silent,) = (path for path in run.files if "camera_preview" in path.name)
    with av.open(str(silent)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 60 and frames[0].shape == (SIDE_PX, SIDE_PX, 3)
    assert np.abs(frames[-1].astype(int) - frames[0]).mean() > 3, "the camera stands still"
    (spoken,) = (path for path in run.files if "text_to_talking" in path.name)
    return check_video(run, spoken, None)


async def check_retalk(comfy: ComfyUI) -> dict:
    """A video says something else, given as VIDEO and as IMAGE."""
    prompt = small(comfy, "3_retalk", 1.0)
    prompt[node_of(prompt, "SkyReelsAvatarSpeak")]["inputs"]["text"] = "Other words."
    run = await comfy.run(prompt)
    found = check_video(run, run.files[-1], None)
    made = prompt[node_of(prompt, GENERATE)]["inputs"]
    made["decode_frames"] = True
    retalk = prompt[node_of(prompt, "SkyReelsAvatarRetalk")]["inputs"]
    retalk["images"] = [retalk.pop("video")[0], 0]
    run = await comfy.run(prompt)
    assert check_video(run, run.files[-1], None)["frames"] == found["frames"]
    return found


async def check_film(comfy: ComfyUI) -> dict:
    """A film of two shots; of a changed film only the changed shot is made again."""
    prompt = small(comfy, "4_film", 0.0)
    shots = [node for node in prompt.values() if node["class_type"] == "SkyReelsAvatarShot"]
    for shot, text in zip(shots, ("Good morning.", "Hello.")):
        shot["inputs"]["text"] = text
    first = await comfy.run(prompt)
    found = check_video(first, first.files[-1], None)
    shots[1]["inputs"]["prompt"] = "a man is happy"
    second = await comfy.run(prompt)
    check_video(second, second.files[-1], found["frames"])
    node = node_of(prompt, "SkyReelsAvatarFilm")
    totals = [
        max(total for key, _, total in run.progress if key == node) for run in (first, second)
    ]
    assert totals[1] < totals[0], f"all shots were made again: {totals}"
    return {**found, "frames_made": totals}


async def check_script(comfy: ComfyUI) -> dict:
    """A film is made of a script, whose files lie in the input folder and are watched."""
    for name in ("portrait.png", "speech.wav"):
        shutil.copy(sa.example_path(name), comfy.folder / "input")
    prompt = small(comfy, "4_film", 0.0)
    node = node_of(prompt, "SkyReelsAvatarFilm")
    inputs = prompt[node]["inputs"]
    del inputs["shots"]
    inputs["script"] = (
        f"size: {SIDE_PX}x{SIDE_PX}\nshots:\n"
        "  - {image: portrait.png, audio: speech.wav, end_s: 0.6, camera: push_in:60}\n"
        "  - {image: portrait.png, audio: speech.wav, start_s: 1, end_s: 1.6}\n"
    )
    first = await comfy.run(prompt)
    found = check_video(first, first.files[-1], 30)
    assert node in (await comfy.run(prompt)).cached
    os.utime(comfy.folder / "input" / "speech.wav", (1, 1))
    assert node not in (await comfy.run(prompt)).cached
    inputs["script"] = inputs["script"].replace("portrait.png", "/etc/hostname")
    outside = await comfy.run(prompt)
    assert "only files in ComfyUI's input folder" in outside.message, outside
    return found


async def check_other_nodes(comfy: ComfyUI) -> dict:
    """ComfyUI's own nodes give what ours take, and take what ours give."""
    prompt = small(comfy, "3_retalk", 0.6)
    made, retalk = node_of(prompt, GENERATE), node_of(prompt, "SkyReelsAvatarRetalk")
    prompt[made]["inputs"]["decode_frames"] = True
    parts = {"images": [made, 0], "audio": [made, 1], "fps": [made, 3]}
    prompt |= {
        "created": {"class_type": "CreateVideo", "inputs": parts},
        "picture": {"class_type": "PreviewImage", "inputs": {"images": [retalk, 0]}},
        "sound": {
            "class_type": "SaveAudio",
            "inputs": {"audio": [retalk, 1], "filename_prefix": "sound"},
        },
        "again": {
            "class_type": "SaveVideo",
            "inputs": {
                **{"video": [retalk, 2], "filename_prefix": "again"},
                **{"format": "auto", "codec": "auto"},
            },
        },
    }
    prompt[retalk]["inputs"]["video"] = ["created", 0]
    run = await comfy.run(prompt)
    assert run.end == "execution_success", run.message
    (again,) = (path for path in run.files if path.name.startswith("again"))
    (signed,) = (path for path in run.files if path.name.startswith("retalk"))
    assert probe(again) == probe(signed)
    pictures = [path for path in run.files if path.suffix == ".png"]
    assert len(pictures) == probe(signed)["frames"] and list(comfy.folder.rglob("sound*.flac"))
    prompt[retalk]["inputs"]["decode_frames"] = False
    run = await comfy.run(prompt)
    assert run.end == "execution_error" and "switch decode_frames on" in run.message, run
    return {"pictures": len(pictures)}


CHECKS = {
    "generate": check_generate,
    "interrupt": check_interrupt,
    "errors": check_errors,
    "memory": check_memory,
    "camera": check_camera,
    "retalk": check_retalk,
    "film": check_film,
    "script": check_script,
    "other_nodes": check_other_nodes,
}


async def main(comfyui: Path, folder: Path, names: list[str], keep: Path | None) -> None:
    """Make the checks in one ComfyUI, and print what each of them has found."""
    async with started(comfyui, folder) as comfy:
        try:
            for name in names:
                print(name, await CHECKS[name](comfy), flush=True)
        except BaseException:
            print(comfy.log()[-6000:], file=sys.stderr)
            raise
        finally:
            if keep is not None:
                shutil.copytree(folder / "output", keep, dirs_exist_ok=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checks", nargs="*", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--comfyui", type=Path, required=True, help="folder of ComfyUI")
    parser.add_argument("--keep", type=Path, help="folder for the videos")
    given = parser.parse_args()
    if unknown := set(given.checks) - CHECKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; checks are {', '.join(CHECKS)}")
    with tempfile.TemporaryDirectory(prefix="comfyui-") as base:
        asyncio.run(main(given.comfyui, Path(base), given.checks or list(CHECKS), given.keep))
