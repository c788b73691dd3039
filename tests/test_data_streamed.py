"""Rows that are read when they are drawn, from a file or from a dataset: drawn as a
resident tensor is drawn, resumed exactly, and all that is wrong with a file told.
"""

import pickle
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from streams import play, same
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from adv_ae import games
from adv_ae.batches import Batches
from adv_ae.conditionals import Deterministic, Gaussian
from adv_ae.data import ArrayFile, DataError, Examples, Images, Streamed, array_file
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.training import CheckpointError, fit

N, SHAPE = 23, (3, 2, 2)


def chance(dtype=np.uint8, n=N, seed=0):
    """(n, 3, 2, 2)."""
    x = np.random.default_rng(seed).integers(256, size=(n, *SHAPE), dtype=np.uint8)
    return x if dtype == np.uint8 else (x / 16 - 7).astype(dtype)


def flat(x):
    return torch.from_numpy(x.reshape(len(x), -1).copy())


def saved(path, x):
    """A source of x, from `np.save` or of bare numbers, as the path's ending says."""
    if path.suffix == ".npy":
        np.save(path, x)
        return array_file(path)
    x.tofile(path)
    return array_file(path, x.dtype, x.shape)


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("name", ["x.npy", "x.bin"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rows_are_those_of_the_array(tmp_path, name, dtype):
    x = chance(dtype)
    source = saved(tmp_path / name, x)
    assert isinstance(source, Streamed) and len(source) == N and source.parts == 1
    assert source.shape == (N, 12) and source.dtype == flat(x).dtype
    some = torch.tensor([7, 0, 22, 7])
    drawn = source.rows(some)
    assert drawn.dtype == source.dtype and torch.equal(drawn, flat(x)[some])
    many = torch.arange(10 * N) % N  # more than one piece, not of one size
    assert torch.equal(source.rows(many), flat(x)[many])
    drawn.zero_()  # its own memory, and not the file's
    assert torch.equal(source.rows(some), flat(x)[some])


@pytest.mark.parametrize("shape", [(23, 12), (23, 3, 2, 2), (23, 6, 2), (276, 1)])
def test_rows_of_every_shape_are_flat(tmp_path, shape):
    x = chance().reshape(shape)
    source = saved(tmp_path / "x.npy", x)
    assert source.shape == flat(x).shape
    assert torch.equal(source.rows(torch.arange(shape[0])), flat(x))


def test_a_head_of_the_second_version_is_read(tmp_path):
    x = chance()
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, x, version=(2, 0))
    assert torch.equal(array_file(tmp_path / "x.npy").rows(torch.arange(N)), flat(x))


def test_type_and_shape_may_be_told_in_words_and_lists(tmp_path):
    chance(np.float32).tofile(tmp_path / "x")
    source = array_file(str(tmp_path / "x"), "float32", [N, *SHAPE])
    assert torch.equal(source.rows(torch.arange(N)), flat(chance(np.float32)))


def test_slices_are_sources(tmp_path):
    x = flat(chance(np.float32))
    source = saved(tmp_path / "x.npy", chance(np.float32))
    for part in (slice(20), slice(3, None), slice(-4, None), slice(5, 9), slice(99)):
        rows = torch.arange(len(x[part]))
        assert source[part].shape == x[part].shape and len(source[part]) == len(rows)
        assert torch.equal(source[part].rows(rows), x[part])
    assert torch.equal(source[4:20][3:-2].rows(torch.arange(11)), x[4:20][3:-2])


@pytest.mark.parametrize(
    ("part", "error", "says"),
    [
        (slice(None, None, 2), ValueError, "consecutive rows of the 23"),
        (slice(None, None, -1), ValueError, "consecutive"),
        (slice(4, 4), ValueError, "consecutive"),
        (slice(30, None), ValueError, "consecutive"),
        (3, TypeError, "expected a slice, not 3"),
    ],
)
def test_what_is_no_run_of_rows_is_refused(tmp_path, part, error, says):
    with pytest.raises(error, match=says):
        saved(tmp_path / "x.npy", chance())[part]


@pytest.mark.parametrize("rows", [[0, 10], [-1, 3], [10]])
def test_a_row_beyond_the_end_is_not_read(tmp_path, rows):
    source = saved(tmp_path / "x.npy", chance())[:10]  # the file goes on
    with pytest.raises(IndexError, match=r"rows must be in 0\.\.9, not \["):
        source.rows(torch.tensor(rows))


# ---------------------------------------------------------------- batches and fit


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_batches_draw_them_as_they_draw_a_resident_tensor(tmp_path, dtype):
    x, y = flat(chance(dtype)), torch.arange(N)
    source = saved(tmp_path / "x.npy", chance(dtype))
    torch.manual_seed(3)
    resident = Batches([(x, y), x], [5, 7], "cpu")
    expected = [resident.draw() for _ in range(11)]
    torch.manual_seed(3)
    streamed = Batches([(source, y), source], [5, 7], "cpu")
    for batch in expected:
        drawn = streamed.draw()
        assert [t.dtype for t in drawn] == [torch.float32, torch.int64, torch.float32]
        assert all(torch.equal(a, b) for a, b in zip(drawn, batch, strict=True))
    scale = 255 if dtype == np.uint8 else 1
    assert torch.equal(drawn[0], x[drawn[1]].float() / scale)


class Watched(ArrayFile):
    """An array that remembers which rows were read, and by which threads."""

    def __init__(self, *given):
        super().__init__(*given)
        self.seen, self.threads = [], set()

    def _read(self, rows):
        self.seen += rows.tolist()
        self.threads.add(threading.get_ident())
        return super()._read(rows)


def test_threads_read_one_batch_ahead_and_no_more(tmp_path):
    chance().tofile(tmp_path / "x")
    source = Watched(tmp_path / "x", np.dtype(np.uint8), (N, 12))
    batches = Batches(source, 5, "cpu")
    assert source.seen == []
    for drawn, read in zip(range(1, 9), [10, 15, 20, 20] * 2, strict=True):
        batches.draw()
        for ahead in batches._begun.values():
            ahead.result()
        epoch = 20 * (drawn > 4)
        assert len(source.seen) == read + epoch
        seen = source.seen[epoch:]
        assert len(set(seen)) == len(seen)  # none twice in an epoch
    assert threading.get_ident() not in source.threads


def test_a_batch_is_read_while_another_is_played(tmp_path):
    """`begin` comes back though the reading threads are held up."""
    held, source = threading.Event(), saved(tmp_path / "x.npy", chance())
    plain = source._read
    source._read = lambda rows: (held.wait(60), plain(rows))[1]
    reading = source.begin(torch.tensor([4, 2]))
    held.set()
    (x,) = reading.result()
    assert torch.equal(x, flat(chance())[[4, 2]])


def aae(seed=0):
    torch.manual_seed(seed)
    q, p = Deterministic(MLP(12, 8, 2)), Gaussian(MLP(2, 8, 2 * 12))
    return games.AAE(q, p, Normal(2), Discriminator(2, 8))


SOURCES = {
    "npy": lambda folder, x: saved(folder / "x.npy", x),
    "bare": lambda folder, x: saved(folder / "x.bin", x),
    "examples": lambda folder, x: Examples(TensorDataset(torch.from_numpy(x)), [0]),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_fit_ends_with_the_weights_of_a_resident_tensor(tmp_path, kind, dtype):
    weights, losses = play(aae(), SOURCES[kind](tmp_path, chance(dtype)))
    expected, their_losses = play(aae(), flat(chance(dtype)))
    assert same(weights, expected) and np.array_equal(losses, their_losses)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_resumed_run_ends_bit_for_bit_the_same(tmp_path, kind):
    source = SOURCES[kind](tmp_path, chance())
    weights, losses = play(aae(), source)
    options = {"checkpoint": tmp_path / "run", "resume": True, "every": 3}

    def stop(game, step, report):
        if step == 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        play(aae(), source, callbacks=[stop], **options)
    again = SOURCES[kind](tmp_path, chance())  # the file is written anew, too
    resumed, their_losses = play(aae(), again, **options)
    assert same(weights, resumed) and np.array_equal(losses, their_losses)


class Labelled(games.AAE):
    def play(self, x, y):
        assert y.shape == (len(x),) and y.dtype == torch.int64
        assert torch.equal(x.sum(1).long(), y)
        yield from super().play(x)


def test_labels_stay_beside_their_rows(tmp_path):
    x = chance(np.float32)
    x[:, 0, 0, 0] -= x.reshape(N, -1).sum(1) - np.arange(N)  # rows that sum to 0, 1, ..
    x = np.round(x)
    y = torch.from_numpy(x.reshape(N, -1).sum(1)).long()
    game = Labelled(*(getattr(aae(), k) for k in ("q", "p", "prior", "D")))
    fit(game, (saved(tmp_path / "x.npy", x), y), steps=9, batch_size=5)
    pairs = TensorDataset(torch.from_numpy(x), y)
    fit(game, Examples(pairs), steps=9, batch_size=5)
    with pytest.raises(AssertionError):
        fit(game, (saved(tmp_path / "x.npy", x), y.flip(0)), steps=1, batch_size=5)


LARGE = """
import resource, sys, torch
from adv_ae import games
from adv_ae.conditionals import Bernoulli, Deterministic
from adv_ae.data import array_file
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.training import fit

torch.set_num_threads(1)
x = array_file(sys.argv[1], "uint8", (700_000, 3, 64, 64))
q, p = Deterministic(MLP(12288, 8, 2)), Bernoulli(MLP(2, 8, 12288))
game = games.AAE(q, p, Normal(2), Discriminator(2, 8))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fit(game, x, steps=20, batch_size=100, checkpoint=sys.argv[2])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) / (2**20 if sys.platform == "darwin" else 2**10))  # MB
"""


def test_a_set_larger_than_memory_takes_none_of_it(tmp_path):
    pytest.importorskip("resource")  # Windows has none
    with (tmp_path / "x").open("wb") as file:
        file.truncate(700_000 * 12_288)  # 8.6 GB, of which the disk holds nothing
    argv = [sys.executable, "-c", LARGE, tmp_path / "x", tmp_path / "run"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 200


# ---------------------------------------------------------------- which data it is


def changed(x, how):
    x = x.copy()
    if how == "the first row":
        x[0, 2, 1, 1] ^= 1
    if how == "the last row":
        x[-1, 0, 0, 0] ^= 1
    if how == "a row in between":
        x[11, 0, 0, 0] ^= 1
    if how == "order":
        x[[3, 4]] = x[[4, 3]]
    if how == "columns":
        x = x[..., ::-1]
    if how == "type":
        x = x.astype(np.float32)
    if how == "shape":
        x = x.reshape(2 * N, 3, 2)
    if how == "one row fewer":
        x = x[:-1]
    return np.ascontiguousarray(x)


CHANGES = (
    "the first row",
    "the last row",
    "a row in between",
    "order",
    "columns",
    "type",
    "shape",
    "one row fewer",
)


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", SOURCES)
def test_a_fingerprint_tells_other_data(tmp_path, kind, how):
    one = SOURCES[kind](tmp_path, chance()).fingerprint()
    assert one.shape == (32,) and one.dtype == torch.uint8
    assert not torch.equal(
        one, SOURCES[kind](tmp_path, changed(chance(), how)).fingerprint()
    )


def test_a_run_on_other_data_is_not_resumed(tmp_path):
    options = {"checkpoint": tmp_path / "run", "resume": True}
    play(aae(), saved(tmp_path / "x.npy", chance()), 2, **options)
    for how in ("a row in between", "one row fewer", "order"):
        other = saved(tmp_path / "other.npy", changed(chance(), how))
        with pytest.raises(CheckpointError, match="its data differs"):
            play(aae(), other, 3, **options)
    moved = (tmp_path / "x.npy").rename(tmp_path / "moved.npy")
    play(aae(), array_file(moved), 3, **options)
    play(aae(), saved(tmp_path / "x.bin", chance()), 4, **options)  # the same numbers


def test_zeros_are_told_apart_by_number_type_and_shape(tmp_path):
    path, told = tmp_path / "x", set()
    shapes = [(1000, 8), (1001, 8), (1000, 2), (1001, 2)]  # 256 rows are read of each
    for dtype, shape in [*((np.uint8, s) for s in shapes), (np.float32, (1000, 2))]:
        source = saved(path, np.zeros(shape, dtype))
        told.add(tuple(source.fingerprint().tolist()))
    assert len(told) == 5


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 511, 10_000])
def test_a_fingerprint_reads_256_rows_spread_evenly(tmp_path, n):
    with (tmp_path / "x").open("wb") as file:
        file.truncate(n)
    source = Watched(tmp_path / "x", np.dtype(np.uint8), (n, 1))
    source.fingerprint()
    rows = sorted(source.seen)
    assert len(set(rows)) == len(rows) == min(n, 256)
    assert rows[0] == 0 and rows[-1] == n - 1
    steps = {later - row for row, later in pairwise(rows)}
    assert not steps or max(steps) - min(steps) <= 1


# ---------------------------------------------------------------- wrong files


class Evil:
    """What would run a command if it were unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a file was unpickled",))


def test_objects_are_not_unpickled(tmp_path):
    x = np.empty((N, 2), object)
    x[:] = Evil()
    np.save(tmp_path / "x.npy", x, allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy has numbers of type \|O: expected"):
        array_file(tmp_path / "x.npy")
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match=r"y\.npy cannot be read as an array"):
        array_file(tmp_path / "y.npy")


@pytest.mark.parametrize(
    ("dtype", "named"),
    [
        (np.float64, "<f8"),
        (np.float16, "<f2"),
        (np.int64, "<i8"),
        (np.int8, "|i1"),
        (np.bool_, "|b1"),
        (">f4", ">f4"),
        ([("x", "u1")], "|V1"),
    ],
)
def test_types_that_no_game_plays_on_are_refused(tmp_path, dtype, named):
    x = np.zeros((N, 4), dtype)
    for path in (tmp_path / "x.npy", tmp_path / "x.bin"):
        with pytest.raises(DataError) as error:
            saved(path, x)
        assert f"{path} has numbers of type {named}: expected" in str(error.value)
        assert "x.astype(np.float32)" in str(error.value)


@pytest.mark.parametrize("shape", [(), (23,), (0, 4), (4, 0), (23, 0, 2)])
def test_what_has_no_rows_is_refused(tmp_path, shape):
    with pytest.raises(DataError) as error:
        saved(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    assert f"x.npy has shape {shape}: expected rows" in str(error.value)
    assert "Labels fit in memory" in str(error.value)


@pytest.mark.parametrize("shape", [(-1, 12), (23, -12), (0, 12), (-23, -12), ()])
def test_shapes_must_be_positive(tmp_path, shape):
    chance().tofile(tmp_path / "x")
    with pytest.raises(ValueError, match="all of them positive"):
        array_file(tmp_path / "x", np.uint8, shape)


def test_bare_numbers_need_type_and_shape(tmp_path):
    path = tmp_path / "x"
    chance().tofile(path)
    for given in ({"dtype": np.uint8}, {"shape": (N, 12)}):
        with pytest.raises(ValueError, match="need `dtype` and `shape`"):
            array_file(path, **given)
    with pytest.raises(DataError, match="or `dtype` and `shape` of bare numbers"):
        array_file(path)


@pytest.mark.parametrize("by", [-N * 12 + 1, -1, 1, 12])
@pytest.mark.parametrize("name", ["x.npy", "x.bin"])
def test_a_file_of_another_length_is_refused(tmp_path, name, by):
    path = tmp_path / name
    saved(path, chance())
    head = path.stat().st_size - N * 12
    assert (head > 0) == (name == "x.npy")
    with path.open("r+b") as file:
        file.truncate(head + N * 12 + by)
    fault = "cut short" if by < 0 else "longer than it should be"
    with pytest.raises(DataError) as error:
        array_file(path) if head else array_file(path, np.uint8, (N, *SHAPE))
    assert f"{path} is {fault}" in str(error.value)
    assert f"take {head + N * 12} bytes" in str(error.value)
    assert f"found {head + N * 12 + by}" in str(error.value)


@pytest.mark.parametrize(
    "how", ["text", "empty", "head", "broken", "missing", "folder"]
)
def test_what_is_no_array_is_named(tmp_path, how):
    path = tmp_path / "x.npy"
    saved(path, chance())
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how != "missing":
        bad = {
            "text": b"no array at all",
            "empty": b"",
            "head": content[:60],
            "broken": content.replace(b"}", b"{"),
        }
        path.write_bytes(bad[how])
    with pytest.raises(DataError, match=r"x\.npy cannot be read as an array"):
        array_file(path)


def test_an_archive_is_told_from_an_array(tmp_path):
    np.savez(tmp_path / "x.npz", x=chance())
    with pytest.raises(DataError, match="save the array alone"):
        array_file(tmp_path / "x.npz")


def test_a_missing_file_of_bare_numbers_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere cannot be read: .*No such file"):
        array_file(tmp_path / "nowhere", np.uint8, (N, 12))


def test_columns_before_rows_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(chance()))
    with pytest.raises(DataError, match=r"x\.npy .*column by column.*ascontiguous"):
        array_file(tmp_path / "x.npy")


@pytest.mark.parametrize("how", ["shorter", "gone"])
def test_a_file_that_changes_meanwhile_is_named(tmp_path, how):
    path = tmp_path / "x.npy"
    batches = Batches(saved(path, chance()), 5, "cpu")
    batches.draw()
    if how == "gone":
        path.unlink()
    else:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - N * 12 + 1)
    says = "has become shorter" if how == "shorter" else "No such file"
    with pytest.raises(DataError, match=rf"x\.npy cannot be read: .*{says}"):
        for _ in range(4):
            batches.draw()


# ---------------------------------------------------------------- datasets


class Pictures(Dataset):
    """Items as many datasets have them: (image, class)."""

    def __init__(self, n=N):
        self.x, self.asked, self.threads = chance(n=n), [], set()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        self.asked.append(i)
        self.threads.add(threading.get_ident())
        return self.x[i], i % 10


class Several(Pictures):
    """Which can be asked for several items."""

    def __getitem__(self, i):
        raise AssertionError("several were wanted")

    def __getitems__(self, rows):
        assert 1 <= len(rows) <= 8
        return [Pictures.__getitem__(self, i) for i in rows]


def plain(n=N):
    return Subset(Pictures(n), range(n))


@pytest.mark.parametrize("dataset", [Pictures, Several, plain])
def test_examples_are_the_items_of_a_dataset(dataset):
    source, x = Examples(dataset()), flat(chance())
    assert isinstance(source, Streamed) and len(source) == N and source.parts == 2
    some = torch.tensor([7, 0, 22, 7, 1, 2, 3, 4, 5])
    reading = source.begin(some)
    drawn = reading.result()
    assert reading.rows is some and len(drawn) == 2
    assert [t.dtype for t in drawn] == [torch.uint8, torch.int64]
    assert torch.equal(drawn[0], x[some]) and torch.equal(drawn[1], some % 10)
    with pytest.raises(ValueError, match="too many values"):
        source.rows(some)


@pytest.mark.parametrize("dataset", [Pictures, Several, plain])
def test_batches_draw_examples_as_resident_tensors(dataset):
    x, y, z = flat(chance()), torch.arange(N) % 10, torch.arange(N)
    torch.manual_seed(3)
    resident = Batches([(x, y, z), x], [5, 7], "cpu")
    expected = [resident.draw() for _ in range(11)]
    torch.manual_seed(3)
    streamed = Batches(
        [(Examples(dataset()), z), Examples(dataset(), [0])], [5, 7], "cpu"
    )
    for batch in expected:
        drawn = streamed.draw()
        assert [t.dtype for t in drawn] == [t.dtype for t in batch]
        assert all(torch.equal(a, b) for a, b in zip(drawn, batch, strict=True))


@pytest.mark.parametrize(("keep", "dtypes"), [
    (None, [torch.uint8, torch.int64]), ([0], [torch.uint8]), ([1], [torch.int64]),
    ([1, 0], [torch.int64, torch.uint8]),
])  # fmt: skip
def test_parts_are_kept_in_the_order_asked(keep, dtypes):
    source = Examples(Pictures(), keep)
    assert [t.dtype for t in source.begin(torch.arange(4)).result()] == dtypes
    assert source.parts == len(dtypes)


class Items(Dataset):
    """What `item` makes of i."""

    def __init__(self, item, n=N):
        self.item, self.n = item, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.item(i)


def test_dictionaries_have_parts_by_name():
    items = Items(lambda i: {"name": str(i), "image": chance()[i], "age": i / 2})
    x, age = Examples(items, ["image", "age"]).begin(torch.tensor([3, 5])).result()
    assert torch.equal(x, flat(chance())[[3, 5]]) and age.tolist() == [1.5, 2.5]
    with pytest.raises(TypeError, match=r"the keys \['name', 'image', 'age'\].*`keep`"):
        Examples(items)


def test_an_item_may_be_one_tensor_an_array_or_a_list():
    for item in (
        lambda i: torch.from_numpy(chance()[i]).flatten(),
        lambda i: chance()[i],
        lambda i: [chance()[i]],
    ):
        source = Examples(Items(item))
        assert torch.equal(source.rows(torch.tensor([3, 5])), flat(chance())[[3, 5]])


def test_any_type_of_number_has_a_fingerprint():
    for dtype in (torch.bfloat16, torch.bool, torch.complex64, torch.float64):
        x = torch.arange(N).view(N, 1).to(dtype)
        one, other = Examples([*x]), Examples([*x.flip(0)])
        assert not torch.equal(one.fingerprint(), other.fingerprint())
        assert torch.equal(Examples(x).fingerprint(), one.fingerprint())


def test_items_with_a_graph_are_cut_from_it():
    w = torch.ones(3, requires_grad=True)
    assert not Examples(Items(lambda i: w * i)).rows(torch.tensor([1])).requires_grad


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_items_are_asked_by_threads_and_nothing_before(threads):
    dataset = Pictures()
    source = Examples(dataset, threads=threads)
    assert dataset.asked == [0]  # to see what an item is
    dataset.threads.clear()
    source.begin(torch.arange(N)).result()
    assert sorted(dataset.asked[1:]) == list(range(N))
    assert threading.get_ident() not in dataset.threads
    assert 1 <= len(dataset.threads) <= (threads or N)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (lambda i: Image.new("RGB", (2, 2)), "found <class 'PIL.Image.Image'>"),
        (lambda i: (chance()[i], str(i)), "no attribute 'detach'"),
        (lambda i: (chance()[i], None), "NoneType"),
        (lambda i: torch.zeros(2 + i), r"item 0 has \[\(2,\)\]: make all items alike"),
        (lambda i: (torch.zeros(2),) * (1 + i), "shapes .*: make all items alike"),
    ],
)
def test_items_that_make_no_batch_are_refused(item, says):
    with pytest.raises(TypeError, match=rf"(?s)of Items .*{says}"):
        Examples(Items(item)).begin(torch.tensor([1])).result()


def test_unlike_items_of_one_piece_are_refused():
    source = Examples(Items(lambda i: torch.zeros(2 + (i == 5))))
    with pytest.raises(
        TypeError, match=r"items \[4, 5, 6\] of Items cannot be batched"
    ):
        source.rows(torch.tensor([4, 5, 6]))


def test_items_that_are_drawn_anew_are_refused():
    with pytest.raises(ValueError, match="Items draws random numbers to make an item"):
        Examples(Items(lambda i: torch.randn(3)))


def test_a_dataset_s_own_error_is_raised_as_it_is():
    def item(i):
        if i == 3:
            raise ZeroDivisionError("of the dataset")
        return torch.zeros(2)

    source = Examples(Items(item))
    with pytest.raises(ZeroDivisionError, match="of the dataset"):
        source.rows(torch.arange(5))


def test_what_is_no_map_style_dataset_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(range(3))

    class Long(Stream):
        def __len__(self):
            return 3

    for dataset in (Stream(), Long(), iter([1, 2])):
        with pytest.raises(TypeError, match="is no map-style dataset"):
            Examples(dataset)
    with pytest.raises(ValueError, match="Items is empty"):
        Examples(Items(lambda i: torch.zeros(2), 0))


def test_images_are_streamed_by_the_same_base():
    assert issubclass(Images, Streamed)
    with pytest.raises(IndexError):
        Images([]).rows(torch.tensor([0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_all_parts_reach_the_device(tmp_path):
    source = saved(tmp_path / "x.npy", chance())
    batches = Batches((source, Examples(Pictures()), torch.arange(N)), 5, "cuda")
    for _ in range(9):
        x, again, y, rows = batches.draw()
        assert all(t.is_cuda for t in (x, again, y, rows))
        assert torch.equal(x.cpu(), flat(chance())[rows.cpu()].float() / 255)
        assert torch.equal(x, again) and torch.equal(y, rows % 10)
