"""The networks and estimators of a tier: tensors in, tensors out."""

from skyreels_avatar.models.lean import import_diffusers

import_diffusers()
