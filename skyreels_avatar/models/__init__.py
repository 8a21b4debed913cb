"""The networks and estimators of a tier: tensors in, tensors out."""
