"""Install the project with pip into the virtual environment of this Python; called by `make`."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = "dev,voice,gate,studio,provenance,serve,mcp,live"
if sys.version_info < (3, 14):  # OpenTimelineIO has no wheel for 3.14; building it needs a compiler
    EXTRAS += ",edit"
TORCH = "torch==2.13.0"
MODULES = {
    "pillow": "PIL",
    "opencv-python-headless": "cv2",
    "pyyaml": "yaml",
    "pytest-xdist": "xdist",
    "c2pa-python": "c2pa",
    "hibari-tts": "hibari",
    "pipecat-ai": "pipecat",
    "livekit-agents": "livekit.agents",
}
PINS = ("--constraint", str(ROOT / "requirements" / "constraints.txt"))
PIP = (sys.executable, "-m", "pip", "install", "-qq", *PINS)
NO_TORCH = f"""error: no CPU build of {TORCH} was found. Each of these brings a torch:
  - PyTorch's own package index for CPUs, see pytorch.org:  PIP_EXTRA_INDEX_URL=... make
  - a folder with the wheel:  PIP_FIND_LINKS=... make
  - the CUDA build, which runs without a GPU too (3 GB to download):  make TORCH=cuda
  - a torch of your own, 2.6 or newer:  .venv/bin/pip install ..., then make"""


def main() -> None:
    """Install torch, then everything else, then import every package."""
    if sys.prefix == sys.base_prefix:
        sys.exit("error: this is not a virtual environment; install with `make`")
    remove_half_installed(Path(metadata.distribution("pip").locate_file("")))
    print("installing torch: a minute or two, 200 MB to download for CPUs", flush=True)
    gpu = shutil.which("nvidia-smi") and not run("nvidia-smi", "-L")
    asked = os.environ.get("TORCH", "")
    install_torch(asked or ("cuda" if gpu else "cpu"), may_be_other=not asked)
    print("installing the other packages: 2 to 5 minutes, 400 MB to download", flush=True)
    if subprocess.call([*PIP, "--editable", f"{ROOT}[{EXTRAS}]"]):
        sys.exit("error: not everything could be installed, see above; `make` goes on from here")
    print("importing every package", flush=True)
    needed = re.findall(r'"([a-z0-9_-]+)>=', (ROOT / "pyproject.toml").read_text())
    check_imports([name for name in needed if is_installed(name)])


def run(*command: str) -> str:
    """Run a command quietly and return the last line of what went wrong, or nothing."""
    done = subprocess.run(command, capture_output=True, text=True)
    problem = done.stderr.strip() or f"exit code {done.returncode}"
    return problem.splitlines()[-1] if done.returncode else ""


def is_installed(name: str) -> bool:
    """Tell whether a package is there, whether or not it can be imported."""
    return any(metadata.distributions(name=name))


def remove_half_installed(packages: Path) -> None:
    """Forget packages whose installation was cut short; pip writes these two files last."""
    for package in packages.glob("*.dist-info"):
        if not all((package / name).exists() for name in ("INSTALLER", "RECORD")):
            shutil.rmtree(package)


def install_torch(build: str, may_be_other: bool) -> None:
    """Install the "cuda" or the "cpu" build of torch; for CPUs, one that can be imported stays."""
    if build == "cuda" or platform.system() != "Linux":  # elsewhere every build is for CPUs
        if subprocess.call([*PIP, f"{TORCH},!={TORCH[7:]}+cpu"]):
            sys.exit("error: torch could not be installed, see above")
    elif run(sys.executable, "-c", "import torch") and (problem := run(*PIP, f"{TORCH}+cpu")):
        # What pip finds without a local version is the CUDA build. uv knows PyTorch's own index.
        uv = (sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *PINS)
        if run(*PIP, "uv") or run(*uv, "--torch-backend=cpu", TORCH):
            print(f"no CPU build of {TORCH} was found ({problem})", flush=True)
            if not may_be_other:
                sys.exit(NO_TORCH)
            print("taking the CUDA build, which runs on CPUs, too: 3 GB to download", flush=True)
            install_torch("cuda", may_be_other)


def check_imports(packages: "list[str]") -> None:
    """Import every package; one that fails is installed again, once."""
    for name in packages:
        module = MODULES.get(name, name.replace("-", "_"))
        importing = (sys.executable, "-W", "ignore", "-c", f"import {module}")
        if run(*importing):
            print(f"{name} cannot be imported; installing it again", flush=True)
            again = ("--force-reinstall", "--no-deps", "--only-binary=:all:")
            subprocess.run([*PIP, *again, f"{name}=={metadata.version(name)}"])
            if problem := run(*importing):
                sys.exit(f"error: {name} does not work here ({problem}); try: rm -r .venv; make")


if __name__ == "__main__":
    main()
