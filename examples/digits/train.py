"""Train a small convolutional network on the UCI digits and write what is worth keeping to `runs/`.

    python train.py [--epochs 45] [--batch-size 128] [--learning-rate 3e-3] [--seed 0] [--runs runs]

Leaves `runs/weights.eqx`, `runs/metrics.json`, `runs/curves.png` and TensorBoard event files.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from network import DigitNet
from plot import draw_curves
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tensorboardX import SummaryWriter

TEST_SHARE = 0.25


class Split(NamedTuple):
    """Images of 8 x 8 pixels with values from 0 to 1, shaped (n, 1, 8, 8), and their digits."""

    images: np.ndarray
    labels: np.ndarray


class Epoch(NamedTuple):
    """What one pass over the training images came to."""

    loss: float
    train_accuracy: float
    test_accuracy: float


def load(seed: int) -> tuple[Split, Split]:
    """The 1797 images that scikit-learn carries, divided into training and test images."""
    data = load_digits()
    images = (data.images[:, None] / 16).astype(np.float32)
    labels = data.target.astype(np.int32)
    parts = train_test_split(images, labels, test_size=TEST_SHARE, stratify=labels, random_state=seed)
    return Split(parts[0], parts[2]), Split(parts[1], parts[3])


def shift(key: jax.Array, images: jax.Array) -> jax.Array:
    """Every other image moved by up to one pixel up, down, left or right: people do not write in the middle."""
    key_choice, key_offset = jax.random.split(key)
    offsets = jax.random.randint(key_offset, (images.shape[0], 2), 0, 3)
    padded = jnp.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))

    def cut(image: jax.Array, offset: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (0, offset[0], offset[1]), (1, 8, 8))

    chosen = jax.random.bernoulli(key_choice, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(chosen, jax.vmap(cut)(padded, offsets), images)


def loss_of(
    model: DigitNet, images: jax.Array, labels: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Mean cross-entropy, and how many are right."""
    logits = jax.vmap(model)(images, jax.random.split(key, images.shape[0]))
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (logits.argmax(axis=1) == labels).sum()


@eqx.filter_jit
def accuracy(model: DigitNet, images: jax.Array, labels: jax.Array) -> jax.Array:
    """The share of images that the model reads right."""
    logits = jax.vmap(eqx.nn.inference_mode(model))(images)
    return (logits.argmax(axis=1) == labels).mean()


def make_step(optimiser: optax.GradientTransformation):
    """One step of training, compiled once."""

    @eqx.filter_jit
    def step(model, state, images, labels, key):
        key_shift, key_drop = jax.random.split(key)
        moved = shift(key_shift, images)
        (loss, right), grads = eqx.filter_value_and_grad(loss_of, has_aux=True)(
            model, moved, labels, key_drop
        )
        updates, state = optimiser.update(grads, state, eqx.filter(model, eqx.is_array))
        return eqx.apply_updates(model, updates), state, loss, right

    return step


def train(
    model: DigitNet, train_set: Split, test_set: Split, options: argparse.Namespace, writer: SummaryWriter
):
    """Train and report after every epoch; returns the model and all epochs."""
    batches = len(train_set.labels) // options.batch_size
    schedule = optax.cosine_decay_schedule(options.learning_rate, batches * options.epochs)
    optimiser = optax.adamw(schedule, weight_decay=1e-4)
    state = optimiser.init(eqx.filter(model, eqx.is_array))
    step = make_step(optimiser)
    key = jax.random.key(options.seed)
    order = np.random.default_rng(options.seed)
    history: list[Epoch] = []
    for number in range(1, options.epochs + 1):
        began = time.perf_counter()
        losses, right = [], 0
        for chosen in np.array_split(
            order.permutation(len(train_set.labels))[: batches * options.batch_size], batches
        ):
            key, use = jax.random.split(key)
            model, state, loss, good = step(
                model, state, train_set.images[chosen], train_set.labels[chosen], use
            )
            losses.append(float(loss))
            right += int(good)
        epoch = Epoch(
            loss=float(np.mean(losses)),
            train_accuracy=right / (batches * options.batch_size),
            test_accuracy=float(accuracy(model, test_set.images, test_set.labels)),
        )
        history.append(epoch)
        for name, value in epoch._asdict().items():
            writer.add_scalar(name, value, number)
        bar = "#" * round(20 * number / options.epochs)
        print(
            f"epoch {number:3}/{options.epochs} [{bar:20}] loss {epoch.loss:.4f}  train {epoch.train_accuracy:6.2%}"
            f"  test {epoch.test_accuracy:6.2%}  {time.perf_counter() - began:.1f} s",
            flush=True,
        )
    return model, history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args()

    began = time.perf_counter()
    train_set, test_set = load(options.seed)
    print(
        f"{len(train_set.labels)} images to train on, {len(test_set.labels)} to test on; devices: {jax.devices()}",
        flush=True,
    )
    model = DigitNet(jax.random.key(options.seed))
    count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array)))
    print(f"{count} weights; the first epoch takes longer, for the step is compiled", flush=True)

    options.runs.mkdir(parents=True, exist_ok=True)
    with SummaryWriter(str(options.runs)) as writer:
        model, history = train(model, train_set, test_set, options, writer)
    eqx.tree_serialise_leaves(options.runs / "weights.eqx", model)
    draw_curves([epoch._asdict() for epoch in history], options.runs / "curves.png")
    seconds = time.perf_counter() - began
    last = history[-1]
    summary = {
        "test_accuracy": last.test_accuracy,
        "epochs": options.epochs,
        "seconds": round(seconds, 1),
        "weights": count,
    }
    (options.runs / "metrics.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(f"test accuracy {last.test_accuracy:.2%} after {seconds:.1f} s; see {options.runs}/")


if __name__ == "__main__":
    main()
