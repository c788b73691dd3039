"""CIFAR-10 and SVHN: every file format read from a small one made here, to the pixel;
then the real files.
"""

import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from adv_ae import data
from adv_ae.data import color

REAL = os.environ.get("ADV_AE_DATA")
needs_real = pytest.mark.skipif(
    not REAL, reason="set ADV_AE_DATA to the folder with cifar10/ and svhn/"
)


def pictures(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Chance pictures (n, 32, 32, 3) as the eye sees them, and labels 0..9."""
    rng = np.random.default_rng(seed)
    x = rng.integers(256, size=(n, 32, 32, 3), dtype=np.uint8)
    return x, (np.arange(n) * 7 % 10).astype(np.uint8)


def check(split: data.Split, x: np.ndarray, y: np.ndarray) -> None:
    """Each pixel where it belongs: row c * 1024 + i * 32 + j is color c at (i, j)."""
    assert split.x.dtype == torch.uint8 and split.y.dtype == torch.int64
    assert split.x.is_contiguous() and split.x.shape == (len(x), 3072)
    for c in range(3):
        for i in range(32):
            line = split.x[:, c * 1024 + i * 32 : c * 1024 + i * 32 + 32]
            np.testing.assert_array_equal(line.numpy(), x[:, i, :, c])
    np.testing.assert_array_equal(split.y.numpy(), y)


@pytest.fixture
def shared(tmp_path, monkeypatch) -> Path:
    """A folder that ADV_AE_DATA names, and an empty cache."""
    for folder in ("cifar10", "svhn"):
        (tmp_path / "shared" / folder).mkdir(parents=True)
    monkeypatch.setenv("ADV_AE_DATA", str(tmp_path / "shared"))
    monkeypatch.setenv("ADV_AE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "shared"


def expect(monkeypatch, constant: str, files: dict[str, bytes], *mirrors: str) -> None:
    """Let the module take these files, and only these, for the right ones."""
    own = getattr(color, constant)
    known = {k: (hashlib.sha256(v).hexdigest(), len(v)) for k, v in files.items()}
    made = replace(own, files=dict(own.files) | known, mirrors=mirrors)
    monkeypatch.setattr(color, constant, made)


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


# ---------------------------------------------------------------- CIFAR-10, archive


def archive(train: list[tuple], test: tuple) -> bytes:
    """As the authors' binary version: records of a label and three planes."""
    tar = io.BytesIO()
    named = {f"data_batch_{i}": part for i, part in enumerate(train, 1)}
    with tarfile.open(fileobj=tar, mode="w") as made:
        for name, (x, y) in [*reversed(named.items()), ("test_batch", test)]:
            planes = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
            content = np.concatenate([y[:, None], planes], axis=1).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        stray = tarfile.TarInfo("../../evil")  # nothing is extracted
        made.addfile(stray)
    return gzip.compress(tar.getvalue(), 1)


def batches() -> tuple[list[tuple], tuple, np.ndarray, np.ndarray]:
    """Five parts with 5,003 pictures in all, a test part, and the five in one."""
    train = [pictures(n, seed=n) for n in (1200, 1000, 1, 2, 2800)]
    x, y = (np.concatenate([part[k] for part in train]) for k in (0, 1))
    return train, pictures(4, seed=9), x, y


def check_cifar10(made: data.Dataset, x, y, test) -> None:
    assert made.name == "cifar10" and made.shape == (3, 32, 32)
    check(made.train, x[:3], y[:3])
    check(made.valid, x[3:], y[3:])  # the last 5,000
    check(made.test, *test)


@pytest.fixture
def mirror(monkeypatch):
    """A server of what is put in its `files`, which keeps what it was `asked`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            content = self.server.files[self.path.lstrip("/")]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked = {}, []
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_cifar10_is_fetched_from_its_mirror_once_and_read_in_memory(
    monkeypatch, shared, mirror, tmp_path
):
    train, test, x, y = batches()
    mirror.files = {"cifar-10-binary.tar.gz": archive(train, test)}
    expect(monkeypatch, "_CIFAR10", mirror.files, mirror.url)
    check_cifar10(data.load("cifar10"), x, y, test)
    check_cifar10(data.cifar10(), x, y, test)
    assert mirror.asked == ["/cifar-10-binary.tar.gz"]
    here = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert here == [tmp_path / "cache" / "cifar10" / "cifar-10-binary.tar.gz"]


def test_the_archive_may_lie_in_adv_ae_data(monkeypatch, shared):
    train, test, x, y = batches()
    files = {"cifar-10-binary.tar.gz": archive(train, test)}
    expect(monkeypatch, "_CIFAR10", files)
    put(shared / "cifar10", files)
    check_cifar10(data.cifar10(), x, y, test)


# ---------------------------------------------------------------- CIFAR-10, sheets


def sheet(x: np.ndarray, columns: int) -> bytes:
    """Pictures pasted side by side, row by row, in a lossless WebP."""
    canvas = Image.new("RGB", (32 * columns, 32 * (len(x) // columns)))
    for n, one in enumerate(x):
        canvas.paste(Image.fromarray(one), (32 * (n % columns), 32 * (n // columns)))
    file = io.BytesIO()
    canvas.save(file, "WEBP", lossless=True)
    return file.getvalue()


@pytest.fixture
def sheets(monkeypatch, shared):
    """5,030 pictures in five sheets, 15 in another, and their labels."""
    (x, y), test = pictures(5030), pictures(15, seed=9)
    labels = io.BytesIO()
    np.savez(labels, train=y, test=test[1])
    parts = np.split(x, [1000, 2000, 2010, 2030])
    files = {f"train_{i}.webp": sheet(p, 10) for i, p in enumerate(parts, 1)}
    files |= {"test.webp": sheet(test[0], 5), "labels.npz": labels.getvalue()}
    expect(monkeypatch, "_CIFAR10", files)
    put(shared / "cifar10", files)
    return x, y, test


def test_cifar10_is_read_from_its_sheets(sheets):
    x, y, test = sheets
    made = data.cifar10()
    check(made.train, x[:30], y[:30])
    check(made.valid, x[30:], y[30:])
    check(made.test, *test)


def test_a_wrong_sheet_is_not_decoded(sheets, shared, monkeypatch):
    path = shared / "cifar10" / "train_3.webp"
    path.write_bytes((shared / "cifar10" / "train_2.webp").read_bytes())
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(data.DataError, match=r"train_3\.webp is corrupt, or another"):
        data.cifar10()


def test_without_all_sheets_it_is_the_archive_that_is_wanted(sheets, shared):
    (shared / "cifar10" / "train_3.webp").unlink()
    with pytest.raises(data.DataError, match=r"cifar10/cifar-10-binary\.tar\.gz is no"):
        data.cifar10()


# ---------------------------------------------------------------- SVHN


def mat(x: np.ndarray, y: np.ndarray) -> bytes:
    """As the authors' MATLAB files: X (32, 32, 3, N), y (N, 1) with 10 for 0."""
    file = io.BytesIO()
    y = np.where(y == 0, 10, y).astype(np.uint8)[:, None]
    savemat(file, {"X": x.transpose(1, 2, 3, 0), "y": y}, do_compression=len(x) < 100)
    return file.getvalue()


@pytest.fixture
def house_numbers(monkeypatch, shared):
    parts = {"train": pictures(10_003), "test": pictures(5, 1), "extra": pictures(7, 2)}
    files = {f"{k}_32x32.mat": mat(*part) for k, part in parts.items()}
    expect(monkeypatch, "_SVHN", files)
    put(shared / "svhn", files)
    return parts


@pytest.mark.parametrize("extra", [False, True])
def test_svhn_is_read_and_split(house_numbers, extra):
    name = "svhn-extra" if extra else "svhn"
    made = data.load(name)  # by which it can be loaded again
    assert made.name == name and made.shape == (3, 32, 32)
    assert data.svhn(extra=extra).name == name
    x, y = house_numbers["train"]
    check(made.train, *(house_numbers["extra"] if extra else (x[:3], y[:3])))
    check(made.valid, x[3:], y[3:])  # the last 10,000
    check(made.test, *house_numbers["test"])


def test_svhn_reads_the_extra_file_only_when_asked(house_numbers, shared):
    (shared / "svhn" / "extra_32x32.mat").unlink()
    assert len(data.svhn().train) == 3
    with pytest.raises(data.DataError, match=r"svhn/extra_32x32\.mat is not here"):
        data.svhn(extra=True)


def test_svhn_is_fetched_from_its_mirror(house_numbers, shared, monkeypatch, mirror):
    for path in (shared / "svhn").iterdir():
        mirror.files[path.name] = path.read_bytes()
        path.unlink()
    expect(monkeypatch, "_SVHN", mirror.files, mirror.url)
    check(data.svhn().test, *house_numbers["test"])
    assert mirror.asked == ["/train_32x32.mat", "/test_32x32.mat"]


@pytest.mark.parametrize(
    "file", ["cifar10/cifar-10-binary.tar.gz", "svhn/train_32x32.mat"]
)
def test_another_file_under_the_name_is_not_parsed(file, shared):
    (shared / file).write_bytes(b"MATLAB 5.0 MAT-file, or a tar, or neither")
    with pytest.raises(data.DataError, match=rf"{Path(file).name} is truncated"):
        data.load(Path(file).parent.name)


def test_no_mirror_has_the_fragment_and_the_error_says_what_to_do(shared):
    with pytest.raises(data.DataError, match=r"svhn_train_first1083\.npz") as error:
        data.load("svhn-fragment")
    assert "no mirror has it" in str(error.value)
    assert "set ADV_AE_DATA" in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("cifar", "cifar10"), ("svnh", "svhn"), ("cifar-10", None)]
)
def test_unknown_names_suggest_these_too(wrong, nearest):
    with pytest.raises(ValueError, match=f"did you mean '{nearest or 'cifar10'}'"):
        data.load(wrong)


# ---------------------------------------------------------------- the real files

# sha256 of the members of cifar-10-binary.tar.gz.
MEMBERS = [
    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
]


@needs_real
def test_real_cifar10_has_every_byte_of_the_binary_version():
    made = data.load("cifar10")
    parts = (made.train, made.valid, made.test)
    assert [len(s) for s in parts] == [45_000, 5_000, 10_000]
    assert made.shape == (3, 32, 32)
    x, y = torch.cat([s.x for s in parts]), torch.cat([s.y for s in parts])
    records = torch.cat([y.byte()[:, None], x], dim=1)
    for part, sha256 in zip(records.split(10_000), MEMBERS, strict=True):
        assert hashlib.sha256(part.numpy().tobytes()).hexdigest() == sha256
    for labels, each in ((y[:50_000], 5000), (y[50_000:], 1000)):
        assert labels.bincount().tolist() == [each] * 10


@needs_real
def test_real_fragment_of_svhn():
    made = data.load("svhn-fragment")
    parts = (made.train, made.valid, made.test)
    assert [len(s) for s in parts] == [883, 100, 100] and made.shape == (3, 32, 32)
    z = np.load(Path(REAL, "svhn", "svhn_train_first1083.npz"))
    for split, rows in zip(
        parts, (slice(883), slice(883, 983), slice(983, None)), strict=True
    ):
        check(split, z["image"][rows], z["label"][rows])
    y = torch.cat([s.y for s in parts])
    assert y.bincount().tolist() == [66, 227, 141, 134, 110, 112, 78, 70, 78, 67]
