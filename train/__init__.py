"""Training of the nano tier: data without pixels, one loop, a few stages. See README.md."""
