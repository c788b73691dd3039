"""MNIST and its relatives, from files that are checked by sha256."""

import gzip
import io
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from adv_ae.data.base import Dataset, Split
from adv_ae.data.files import Source, fetch, local

_MNIST = Source(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
    },
)
_FASHION_MNIST = Source(
    "fashion-mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
        "master/data/fashion/",
    ),
    {
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4_422_102,
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5_148,
        ),
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26_421_880,
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29_515,
        ),
    },
)
_BINARIZED_MNIST = Source(
    "binarized-mnist",
    ("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",),
    {
        "binarized_mnist.npz": (
            "a7bdf3b6b8263ce88f93dc59474acb002900aa9b4b749496e87ef23970050035",
            2_326_443,
        ),
        "binarized_mnist_train.amat": (
            "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
            78_400_000,
        ),
        "binarized_mnist_valid.amat": (
            "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
            15_680_000,
        ),
        "binarized_mnist_test.amat": (
            "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
            15_680_000,
        ),
    },
)


def mnist() -> Dataset:
    """MNIST: handwritten digits, 28x28 grey, 50,000 / 10,000 / 10,000.

    Valid is the last 10,000 of the 60,000 training images.

    Returns:
        x `uint8`, (N, 784); y 0..9.

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998,
        http://yann.lecun.com/exdb/mnist/ (CC BY-SA 3.0).
    """
    return _idx_dataset(_MNIST)


def fashion_mnist() -> Dataset:
    """Fashion-MNIST: articles of clothing, 28x28 grey, 50,000 / 10,000 / 10,000.

    Valid is the last 10,000 of the 60,000 training images.

    Returns:
        x `uint8`, (N, 784); y: 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress,
        4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        Xiao, Rasul and Vollgraf, "Fashion-MNIST", 2017,
        https://arxiv.org/abs/1708.07747 (MIT, copyright 2017 Zalando SE).
    """
    return _idx_dataset(_FASHION_MNIST)


def _idx_dataset(source: Source) -> Dataset:
    """The dataset in the four gzipped idx files of MNIST's layout."""

    def read(name: str, header: int) -> Tensor:
        content = gzip.decompress(fetch(source, name))
        return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy())

    x, x_test = (
        read(f"{part}-images-idx3-ubyte.gz", 16).view(-1, 784)
        for part in ("train", "t10k")
    )
    y, y_test = (
        read(f"{part}-labels-idx1-ubyte.gz", 8).long() for part in ("train", "t10k")
    )
    train, valid = (Split(x[i], y[i]) for i in (slice(50_000), slice(50_000, None)))
    return Dataset(source.folder, train, valid, Split(x_test, y_test), (28, 28))


def binarized_mnist() -> Dataset:
    """Binarized MNIST, the fixed draw with Larochelle's 50,000 / 10,000 / 10,000.

    The set on which log-likelihoods in nats are usually reported. The original text
    files have no labels. The packed file `binarized_mnist.npz` adds **derived**
    ones: the label of the MNIST image that gives the row the highest Bernoulli
    likelihood. Use them to color plots, not to report accuracies.

    Returns:
        x `uint8` in {0, 255}, so that `as_float` gives {0, 1}, (N, 784);
        y 0..9, derived, from the packed file; None from the text files, which are
        what the mirror has.

    Raises:
        DataError: a file is missing, cannot be fetched or is wrong.

    References:
        Salakhutdinov and Murray, "On the quantitative analysis of deep belief
        networks", 2008; split: Larochelle and Murray, "The neural autoregressive
        distribution estimator", 2011 (from MNIST, CC BY-SA 3.0).
    """
    packed = local(_BINARIZED_MNIST, "binarized_mnist.npz")
    read = _from_text if packed is None else _from_packed(packed)
    train, valid, test = (read(part) for part in ("train", "valid", "test"))
    return Dataset("binarized-mnist", train, valid, test, (28, 28))


def _from_packed(content: bytes) -> Callable[[str], Split]:
    """A reader of the parts of `binarized_mnist.npz`: 784 bits in 98 bytes a row."""
    arrays = np.load(io.BytesIO(content), allow_pickle=False)

    def read(part: str) -> Split:
        bits = np.unpackbits(arrays[part], axis=1)
        y = torch.from_numpy(arrays[f"{part}_label"]).long()
        return Split(torch.from_numpy(255 * bits), y)

    return read


def _from_text(part: str) -> Split:
    """A part in the original text: rows of 784 characters 0 or 1, each and a blank."""
    content = fetch(_BINARIZED_MNIST, f"binarized_mnist_{part}.amat")
    bits = np.frombuffer(content, np.uint8)[::2] - ord("0")
    return Split(torch.from_numpy(255 * bits).view(-1, 784), None)
