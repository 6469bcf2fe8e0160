"""shipway: a spec is resolved to a lock, planned into layers, built into a store, assembled as an image, and run."""

__version__ = "0.1.0"
