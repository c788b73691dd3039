"""Images of a folder, decoded as they are drawn: for sets too large to be resident."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adv_ae.data.base import DataError
from adv_ae.data.streamed import Streamed

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")  # of the files taken for images


class Images(Streamed):
    """Color images in files, one a row, decoded by threads when rows are drawn.

    Of each image the central square of side `crop` is resized to size x size by
    Lanczos's filter; pixels outside the square play no part.

    Args:
        files: one an image.
        size: side of an image, in pixels.
        crop: side of the square, in pixels of the file; None: as large as it can be.

    Attributes:
        shape: (N, 3 size^2); rows are flat in the order channel, row, column.
        dtype: `torch.uint8`.
    """

    dtype = torch.uint8

    def __init__(self, files: Sequence[Path], size: int = 64, crop: int | None = None):
        if size < 1 or (crop is not None and crop < 1):
            raise ValueError(f"size {size} and crop {crop} must be positive.")
        self.files, self.size, self.crop = list(files), size, crop
        super().__init__(len(self.files))
        self.shape = (len(self.files), 3 * size * size)

    def fingerprint(self) -> Tensor:
        """What tells these images from others, (32,) `uint8`: a sha256 of the names and
        sizes of the files in their order, of `size` and of `crop`; none is opened.
        """
        files = [(path.name, path.stat().st_size) for path in self.files]
        told = json.dumps([self.size, self.crop, files])
        digest = hashlib.sha256(told.encode()).digest()
        return torch.tensor(list(digest), dtype=torch.uint8)

    def _read(self, rows: Tensor) -> tuple[Tensor]:
        return (torch.from_numpy(np.stack([self._decode(i) for i in rows.tolist()])),)

    def _decode(self, i: int) -> np.ndarray:
        """Row i, (3 size^2,).

        Raises:
            DataError: the file is no image, or is smaller than the crop.
        """
        from PIL.Image import Resampling

        image = _opened(self.files[i])
        side = self.crop or min(image.size)
        if side > min(image.size):
            raise DataError(
                f"{self.files[i]} has {image.width} x {image.height} pixels, fewer "
                f"than the crop of {side}: take a smaller crop, or remove the file."
            )
        left, top = ((n - side) // 2 for n in image.size)
        square = image.crop((left, top, left + side, top + side))
        resized = square.resize((self.size, self.size), Resampling.LANCZOS)
        return np.asarray(resized).transpose(2, 0, 1).ravel()


def _opened(path: Path):
    """An image in RGB.

    Raises:
        DataError: it cannot be read, whatever is wrong with its bytes.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except Exception as error:  # the decoders of the formats raise of many kinds
        raise DataError(
            f"{path} cannot be read as an image: {error}. Replace or remove it."
        ) from error


@dataclass(frozen=True)
class ImageSplit:
    """Images and their attributes, in rows.

    Attributes:
        x: the images.
        y: (N, K) `float32`, 1 where an image has the attribute, else 0; or None.
    """

    x: Images
    y: Tensor | None

    def __len__(self) -> int:
        """The number of images, N."""
        return len(self.x)


@dataclass(frozen=True)
class ImageFolder:
    """Three disjoint splits of the images of a folder.

    Attributes:
        train, valid, test: the splits.
        shape: of one image, (3, size, size).
        attributes: names of the columns of y; () where there are none.
    """

    train: ImageSplit
    valid: ImageSplit
    test: ImageSplit
    shape: tuple[int, int, int]
    attributes: tuple[str, ...] = ()


def image_folder(
    path: str | Path,
    size: int = 64,
    crop: int | None = None,
    valid: int | None = None,
    test: int | None = None,
    attributes: str | Path | None = None,
) -> ImageFolder:
    """The images of a folder, streamed: they are decoded when they are drawn.

    CelebA is not downloaded here: get `img_align_celeba.zip` and
    `list_attr_celeba.txt` from its page and unpack the first beside the second. Then
    these are the images on which ALI is trained::

        celeba = image_folder("img_align_celeba", valid=19_867, test=19_962,
                              attributes="list_attr_celeba.txt")
        fit(game, (celeba.train.x, celeba.train.y), batch_size=100)

    CelebA's own split is by number: 162,770 / 19,867 / 19,962.

    Args:
        path: a folder with nothing but images in it (files whose name begins with a dot
            do not count, nor do folders); they are taken in the order of their names.
        size: side of an image, in pixels.
        crop: side of the central square that is resized to it, in pixels of the file;
            None: as large as it can be, 178 of CelebA's 178 x 218. Other code for
            CelebA often takes 108.
        valid: how many of the last images but `test`; None: a tenth.
        test: how many of the last images; None: a tenth.
        attributes: a file like CelebA's: a line with the number of images, a line with
            the names of the attributes, then for each image a line with its file name
            and 1 or -1 for each attribute. None: y is None.

    Returns:
        The splits; x has `uint8` rows, flat in the order channel, row, column.

    Raises:
        DataError: the folder or the file of attributes is missing or not as told, or
            the file has no line for an image; the message names the file. That a file
            is no image is found, and said, when it is drawn.
        ValueError: no image is left to train on, or a number is negative.

    References:
        Liu et al., "Deep learning face attributes in the wild", 2015,
        https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (CelebA; for non-commercial
        research only). Dumoulin et al., "Adversarially Learned Inference", 2017,
        https://arxiv.org/abs/1606.00704, section 4.1 (64 x 64).

    Departs:
        ALI's code takes CelebA from https://github.com/mila-iqia/fuel, which resizes
        178 x 218 to 64 x 78 and then cuts the rows 7 to 70 out; here the square is cut
        out first, which moves nothing by more than a sixth of a pixel.
    """
    files = _image_files(Path(path))
    n = len(files)
    n_valid, n_test = (n // 10 if k is None else k for k in (valid, test))
    n_train = n - n_valid - n_test
    if min(n_valid, n_test) < 0 or n_train < 1:
        raise ValueError(
            f"{n} images in {path}, of which {n_valid} are to validate on and {n_test} "
            "to test on: neither may be negative, and one must be left to train on."
        )
    names, y = ((), None) if attributes is None else _read(Path(attributes), files)

    def split(start: int, end: int) -> ImageSplit:
        x = Images(files[start:end], size, crop)
        return ImageSplit(x, None if y is None else y[start:end])

    ends = (0, n_train, n_train + n_valid, n)
    train, held_out, last = (split(*ends[i : i + 2]) for i in range(3))
    return ImageFolder(train, held_out, last, (3, size, size), names)


def _image_files(folder: Path) -> list[Path]:
    """The images of a folder by name.

    Raises:
        DataError: there is no such folder, or no image, or some other file in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: expected one with images in it.")
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] != ".")
    for file in files:
        if file.suffix.lower() not in ENDINGS:
            raise DataError(
                f"{file} is not an image: expected only files that end in "
                f"{', '.join(ENDINGS)}. Move it out of the folder."
            )
    if not files:
        raise DataError(
            f"{folder} has no images in it (folders in it are not looked into): "
            "expected the folder with the files themselves."
        )
    return files


def _read(path: Path, files: Sequence[Path]) -> tuple[tuple[str, ...], Tensor]:
    """Names of the attributes, and their values (N, K) in {0, 1} for these files."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    try:
        count, names = int(lines[0]), tuple(lines[1].split())
    except (IndexError, ValueError) as error:
        raise DataError(
            f"{path} does not begin as a file of attributes does: expected the number "
            "of images in the first line and the names of the attributes in the second."
        ) from error
    values: dict[str, list[bool]] = {}
    for number, line in enumerate(lines[2:], 3):
        name, *signs = line.split() or [""]
        if len(signs) != len(names) or not {"1", "-1"}.issuperset(signs):
            raise DataError(
                f"{path}, line {number}: expected the name of a file and {len(names)} "
                f"values, each 1 or -1, found {line[:60]!r}."
            )
        values[name] = [sign == "1" for sign in signs]
    if len(values) != count:
        raise DataError(
            f"{path} says {count} images in its first line, and names {len(values)}: "
            "it is cut short, or names one twice. Get the whole file."
        )
    absent = [file.name for file in files if file.name not in values]
    if absent:
        raise DataError(
            f"{path} has no line for {len(absent)} of the {len(files)} images, the "
            f"first of them {absent[0]}: add the lines, or remove the images."
        )
    return names, torch.from_numpy(np.array([values[f.name] for f in files])).float()
