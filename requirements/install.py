"""Install the project into the virtual environment of the Python that runs this.

Called by the Makefile. Uses uv when it can be had, plain pip otherwise, both with the machine's
own package sources; needs the standard library alone. Versions are those of constraints.txt.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
OVERRIDES = ROOT / "requirements" / "overrides.txt"
UV = "uv==0.13.8"
EXTRAS = "dev,voice,gate,studio,edit"
# mediapipe's metadata asks for jax and an old numpy, which its face mesh does not need; plain pip
# cannot overrule that, so it installs mediapipe alone and these by name.
MEDIAPIPE_RUNS_WITH = ["absl-py", "attrs", "flatbuffers", "matplotlib", "protobuf"]
IMPORTED = ["torch", "numpy", "scipy", "PIL", "av", "soundfile", "cv2", "mediapipe", "diffusers"]


def main() -> None:
    """Install torch, then everything else, then check that it can be imported."""
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        sys.exit(f"error: Python 3.10 to 3.12 is needed, this is {sys.version.split()[0]}")
    if sys.prefix == sys.base_prefix:
        sys.exit("error: run this with the Python of a virtual environment, as `make` does")
    uv = find_uv()
    install_torch(uv)
    if not (uv and install_with_uv(uv)):
        install_with_pip()
    check_imports()


def run(*command: str, quiet: bool = False, env: dict[str, str] | None = None) -> bool:
    """Run a command and tell whether it succeeded."""
    output = subprocess.DEVNULL if quiet else None
    environment = {**os.environ, **(env or {})}
    return subprocess.run(command, stdout=output, stderr=output, env=environment).returncode == 0


def pip(*arguments: str, quiet: bool = False) -> bool:
    """Run pip of this environment."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return run(*command, quiet=quiet)


def find_uv() -> str | None:
    """Return the path of uv, installed into this environment if need be, or None."""
    own = Path(sys.executable).with_name("uv")
    if not own.exists():
        pip("install", "--quiet", UV, quiet=True)
    return str(own) if own.exists() else shutil.which("uv")


def uv_sources() -> dict[str, str]:
    """Return pip's own package sources as environment variables of uv, which reads no pip.conf."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    sources = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = names.get(key.rpartition(".")[2])
        if name and name not in os.environ:
            parts = value.strip("'\"").replace("\\n", " ").split()
            sources[name] = ("," if name == "UV_FIND_LINKS" else " ").join(parts)
    return sources


def install_torch(uv: str | None) -> None:
    """Install torch for this machine's device; one that can be imported already is kept."""
    torch = next(line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("torch="))
    if run(sys.executable, "-c", "import torch", quiet=True):
        return
    # A CUDA build is some gigabytes that a machine without GPU has no use for.
    wanted = os.environ.get("TORCH") == "cuda" or run_if_there("nvidia-smi", "-L")
    if (wanted or not brings_cuda(torch)) and pip(
        "install", "-qq", "--constraint", str(CONSTRAINTS), torch
    ):
        return
    cpu_build = ["--torch-backend=cpu", torch]
    if uv and run(uv, "pip", "install", "--quiet", "--python", sys.executable, *cpu_build):
        return
    sys.exit(
        f"error: no {torch} for CPUs was found in the package sources of this machine. Either "
        "name a source that has one in pip's configuration (find-links), or install torch into "
        ".venv by hand, or take the CUDA build of several GB with: make TORCH=cuda"
    )


def run_if_there(program: str, *arguments: str) -> bool:
    """Run a program that may be missing, and tell whether it succeeded."""
    return shutil.which(program) is not None and run(program, *arguments, quiet=True)


def brings_cuda(requirement: str) -> bool:
    """Tell whether the torch that pip would choose here depends on CUDA packages."""
    from pip._vendor.packaging.requirements import Requirement

    try:
        metadata = metadata_of(requirement)
    except LookupError:
        return True
    needs = [Requirement(text) for text in metadata.get("requires_dist", [])]
    return any(
        need.name.startswith(("nvidia", "cuda", "triton"))
        and (need.marker is None or need.marker.evaluate({"extra": ""}))
        for need in needs
    )


def install_with_uv(uv: str) -> bool:
    """Install the project and what it needs, in seconds when uv has seen the packages before."""
    print("installing with uv", flush=True)
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--index-strategy", "unsafe-best-match"]  # as pip: the best version of any source
    command += ["--compile-bytecode"]  # as pip; where Python may not, each start takes seconds more
    command += ["--overrides", str(OVERRIDES), "--constraints", str(CONSTRAINTS)]
    if run(*command, "--editable", f"{ROOT}[{EXTRAS}]", env=uv_sources()):
        return True
    print("uv could not install everything; trying pip", flush=True)
    return False


def install_with_pip() -> None:
    """Install the project and what it needs with pip alone."""
    print("installing with pip (some minutes)", flush=True)
    pinned = ("install", "-qq", "--constraint", str(CONSTRAINTS))
    # The project comes last: pip would report mediapipe's absence as an error on the way.
    try:
        wanted = needs()
    except LookupError as error:
        sys.exit(f"error: pip cannot tell what the project needs; is it older than 22.2? {error}")
    ok = pip(*pinned, *wanted, *MEDIAPIPE_RUNS_WITH)
    ok = ok and pip(*pinned, "--no-deps", "mediapipe")
    ok = ok and pip(*pinned, "--no-deps", "--editable", str(ROOT))
    if not ok:
        sys.exit("error: the packages could not be installed; see pip's messages above")


def needs() -> list[str]:
    """Return what the project asks for, but torch and mediapipe."""
    from pip._vendor.packaging.requirements import Requirement

    wanted = []
    for need in map(Requirement, metadata_of(str(ROOT)).get("requires_dist", [])):
        asked = need.marker is None or any(
            need.marker.evaluate({"extra": extra}) for extra in EXTRAS.split(",")
        )
        if asked and need.name not in ("torch", "mediapipe"):
            need.marker = None
            wanted.append(str(need))
    return wanted


def metadata_of(requirement: str) -> dict:
    """Return the metadata of the package that pip would install; nothing is installed.

    Raises:
        LookupError: there is none, or pip is too old to say.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--dry-run", "--no-deps", "--ignore-installed", "--report", "-", requirement]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise LookupError(result.stderr)
    return json.loads(result.stdout)["install"][0]["metadata"]


def check_imports() -> None:
    """Fail with the first package that is there but cannot be imported."""
    for name in IMPORTED:
        if not run(sys.executable, "-W", "ignore", "-c", f"import {name}"):
            sys.exit(f"error: {name} is installed but cannot be imported; see the message above")


if __name__ == "__main__":
    main()
