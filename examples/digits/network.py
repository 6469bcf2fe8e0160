"""The network: two convolutions, one pooling, two dense layers; about 38 000 weights."""

from __future__ import annotations

import equinox as eqx
import jax


class DigitNet(eqx.Module):
    """Ten scores for one image of shape (1, 8, 8)."""

    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d
    pool: eqx.nn.MaxPool2d
    hidden: eqx.nn.Linear
    drop: eqx.nn.Dropout
    scores: eqx.nn.Linear

    def __init__(self, key: jax.Array):
        keys = jax.random.split(key, 4)
        self.first = eqx.nn.Conv2d(1, 16, kernel_size=3, padding=1, key=keys[0])
        self.second = eqx.nn.Conv2d(16, 32, kernel_size=3, padding=1, key=keys[1])
        self.pool = eqx.nn.MaxPool2d(kernel_size=2, stride=2)
        self.hidden = eqx.nn.Linear(32 * 4 * 4, 64, key=keys[2])
        self.drop = eqx.nn.Dropout(0.3)
        self.scores = eqx.nn.Linear(64, 10, key=keys[3])

    def __call__(self, image: jax.Array, key: jax.Array | None = None) -> jax.Array:
        """`key`: randomness for dropout; not needed in inference mode."""
        features = jax.nn.relu(self.first(image))
        features = self.pool(jax.nn.relu(self.second(features)))
        features = self.drop(jax.nn.relu(self.hidden(features.ravel())), key=key)
        return self.scores(features)
