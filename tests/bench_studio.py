"""How fast and how large the studio tier's networks are: `make bench-studio`.

Random weights at the published sizes, nothing is downloaded. Every row is the median of several
runs beside a matrix product of the same precision measured in the same process: "of peak" is the
share of its speed that is reached, so that figures of different machines compare.

`--count` needs no GPU: it counts operations and the peak of memory beside the weights, on tensors
that take none. `--tiny` runs the same code on small sizes, on any machine, to see that it works.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from skyreels_avatar.loading.checkpoints.load import kept_in_float32
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from tests.memory_counter import fused_attention
from train.video.counters import MemoryCounter

REAL = {"image_dim": 1280, "added_kv_proj_dim": 5120}
TINY = {
    "num_attention_heads": 2, "attention_head_dim": 16, "text_dim": 32, "audio_dim": 16,
    "freq_dim": 32, "ffn_dim": 64, "num_layers": 2, "image_dim": 32, "added_kv_proj_dim": 32,
}  # fmt: skip
TINY_CONTROL = {
    "embed_dim": 32, "dim": 32, "num_attention_heads": 2, "ffn_dim": 64, "num_layers": 2,
    "time_embed_dim": 32, "freq_dim": 32,
}  # fmt: skip
SIZES = {"480p": (60, 104), "720p": (90, 160), "tiny": (8, 8)}
NUM_LATENT_FRAMES, NUM_FRAMES = 21, 81
TEXT_TOKENS, PROMPT_TOKENS, IMAGE_TOKENS, AUDIO_TOKENS = 512, 40, 257, 32
NUM_WORDS = PROMPT_TOKENS + 1  # of the padding, all rows are one


@dataclass(frozen=True)
class Row:
    """One measured thing: seconds, TFLOP, its share of the peak, gigabytes at its height."""

    name: str
    seconds: float
    spread: float
    tflop: float
    of_peak: float | None
    memory_gb: float


class Bench:
    """Measures calls on one device against its own matrix product."""

    def __init__(self, device: str, runs: int):
        self.device, self.runs = torch.device(device), runs
        self.rows: list[Row] = []
        self.modules: list[torch.nn.Module] = []  # whose weights are not memory of a call
        self.peak_tflops = self._peak()

    def _peak(self) -> float:
        side = 8192 if self.device.type == "cuda" else 1024
        a, b = (torch.randn(side, side, device=self.device, dtype=torch.bfloat16) for _ in "ab")
        seconds, _ = self._timed(lambda: a @ b)
        return 2 * side**3 / seconds / 1e12

    def measure(self, name: str, call: Callable[[], object]) -> None:
        """Add the row of a call; its operations are counted in one run of its own."""
        with FlopCounterMode(display=False) as counter:
            call()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds, spread = self._timed(call)
        tflop = counter.get_total_flops() / 1e12
        memory = torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else 0.0
        of_peak = tflop / seconds / self.peak_tflops if tflop else None
        self.rows.append(Row(name, seconds, spread, tflop, of_peak, memory))
        print(table(self.rows[-1:]), file=sys.stderr, flush=True)

    def _timed(self, call: Callable[[], object]) -> tuple[float, float]:
        seconds = []
        for _ in range(self.runs + 1):
            self._wait()
            start = time.perf_counter()
            call()
            self._wait()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds[1:]), max(seconds[1:]) - min(seconds[1:])

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class CountingBench(Bench):
    """Counts calls on tensors without memory."""

    def __init__(self):
        self.device, self.rows = torch.device("meta"), []
        self.modules: list[torch.nn.Module] = []

    def measure(self, name: str, call: Callable[[], object]) -> None:
        """Add the row of a call: its operations and its peak of memory beside the weights."""
        memory = MemoryCounter(self.modules)
        with (
            fused_attention(NUM_WORDS) as attention,
            FlopCounterMode(display=False) as counter,
            memory,
        ):
            call()
        tflop = (counter.get_total_flops() + attention.flop) / 1e12
        self.rows.append(Row(name, 0.0, 0.0, tflop, None, memory.peak / 1e9))
        print(f"{name}: {tflop:.4g} TFLOP", file=sys.stderr, flush=True)


def main() -> None:
    """Measure what the command line asks for and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sizes", nargs="+", default=["480p", "720p"], choices=SIZES)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", action="store_true", help="count, on tensors without memory")
    parser.add_argument("--tiny", action="store_true", help="small networks and clips")
    parser.add_argument("--compile", action="store_true", help="compile the repeated blocks")
    parser.add_argument("--backend", help="attention backend of diffusers, for example flash")
    parser.add_argument("--offload", action="store_true", help="stream blocks from the host")
    parser.add_argument("--fp8", action="store_true", help="keep weights in 8 bits")
    parser.add_argument("--output", type=Path, help="also write the rows as JSON")
    options = parser.parse_args()
    if options.tiny:
        options.sizes = ["tiny"]
    elif options.device == "cpu" and not options.count:
        sys.exit("error: real sizes need a GPU; --count and --tiny need none")
    bench = CountingBench() if options.count else Bench(options.device, options.runs)
    with torch.no_grad(), fused_attention(NUM_WORDS) if options.count else nullcontext():
        bench_transformer(bench, options)
        bench_vae(bench, options)
    if options.count:
        print("counted, not measured; memory beside the weights\n")
        print(counted_table(bench.rows))
        if options.output:
            options.output.write_text(json.dumps([asdict(row) for row in bench.rows], indent=1))
        return
    machine = torch.cuda.get_device_name() if bench.device.type == "cuda" else "CPU"
    print(f"{machine}, torch {torch.__version__}, bf16 matmul {bench.peak_tflops:.1f} TFLOP/s\n")
    print(table(bench.rows))
    if options.output:
        options.output.write_text(json.dumps([asdict(row) for row in bench.rows], indent=1))


def bench_transformer(bench: Bench, options: argparse.Namespace) -> None:
    """Measure a pass, a pass under the ControlNet, and one block, at each size."""
    model = random_module(
        lambda: AvatarTransformer3DModel(**(TINY if options.tiny else REAL)),
        "cpu" if options.offload else bench.device,
    )
    controlnet = random_module(
        lambda: CameraControlNet(**(TINY_CONTROL if options.tiny else {})), bench.device
    )
    bench.modules += [model, controlnet]
    apply_policy(model, options, bench.device)
    for size in options.sizes:
        inputs = random_inputs(model, size, bench.device)
        control = torch.randn_like(inputs["hidden_states"][:, :16])
        name = f"transformer, {size}"
        bench.measure(f"{name}, pass", lambda inputs=inputs: model(**inputs))

        def controlled(inputs=inputs, control=control):
            residuals = controlnet(inputs["hidden_states"], control, inputs["timestep"])
            return model(**inputs, control_residuals=residuals)

        cache = ConditionCache()

        def again(inputs=inputs, cache=cache):
            return model(**inputs, cache=cache)

        again()  # the first step of a window fills them
        bench.measure(f"{name}, pass of a later step", again)
        bench.measure(f"{name}, pass under the ControlNet", controlled)
        if not options.offload:
            bench.measure(f"{name}, one block", block_call(model, inputs))


def bench_vae(bench: Bench, options: argparse.Namespace) -> None:
    """Measure encoding and decoding of a clip."""
    from diffusers import AutoencoderKLWan

    sizes = {"base_dim": 8} if options.tiny else {}
    vae = random_module(lambda: AutoencoderKLWan(**sizes), bench.device)
    bench.modules.append(vae)
    frames = 5 if options.tiny else NUM_FRAMES
    for size in options.sizes:
        height, width = SIZES[size]
        like = {"device": bench.device, "dtype": torch.bfloat16}
        latents = torch.randn(1, 16, 1 + (frames - 1) // 4, height, width, **like)
        video = torch.randn(1, 3, frames, 8 * height, 8 * width, **like)
        bench.measure(f"VAE, {size}, decode", lambda latents=latents: vae.decode(latents))
        bench.measure(f"VAE, {size}, encode", lambda video=video: vae.encode(video))


def random_module(make: Callable[[], torch.nn.Module], device) -> torch.nn.Module:
    """Return a network with random bf16 weights, made without a copy on the host."""
    with torch.device("meta"):
        module = make()
    exact = kept_in_float32(module)
    for name, values in module.named_parameters():
        values.data = values.data.to(torch.float32 if name in exact else torch.bfloat16)
    module = module.to_empty(device=device).eval().requires_grad_(False)
    for values in (*module.parameters(), *module.buffers()):
        if values.is_floating_point():
            values.normal_(0, 0.02)
    return module


def apply_policy(model: torch.nn.Module, options: argparse.Namespace, device) -> None:
    """Switch on what the command line asks for, all through diffusers."""
    if options.backend:
        model.set_attention_backend(options.backend)
    if options.fp8:
        model.enable_layerwise_casting(torch.float8_e4m3fn, torch.bfloat16)
    if options.offload:
        model.enable_group_offload(
            device, offload_type="block_level", num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )  # fmt: skip
    if options.compile:
        model.compile_repeated_blocks(fullgraph=True)


def random_inputs(model: torch.nn.Module, size: str, device) -> dict[str, torch.Tensor]:
    """Return what the transformer gets for one clip of 81 frames."""
    config = model.config
    height, width = SIZES[size]

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, device=device, dtype=torch.bfloat16)

    text = normal(TEXT_TOKENS, config.text_dim)
    text[:, PROMPT_TOKENS:] = 0  # padding
    return {
        "hidden_states": normal(config.in_channels, NUM_LATENT_FRAMES, height, width),
        "timestep": torch.tensor([500.0], device=device),
        "encoder_hidden_states": text,
        "audio_embeds": normal(NUM_LATENT_FRAMES, AUDIO_TOKENS, config.audio_dim),
        "encoder_hidden_states_image": normal(IMAGE_TOKENS, config.image_dim),
    }


def block_call(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> Callable[[], object]:
    """Return a call of the first block with the arguments that it gets in a pass."""
    caught: dict[str, tuple] = {}

    class Caught(Exception):
        pass

    def catch(_module, arguments):
        caught["arguments"] = arguments
        raise Caught

    hook = model.blocks[0].register_forward_pre_hook(catch)
    try:
        model(**inputs)
    except Caught:
        pass
    finally:
        hook.remove()
    return lambda: model.blocks[0](*caught["arguments"])


def counted_table(rows: list[Row]) -> str:
    """Return what was counted as a table in Markdown."""
    lines = ["| | TFLOP | GB |", "|---|---|---|"]
    lines += [f"| {row.name} | {row.tflop:.4g} | {row.memory_gb:.1f} |" for row in rows]
    return "\n".join(lines)


def table(rows: list[Row]) -> str:
    """Return rows as a table in Markdown."""
    lines = ["| | s | spread | TFLOP | of peak | GB |", "|---|---|---|---|---|---|"]
    for row in rows:
        share = "" if row.of_peak is None else f"{100 * row.of_peak:.0f} %"
        lines.append(
            f"| {row.name} | {row.seconds:.4g} | {row.spread:.2g} | {row.tflop:.4g} | {share} | "
            f"{row.memory_gb:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
