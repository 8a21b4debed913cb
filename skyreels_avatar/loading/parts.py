"""Which network the weights of a part fill."""

from __future__ import annotations

from pathlib import Path


def network_of(part: str, weights: object) -> str:
    """Return the class name of the network that weights fill; they need not be there."""
    from skyreels_avatar.loading.checkpoints.load import is_ours, read_header
    from skyreels_avatar.loading.components import part_classes

    if not is_ours(weights):
        return "AutoencoderKLWan"
    cls = part_classes()[part]
    name = read_header(weights)[0] if Path(weights).is_file() else cls.__name__
    return cls.__name__ if name in getattr(cls, "former_names", ()) else name
