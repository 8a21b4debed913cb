"""The public verbs: generate, retalk, render, plan, speak, voices, doctor."""
