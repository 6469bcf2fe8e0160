"""Curves of loss and accuracy as one picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")  # draws to files; there is no display inside a container

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter


def draw_curves(history: list[dict[str, float]], path: Path) -> None:
    """Write loss (left) and accuracies (right) over epochs to `path`."""
    epochs = range(1, len(history) + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(epochs, [entry["loss"] for entry in history], color="tab:blue")
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    right.plot(
        epochs,
        [entry["train_accuracy"] for entry in history],
        color="tab:blue",
        label="training (shifted, dropout)",
    )
    right.plot(epochs, [entry["test_accuracy"] for entry in history], color="tab:orange", label="test")
    right.axhline(0.98, color="grey", linestyle=":", linewidth=1)
    last = history[-1]["test_accuracy"]
    right.set(title=f"Accuracy (test at the end: {last:.2%})", xlabel="epoch", ylim=(0.8, 1.005))
    right.yaxis.set_major_locator(MultipleLocator(0.02))
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path, dpi=150)
    plt.close(figure)
