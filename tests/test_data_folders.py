"""Images of a folder: each pixel where it belongs, drawn as a resident tensor is drawn,
decoded one batch ahead and no more, and every wrong file named.
"""

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from streams import play, same

from adv_ae import games
from adv_ae.batches import Batches
from adv_ae.conditionals import Bernoulli, Deterministic
from adv_ae.data import DataError, Images, image_folder
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.training import CheckpointError

N, SIDE = 23, 4


def chance(n=N, height=SIDE, width=SIDE, seed=0):
    """(n, height, width, 3) as the eye sees them."""
    rng = np.random.default_rng(seed)
    return rng.integers(256, size=(n, height, width, 3), dtype=np.uint8)


def flat(x):
    """As rows of Images: channel, row, column."""
    return torch.from_numpy(x.transpose(0, 3, 1, 2).reshape(len(x), -1).copy())


def write(folder, x, ending="png"):
    """The pictures as 000001.png ..., in an order that is not their own."""
    folder.mkdir(exist_ok=True)
    for i in np.random.default_rng(1).permutation(len(x)):
        Image.fromarray(x[i]).save(folder / f"{i + 1:06d}.{ending}")
    return folder


def attributes(path, names, rows, count=None):
    """A file like list_attr_celeba.txt; rows are (file name, signs)."""
    lines = [str(len(rows) if count is None else count), " ".join(names) + " "]
    lines += [f"{name} " + " ".join(f"{s:2d}" for s in signs) for name, signs in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "images", chance())


@pytest.fixture
def images(folder):
    return Images(sorted(folder.iterdir()), SIDE)


# ---------------------------------------------------------------- pixels


@pytest.mark.parametrize("ending", ["png", "bmp", "PNG"])
def test_rows_are_the_images_in_the_order_of_their_names(tmp_path, ending):
    x = chance()
    made = image_folder(write(tmp_path / "a", x, ending), SIDE)
    assert made.shape == (3, SIDE, SIDE) and made.attributes == ()
    parts = (made.train, made.valid, made.test)
    assert [len(s) for s in parts] == [19, 2, 2]
    assert [s.x.shape for s in parts] == [(19, 48), (2, 48), (2, 48)]
    drawn = [s.x.rows(torch.arange(len(s))) for s in parts]
    assert torch.equal(torch.cat(drawn), flat(x))
    assert drawn[0].dtype == made.train.x.dtype == torch.uint8
    some = torch.tensor([7, 0, 7])
    assert torch.equal(made.train.x.rows(some), flat(x)[some])
    assert all(s.y is None for s in parts)


def test_celeba_s_split_is_by_number(folder):
    made = image_folder(folder, SIDE, valid=5, test=3)
    names = [[path.name for path in s.x.files] for s in (made.train, made.valid)]
    assert names[0] == [f"{i:06d}.png" for i in range(1, 16)]
    assert names[1] == [f"{i:06d}.png" for i in range(16, 21)]
    assert [path.stem for path in made.test.x.files] == ["000021", "000022", "000023"]


@pytest.mark.parametrize(
    ("height", "width", "crop", "top", "left"),
    [
        (218, 178, 108, 55, 35),  # CelebA, DCGAN's crop
        (218, 178, None, 20, 0),  # the largest square
        (10, 21, 8, 1, 6),  # odd margins: the square is up and left of the middle
        (9, 12, None, 0, 1),
    ],
)
def test_the_central_square_is_cut_out(tmp_path, height, width, crop, top, left):
    x = chance(1, height, width)
    side = crop or min(height, width)
    images = image_folder(write(tmp_path / "a", x), side, crop, 0, 0).train.x
    square = x[:, top : top + side, left : left + side]
    assert torch.equal(images.rows(torch.tensor([0])), flat(square))


def test_a_square_is_resized_alone():
    """A constant square within a wild frame gives one color; halves stay halves."""
    x = chance(1, 20, 30)
    x[:, 4:16, 9:15], x[:, 4:16, 15:21] = (10, 200, 90), (250, 0, 30)
    file = io.BytesIO()
    Image.fromarray(x[0]).save(file, "PNG")
    (row,) = Images([file], 4, 12).rows(torch.tensor([0]))
    picture = row.view(3, 4, 4)
    for c, (left, right) in enumerate([(10, 250), (200, 0), (90, 30)]):
        assert (picture[c] == picture[c, :1]).all()  # no row differs
        line = picture[c, 0].double()
        assert line[1:3].tolist() == pytest.approx([left, right], abs=14)
        assert line[[0, 3]].tolist() == pytest.approx([left, right], abs=6)


def test_a_jpeg_of_celeba_s_size_is_near_the_picture_it_was_made_of(tmp_path):
    down, right = np.mgrid[:218, :178]
    x = np.stack([down, right, 255 - down], axis=-1)[None].astype(np.uint8)
    write(tmp_path / "a", x, "jpg")
    images = image_folder(tmp_path / "a", valid=0, test=0).train.x
    picture = images.rows(torch.tensor([0])).view(3, 64, 64).double()
    center = (torch.arange(64) + 0.5) * 178 / 64 - 0.5  # of each pixel, in the square
    expected = [center[:, None] + 20, center[None], 235 - center[:, None]]
    for c in range(3):
        off = picture[c] - expected[c]
        assert off.abs().max() < 8 and off.mean().abs() < 0.3


def test_grey_and_transparent_images_are_read_in_rgb(tmp_path):
    x = chance(1)[0]
    Image.fromarray(x[..., 0]).save(tmp_path / "1.png")
    clear = np.dstack([x, np.full((SIDE, SIDE), 255, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "2.png")
    rows = image_folder(tmp_path, SIDE, valid=0, test=0).train.x.rows(torch.arange(2))
    assert torch.equal(rows[0], flat(x[None, ..., :1].repeat(3, -1))[0])
    assert torch.equal(rows[1], flat(x[None])[0])


# ---------------------------------------------------------------- batches and fit


def test_batches_draw_them_as_they_draw_a_resident_tensor(images):
    x, y = flat(chance()), torch.arange(N)
    torch.manual_seed(3)
    resident = Batches([(x, y), x], [5, 7], "cpu")
    expected = [resident.draw() for _ in range(11)]
    torch.manual_seed(3)
    streamed = Batches([(images, y), images], [5, 7], "cpu")
    for batch in expected:
        drawn = streamed.draw()
        assert [len(t) for t in drawn] == [5, 5, 7]
        assert [t.dtype for t in drawn] == [torch.float32, torch.int64, torch.float32]
        assert all(torch.equal(a, b) for a, b in zip(drawn, batch, strict=True))


def test_batches_go_on_where_they_stood(images):
    batches = Batches((torch.arange(N), images), 5, "cpu")
    for _ in range(6):  # into the second epoch
        batches.draw()
    state = {
        "orders": [order.clone() for order in batches.state_dict()["orders"]],
        "positions": list(batches.state_dict()["positions"]),
    }
    rng = torch.get_rng_state()
    expected = [batches.draw() for _ in range(6)]
    for later in (batches, Batches((torch.arange(N), images), 5, "cpu")):
        later.load_state_dict(state)
        torch.set_rng_state(rng)
        for rows, x in expected:
            drawn = later.draw()
            assert torch.equal(drawn[0], rows) and torch.equal(drawn[1], x)
            assert torch.equal(x, flat(chance())[rows].float() / 255)


class Opened:
    """Counts what is opened, and by which thread."""

    def __init__(self, monkeypatch):
        self.names, self.threads, plain = [], set(), Image.open

        def counted(path):
            self.names.append(path.name)
            self.threads.add(threading.get_ident())
            return plain(path)

        monkeypatch.setattr(Image, "open", counted)


def test_nothing_is_opened_before_it_is_drawn_and_one_batch_ahead(
    folder, monkeypatch, tmp_path
):
    opened = Opened(monkeypatch)
    signs = [(f"{i:06d}.png", [1]) for i in range(1, N + 1)]
    listed = attributes(tmp_path / "list.txt", ["Smiling"], signs)
    x = image_folder(folder, SIDE, None, 0, 0, listed).train.x
    batches = Batches(x, 5, "cpu")
    assert len(x.fingerprint()) == 32 and opened.names == []
    for drawn, decoded in zip(range(1, 9), [10, 15, 20, 20] * 2, strict=True):
        batches.draw()
        for ahead in batches._begun.values():
            ahead.result()
        epoch = 20 * (drawn > 4)
        assert len(opened.names) == decoded + epoch
        seen = opened.names[epoch:]
        assert len(set(seen)) == len(seen)  # none twice in an epoch
    assert threading.get_ident() not in opened.threads


def test_the_next_batch_is_decoded_while_this_one_is_played(images, monkeypatch):
    batches = Batches(images, 5, "cpu")
    batches.draw()
    (ahead,) = batches._begun.values()
    ahead.result()
    monkeypatch.setattr(images, "_decode", None)  # all is there already
    monkeypatch.setattr(images, "begin", lambda rows: None)
    (x,) = batches.draw()
    assert torch.equal(x, flat(chance())[batches.orders[0][5:10]].float() / 255)


def aae(seed=0):
    torch.manual_seed(seed)
    q, p = Deterministic(MLP(48, 8, 2)), Bernoulli(MLP(2, 8, 48))
    return games.AAE(q, p, Normal(2), Discriminator(2, 8))


def test_fit_ends_with_the_weights_of_a_resident_tensor(images):
    weights, losses = play(aae(), images)
    expected, their_losses = play(aae(), flat(chance()))
    assert same(weights, expected) and np.array_equal(losses, their_losses)


def test_a_resumed_run_ends_bit_for_bit_the_same(images, tmp_path):
    weights, losses = play(aae(), images)
    options = {"checkpoint": tmp_path / "run", "resume": True, "every": 3}

    def stop(game, step, report):
        if step == 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        play(aae(), images, callbacks=[stop], **options)
    again = Images(images.files, SIDE)
    resumed, their_losses = play(aae(), again, **options)
    assert same(weights, resumed) and np.array_equal(losses, their_losses)


@pytest.mark.parametrize("what", ["size", "crop", "order", "name", "bytes"])
def test_a_run_on_other_images_is_not_resumed(images, folder, tmp_path, what):
    play(aae(), images, 2, checkpoint=tmp_path / "run")
    files, size, crop = list(images.files), SIDE, None
    if what == "size":
        size = 2 * SIDE
    if what == "crop":
        crop = 2
    if what == "order":
        files.reverse()
    if what == "name":
        files[3] = files[3].rename(folder / "other.png")
    if what == "bytes":
        Image.new("RGB", (SIDE, SIDE)).save(files[3])
    with pytest.raises(CheckpointError, match="its data differs"):
        play(
            aae(),
            Images(files, size, crop),
            3,
            checkpoint=tmp_path / "run",
            resume=True,
        )


def test_a_folder_may_move(folder, tmp_path):
    before = image_folder(folder, SIDE).train.x.fingerprint()
    moved = folder.rename(tmp_path / "moved")
    assert torch.equal(image_folder(moved, SIDE).train.x.fingerprint(), before)


def test_streams_of_another_length_are_refused(images):
    with pytest.raises(ValueError, match=r"aligned; lengths are \[23, 22\]"):
        Batches((images, torch.zeros(22)), 5, "cpu")
    with pytest.raises(ValueError, match=r"1\.\.23"):
        Batches(images, 24, "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_reach_the_device(images):
    y = torch.arange(N)
    batches = Batches((images, y), 5, "cuda")
    for _ in range(9):
        x, rows = batches.draw()
        assert x.is_cuda and rows.is_cuda
        assert torch.equal(x.cpu(), flat(chance())[rows.cpu()].float() / 255)


# ---------------------------------------------------------------- attributes


def test_attributes_are_aligned_by_the_names_of_the_files(folder, tmp_path):
    rng = np.random.default_rng(2)
    signs = {f"{i:06d}.png": rng.choice([-1, 1], 40) for i in range(1, 41)}
    names = [f"A_{k}" for k in range(40)]
    shuffled = [(k, signs[k]) for k in rng.permutation(list(signs))]  # 17 have no image
    listed = attributes(tmp_path / "list_attr_celeba.txt", names, shuffled)
    made = image_folder(folder, SIDE, valid=4, test=3, attributes=listed)
    assert made.attributes == tuple(names)
    for split in (made.train, made.valid, made.test):
        assert split.y.dtype == torch.float32
        expected = [[float(s == 1) for s in signs[p.name]] for p in split.x.files]
        assert split.y.tolist() == expected
    x, y = Batches((made.train.x, made.train.y), 5, "cpu").draw()
    of = {tuple(row.tolist()): i for i, row in enumerate(flat(chance()).float() / 255)}
    for row, values in zip(x, y, strict=True):
        name = f"{of[tuple(row.tolist())] + 1:06d}.png"
        assert values.tolist() == [float(s == 1) for s in signs[name]]


GOOD = [(f"{i:06d}.png", [1, -1]) for i in range(1, N + 1)]


@pytest.mark.parametrize(
    ("rows", "count", "says"),
    [
        (GOOD[:4] + GOOD[5:7], None, "no line for 17 of the 23 images, the first of "
         "them 000005.png"),
        (GOOD, 24, "says 24 images in its first line, and names 23"),
        (GOOD[:-1] + GOOD[:1], None, "says 23 images in its first line, and names 22"),
        ([*GOOD[:3], ("000004.png", [1])], None, "line 6: expected the name of a file "
         "and 2 values"),
        ([*GOOD[:1], ("000002.png", [1, 0])], None, "line 4: expected"),
        ([*GOOD[:1], ("", [])], None, "line 4: expected"),
    ],
)  # fmt: skip
def test_a_wrong_file_of_attributes_says_where(folder, tmp_path, rows, count, says):
    listed = attributes(tmp_path / "list.txt", ["Male", "Young"], rows, count)
    with pytest.raises(DataError) as error:
        image_folder(folder, SIDE, attributes=listed)
    assert says in str(error.value) and str(listed) in str(error.value)


@pytest.mark.parametrize("text", ["", "a\nMale\n", "3"])
def test_what_is_no_file_of_attributes_is_refused(folder, tmp_path, text):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=r"list\.txt does not begin as a file of attr"):
        image_folder(folder, SIDE, attributes=tmp_path / "list.txt")


def test_attributes_that_cannot_be_read(folder, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt cannot be read"):
        image_folder(folder, SIDE, attributes=tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match=r"000001\.png cannot be read"):
        image_folder(folder, SIDE, attributes=folder / "000001.png")


# ---------------------------------------------------------------- wrong files


def spoil(path, how):
    content = path.read_bytes()
    bad = {
        "text": b"no image at all",
        "empty": b"",
        "cut": content[: len(content) // 2],
        "flipped": bytes(255 - b if 40 < i < 60 else b for i, b in enumerate(content)),
    }
    path.write_bytes(bad[how])


@pytest.mark.parametrize(
    ("ending", "how"),
    [
        (e, how)
        for e in ("png", "jpg", "webp", "bmp")
        for how in ("text", "empty", "cut")
    ]
    + [("png", "flipped")],  # the other formats have no checksum that could tell
)
def test_a_file_that_is_no_image_is_named_when_it_is_drawn(tmp_path, ending, how):
    folder = write(tmp_path / "a", chance(6, 16, 16), ending)
    spoil(folder / f"000003.{ending}", how)
    images = image_folder(folder, 16, valid=0, test=0).train.x
    assert len(images.rows(torch.tensor([0, 1, 3, 4, 5]))) == 5
    with pytest.raises(
        DataError, match=rf"000003\.{ending} cannot be read as an image"
    ):
        images.rows(torch.arange(6))
    batches = Batches(images, 3, "cpu")
    with pytest.raises(DataError, match=rf"000003\.{ending} cannot"):
        for _ in range(2):
            batches.draw()


def test_batches_after_a_wrong_file_are_the_right_ones(tmp_path):
    folder = write(tmp_path / "a", chance(12))
    (folder / "000001.png").write_bytes(b"")
    images = image_folder(folder, SIDE, valid=0, test=0).train.x
    batches, wrong, right = Batches((images, torch.arange(12), images), 3, "cpu"), 0, 0
    for _ in range(12):
        try:
            x, rows, again = batches.draw()
        except DataError:
            wrong += 1
        else:
            right += 1
            assert torch.equal(x, flat(chance(12))[rows].float() / 255)
            assert torch.equal(x, again)
    assert (wrong, right) == (3, 9)


def test_a_file_that_is_gone_is_named(images):
    images.files[4].unlink()
    with pytest.raises(DataError, match=r"000005\.png cannot be read"):
        images.rows(torch.tensor([4]))


def test_an_image_smaller_than_the_crop_is_named(tmp_path):
    folder = write(tmp_path / "a", chance(2, 20, 12))
    images = image_folder(folder, SIDE, 16, 0, 0).train.x
    with pytest.raises(DataError, match=r"000002\.png has 12 x 20 pixels, fewer than"):
        images.rows(torch.tensor([1]))


def test_other_files_in_the_folder_are_named_and_hidden_ones_skipped(folder):
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "._000001.png").write_bytes(b"")
    (folder / "thumbnails").mkdir()
    made = image_folder(folder, SIDE)
    assert len(made.train) + len(made.valid) + len(made.test) == N
    (folder / "list.txt").write_text("")
    with pytest.raises(DataError, match=r"list\.txt is not an image"):
        image_folder(folder, SIDE)


def test_folders_without_images(tmp_path, folder):
    with pytest.raises(DataError, match="nowhere is not a folder"):
        image_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no images in it"):
        image_folder(tmp_path)  # they are in a folder of it


@pytest.mark.parametrize(("valid", "test"), [(23, 0), (0, 23), (-1, 0), (0, -1)])
def test_splits_that_leave_nothing_are_refused(folder, valid, test):
    with pytest.raises(ValueError, match=r"23 images in .* of which"):
        image_folder(folder, SIDE, valid=valid, test=test)


@pytest.mark.parametrize(("size", "crop"), [(0, None), (-4, None), (4, 0), (4, -1)])
def test_sizes_must_be_positive(size, crop):
    with pytest.raises(ValueError, match="must be positive"):
        Images([], size, crop)
