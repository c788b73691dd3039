"""CIFAR-10 and SVHN: color pictures of 32x32, from files that are checked by sha256."""

import io
import tarfile
from collections.abc import Mapping

import numpy as np
import torch

from adv_ae.data.base import Dataset, Split
from adv_ae.data.files import Source, fetch, local

_SHAPE = (3, 32, 32)  # channel, row, column: the order of a row of x
_ARCHIVE = "cifar-10-binary.tar.gz"
_TRAIN_SHEETS = tuple(f"train_{i}.webp" for i in range(1, 6))
_CIFAR10 = Source(
    "cifar10",
    ("https://www.cs.toronto.edu/~kriz/",),
    {
        _ARCHIVE: (
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170_052_171,
        ),
        "train_1.webp": (
            "c865176d1ba041707262d71906b5b2503109b855e34946bcaab6a49820010d6a",
            17_106_638,
        ),
        "train_2.webp": (
            "fbfca2c0afde1e7156546ee398f63d7673c4e37b7a75b646f77becd85f41b88a",
            17_146_532,
        ),
        "train_3.webp": (
            "a8e8798a4dfaaf6fdd44749500e9d305720bf2d7e54a60c2c5a251bd243c90d8",
            17_158_542,
        ),
        "train_4.webp": (
            "5c8782bb2f89a31d8da4a3367230b5ba3f29f35c3c6f8323503093b3001964d0",
            17_129_018,
        ),
        "train_5.webp": (
            "5b4ce7f87b5b0e4a172c164ab9018f4e8ebf9181b1db3f1448b531317154c7d9",
            17_107_864,
        ),
        "test.webp": (
            "e491c59dfeb353ddac67134ad85c79d4eef5760526ff220eeb891182479e9571",
            17_136_432,
        ),
        "labels.npz": (
            "b7817019a95f42df948eef86e70b736fb1fe56fea4c40a011acb9ed0abd9ffa3",
            30_552,
        ),
    },
)
_SVHN = Source(
    "svhn",
    ("http://ufldl.stanford.edu/housenumbers/",),
    {
        "train_32x32.mat": (
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            182_040_794,
        ),
        "test_32x32.mat": (
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            64_275_384,
        ),
        "extra_32x32.mat": (
            "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3",
            1_329_278_602,
        ),
    },
)
_SVHN_FRAGMENT = Source(
    "svhn",
    (),
    {
        "svhn_train_first1083.npz": (
            "d956ce81d907f3e559efc4d9a3c695cc7e8eccb0549ce4a3dd52c5dabb630dfa",
            2_805_954,
        ),
    },
)


def cifar10() -> Dataset:
    """CIFAR-10: small pictures of things, 32x32 in color, 45,000 / 5,000 / 10,000.

    Valid is the last 5,000 of the 50,000 training images, as in ALI's experiments.
    Read from the authors' binary archive, or, where they lie in the place of it, from
    six lossless sheets of 100 x 100 pictures (`train_1.webp` to `train_5.webp`,
    `test.webp`) and `labels.npz`, which hold the same pixels in the same order.

    Returns:
        x `uint8`, (N, 3072), all red, then all green, then all blue, each row by row;
        y: 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse,
        8 ship, 9 truck.

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
        https://www.cs.toronto.edu/~kriz/cifar.html (no license is stated; the author
        asks to be cited). Split: Dumoulin et al., "Adversarially Learned Inference",
        2017, https://github.com/IshmaelBelghazi/ALI, `ali/streams.py`.
    """
    names = (*_TRAIN_SHEETS, "test.webp", "labels.npz")
    here = {name: local(_CIFAR10, name) for name in names}
    found = {name: content for name, content in here.items() if content is not None}
    if len(found) == len(names):
        known, test = _from_sheets(found)
    else:
        known, test = _from_archive(fetch(_CIFAR10, _ARCHIVE))
    return Dataset("cifar10", *_hold_out(known, 5_000), test, _SHAPE)


def _from_sheets(files: Mapping[str, bytes]) -> tuple[Split, Split]:
    """Training and test images of the sheets, with the labels of `labels.npz`."""
    labels = np.load(io.BytesIO(files["labels.npz"]), allow_pickle=False)
    train = np.concatenate([_sheet(files[name]) for name in _TRAIN_SHEETS])
    test = _sheet(files["test.webp"])
    return _split(train, labels["train"]), _split(test, labels["test"])


def _sheet(content: bytes, side: int = 32) -> np.ndarray:
    """The pictures of a sheet, row by row, (N, 3 side^2)."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(content)))
    down, right = (n // side for n in pixels.shape[:2])
    pictures = pixels.reshape(down, side, right, side, 3).transpose(0, 2, 4, 1, 3)
    return pictures.reshape(down * right, -1)


def _from_archive(content: bytes) -> tuple[Split, Split]:
    """Training and test images of the tar archive, which is read in memory.

    Each record is a byte for the label and 3072 for the picture.
    """
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:

        def read(name: str) -> np.ndarray:
            member = archive.extractfile(f"cifar-10-batches-bin/{name}.bin")
            assert member is not None
            return np.frombuffer(member.read(), np.uint8).reshape(-1, 1 + 3072)

        train = np.concatenate([read(f"data_batch_{i}") for i in range(1, 6)])
        test = read("test_batch")
    return _split(train[:, 1:], train[:, 0]), _split(test[:, 1:], test[:, 0])


def svhn(extra: bool = False) -> Dataset:
    """SVHN: digits of house numbers, cropped, 32x32 in color, 63,257 / 10,000 / 26,032.

    Valid is the last 10,000 of the 73,257 training images, as in ALI's protocol of
    the SVM (section 4.3); train is the others.

    Args:
        extra: train is the extra split, 531,131 simpler digits, on which ALI is
            trained without labels; valid and test are the same. `load` knows this set
            as `svhn-extra`. It takes about 4 GB of memory while it is read.

    Returns:
        x `uint8`, (N, 3072), all red, then all green, then all blue, each row by row;
        y 0..9 (the files say 10 for the digit 0).

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        Netzer et al., "Reading digits in natural images with unsupervised feature
        learning", 2011, http://ufldl.stanford.edu/housenumbers/ (for non-commercial
        use only). Split: Dumoulin et al., "Adversarially Learned Inference", 2017,
        https://github.com/IshmaelBelghazi/ALI, `ali/streams.py` and
        `experiments/semi_supervised_svhn.py`.
    """
    train, valid = _hold_out(_from_mat("train_32x32.mat"), 10_000)
    if extra:
        train = _from_mat("extra_32x32.mat")
    name = "svhn-extra" if extra else "svhn"
    return Dataset(name, train, valid, _from_mat("test_32x32.mat"), _SHAPE)


def _from_mat(name: str) -> Split:
    """A part of SVHN: X (32, 32, 3, N) and y (N, 1) in 1..10 of a MATLAB file."""
    from scipy.io import loadmat

    arrays = loadmat(io.BytesIO(fetch(_SVHN, name)), variable_names=("X", "y"))
    x = arrays["X"].transpose(3, 2, 0, 1)
    return _split(x.reshape(len(x), -1), arrays["y"].ravel() % 10)


def svhn_fragment() -> Dataset:
    """The first 1,083 training images of SVHN, 883 / 100 / 100: to exercise code only.

    The head of the file is no random sample, and consecutive images are often
    neighboring digits of one photograph, on both sides of a split, too. Too little to
    train on, and no number from it means anything. No mirror has it.

    Returns:
        As `svhn`.

    Raises:
        DataError: the file is missing or wrong.

    References:
        As `svhn`; the labels come from the full numbers of the same photographs.
    """
    content = fetch(_SVHN_FRAGMENT, "svhn_train_first1083.npz")
    arrays = np.load(io.BytesIO(content), allow_pickle=False)
    x = arrays["image"].transpose(0, 3, 1, 2)
    known, test = _hold_out(_split(x.reshape(len(x), -1), arrays["label"]), 100)
    return Dataset("svhn-fragment", *_hold_out(known, 100), test, _SHAPE)


def _split(x: np.ndarray, y: np.ndarray) -> Split:
    owned = np.require(x, requirements=("C", "W"))  # a copy only where it takes one
    return Split(torch.from_numpy(owned), torch.from_numpy(y.astype(np.int64)))


def _hold_out(split: Split, n: int) -> tuple[Split, Split]:
    """All but the last n rows, and these."""
    assert split.y is not None
    x, y = split.x, split.y
    return Split(x[:-n], y[:-n]), Split(x[-n:], y[-n:])
