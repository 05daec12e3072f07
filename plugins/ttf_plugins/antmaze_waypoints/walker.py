"""The walker: a trained network that makes an ant run towards a place nearby."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The walker was trained to see nothing beyond these standard deviations.
_CLIP = 10


@dataclass(frozen=True)
class Walker:
    """A network of two tanh layers; what it sees is turned so that the place to go lies along +x."""

    mean: NDArray[np.float64]  # (27,)
    std: NDArray[np.float64]  # (27,)
    weights: list[NDArray[np.float64]]  # (128, 27), (128, 128), (8, 128)
    biases: list[NDArray[np.float64]]  # (128,), (128,), (8,)

    def actions(self, bodies: NDArray[np.float64], directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Actions (B, 8), not clipped, for bodies (B, 27) that should go along directions (B, 2)."""
        hidden = np.clip((turned(bodies, directions) - self.mean) / self.std, -_CLIP, _CLIP)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.tanh(hidden @ weight.T + bias)
        actions: NDArray[np.float64] = hidden @ self.weights[-1].T + self.biases[-1]
        return actions


def load_walker() -> Walker:
    """The walker of this package, in double precision: what it does must not depend on the size of a batch."""
    with (
        as_file(files(__package__) / "ant_walker.npz") as path,
        np.load(path, allow_pickle=False) as arrays,
    ):
        exact = {name: arrays[name].astype(np.float64) for name in arrays.files}
    layers = range(3)
    return Walker(exact["mean"], exact["std"], [exact[f"w{i}"] for i in layers], [exact[f"b{i}"] for i in layers])


def turned(bodies: NDArray[np.float64], directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bodies (B, 27) as seen from frames whose x axes are the directions (B, 2).

    A body is height, quaternion w x y z, 8 joint angles, velocity x y z, angular velocity, 8 joint velocities.
    """
    angle = -np.arctan2(directions[:, 1], directions[:, 0])
    w, x, y, z = bodies[:, 1:5].T
    c, s = np.cos(angle / 2), np.sin(angle / 2)
    quaternion = np.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], axis=1)
    quaternion *= np.where(quaternion[:, :1] < 0, -1.0, 1.0)  # q and -q are the same rotation
    c, s = np.cos(angle), np.sin(angle)
    vx, vy = bodies[:, 13:15].T
    seen = bodies.copy()
    seen[:, 1:5] = quaternion
    seen[:, 13:15] = np.stack([c * vx - s * vy, s * vx + c * vy], axis=1)
    return seen


def fallen(bodies: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which bodies (B, 27) lie on their backs."""
    upright: NDArray[np.bool_] = bodies[:, 2] ** 2 + bodies[:, 3] ** 2 <= 0.5
    return ~upright
