"""Data that need no file: scikit-learn's digits, and toy sets of the plane."""

import numpy as np
import torch

from adv_ae.data.base import Dataset, Split


def digits(seed: int = 0) -> Dataset:
    """Scikit-learn's 1,797 handwritten digits, 8x8, divided by 16.

    Split with the shares of the classes kept (stratified): 497 test first, then the
    other 1,300 into 1,100 train and 200 valid.

    Args:
        seed: of the two splits.

    Returns:
        x `float32` in [0, 1], (N, 64), 17 grey levels; y 0..9.

    References:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998,
        https://doi.org/10.24432/C50P49 (CC BY 4.0): its test part.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(
        np.arange(len(labels)), train_size=1300, stratify=labels, random_state=seed
    )
    train, valid = train_test_split(
        rest, train_size=1100, stratify=labels[rest], random_state=seed
    )
    x = torch.from_numpy(images / 16).float()
    y = torch.from_numpy(labels).long()
    splits = [Split(x[i], y[i]) for i in map(torch.from_numpy, (train, valid, test))]
    return Dataset("digits", splits[0], splits[1], splits[2], (8, 8))


def _mixture(centers: np.ndarray, n: int, std: float, seed: int) -> Split:
    """Draws of a Gaussian mixture with equal weights; y is the component."""
    rng = np.random.default_rng(seed)
    y = rng.integers(len(centers), size=n)
    x = centers[y] + std * rng.standard_normal((n, 2))
    return Split(torch.from_numpy(x).float(), torch.from_numpy(y))


def gaussian_grid(
    n: int, side: int = 5, spacing: float = 2.0, std: float = 0.05, seed: int = 0
) -> Split:
    """A mixture of side x side Gaussians on a square grid about the origin.

    Args:
        n: number of draws.
        side: centers along each axis; 5 gives {-4, -2, 0, 2, 4}^2.
        spacing: between neighboring centers.
        std: of each component, along each axis.
        seed: of the draws.

    Returns:
        x (n, 2); y the component, side * (index along x_0) + (index along x_1).

    References:
        Dumoulin et al., "Adversarially Learned Inference", 2017,
        https://arxiv.org/abs/1606.00704, section 4.5 (25 components).
    """
    axis = spacing * (np.arange(side) - (side - 1) / 2)
    centers = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    return _mixture(centers.reshape(-1, 2), n, std, seed)


def gaussian_ring(
    n: int, k: int = 8, radius: float = 2.0, std: float = 0.05, seed: int = 0
) -> Split:
    """A mixture of k Gaussians evenly spaced on a circle about the origin.

    Returns:
        x (n, 2); y the component, the first at (radius, 0), then counterclockwise.
    """
    angle = 2 * np.pi * np.arange(k) / k
    centers = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return _mixture(centers, n, std, seed)


def swiss_roll(n: int, seed: int = 0) -> Split:
    """A spiral in the plane, one and a half turns, its radius uniform in 1..3.

    Scikit-learn's roll seen along its axis, divided by 3 pi / 2; no noise.

    Returns:
        x (n, 2); y 0..9, the tenth of the roll from the inside, each as likely.
    """
    from sklearn.datasets import make_swiss_roll

    x, t = make_swiss_roll(n, noise=0.0, random_state=seed)
    radius = t / (1.5 * np.pi)  # uniform in [1, 3)
    y = np.minimum(5 * (radius - 1), 9).astype(np.int64)
    return Split(torch.from_numpy(x[:, ::2] / (1.5 * np.pi)).float(), torch.tensor(y))


def two_moons(n: int, noise: float = 0.1, seed: int = 0) -> Split:
    """Two interleaved half circles of radius 1 (scikit-learn's `make_moons`).

    Args:
        n: number of draws; half of them on each moon.
        noise: standard deviation added along each axis.
        seed: of the draws.

    Returns:
        x (n, 2); y 0 for the upper moon about (0, 0), 1 for the lower about (1, 0.5).
    """
    from sklearn.datasets import make_moons

    x, y = make_moons(n, noise=noise, random_state=seed)
    return Split(torch.from_numpy(x).float(), torch.from_numpy(y).long())
