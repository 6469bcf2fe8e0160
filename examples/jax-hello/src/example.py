"""Say whether JAX can be imported, and whether it sees a CUDA device."""

import sys

try:
    import jax
except ModuleNotFoundError:
    print("JAX not available!")
    sys.exit(0)
print("JAX dependency resolved!")

try:
    jax.devices("cuda")
except RuntimeError:
    print("GPU not available!")
else:
    print("GPU available!")
