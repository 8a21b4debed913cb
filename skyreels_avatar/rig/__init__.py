"""The face rig: coefficients, fields, warp and the renderer of the mouth."""
