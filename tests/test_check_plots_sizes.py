"""Bands, sizes and the common figures."""

import numpy as np
import pytest
import torch

from adv_ae import plots
from adv_ae.check import CheckError, check, equal
from adv_ae.sizes import by_size, device, size


def test_a_band_prints_and_a_value_outside_raises(capsys):
    check("inside", torch.tensor(0.5), 0, 1)
    assert capsys.readouterr().out == "[ok] inside: \u22480.5, band [0, 1]\n"
    for outside in (1.1, -0.1, float("nan")):
        with pytest.raises(CheckError, match="outside"):
            check("outside", outside, 0, 1)
        assert "OUT OF BAND" in capsys.readouterr().out


def test_the_paper_size_prints_without_judging(capsys, monkeypatch):
    monkeypatch.setenv("ADV_AE_SIZE", "paper")
    check("far", 7, 0, 1)
    assert capsys.readouterr().out == "[paper size] far: \u22487\n"


def test_equal_says_what_differs(capsys):
    equal("same", [1.0, 2.0], torch.tensor([1.0, 2.0], requires_grad=True))
    assert "[ok] same" in capsys.readouterr().out
    with pytest.raises(CheckError, match=r"off by 0\.5.*look at the sign"):
        equal("gap", 1.5, 1.0, hint="look at the sign")
    with pytest.raises(CheckError, match="expected shape"):
        equal("shape", [1.0], 1.0)
    with pytest.raises(CheckError):
        equal("nan", float("nan"), 1.0)


def test_sizes(monkeypatch):
    monkeypatch.delenv("ADV_AE_SIZE", raising=False)
    assert size() == "small" and device() == "cpu" and by_size(1, 2) == 1
    monkeypatch.setenv("ADV_AE_SIZE", "paper")
    assert by_size(1, 2) == 2
    assert device() == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setenv("ADV_AE_SIZE", "huge")
    with pytest.raises(ValueError, match="huge"):
        size()


def test_figures_of_the_palette():
    ax = plots.images(torch.rand(7, 16, requires_grad=True), (4, 4), columns=3)
    assert ax.images[0].get_array().shape == (3 * 6, 3 * 6)
    grid = ax.images[0].get_array()
    assert not grid[13:17, 7:17].any()  # the last row has one picture, then blanks
    ax = plots.points(np.random.rand(5, 2), labels=range(5))
    assert len(ax.collections[0].get_offsets()) == 5
    plots.points(np.random.rand(5, 2), color=plots.PRIOR, ax=ax)
    fig, axes = plots.figure(1, 2, sharex=True)
    assert fig.get_facecolor() == (1, 1, 1, 1)
    plots.seeds(axes[0], [0, 1], [[1, 2], [3, 4]], plots.DATA, "mean")
    lines = axes[0].get_lines()
    assert list(lines[-1].get_ydata()) == [2, 3] and len(lines) == 3
    words = [t.get_text() for t in plots.two_joints().axes[0].texts]
    assert {"x ~ data", "z ~ prior", "q(x, z)", "p(x, z)"} <= set(words)
    plots.plt.close("all")


def test_pictures_in_color_keep_their_colors_and_places(caplog):
    x = torch.rand(5, 3, 2, 4)  # two rows of four pixels
    x[4, 0] = torch.tensor([[-1.0, 2.0, 0.5, 0.5]] * 2)
    ax = plots.images(x.flatten(1).requires_grad_(), (3, 2, 4), columns=3)
    grid = ax.images[0].get_array()
    assert grid.shape == (2 * 4, 3 * 6, 3) and not caplog.records
    for k in range(5):
        top, left = 4 * (k // 3) + 1, 6 * (k % 3) + 1
        shown = grid[top : top + 2, left : left + 4]
        expected = x[k].detach().clip(0, 1).permute(1, 2, 0)
        np.testing.assert_allclose(shown, expected)
    assert (grid[:, ::6] == 1).all() and (grid[:, 5::6] == 1).all()  # white paper
    assert (grid[::4] == 1).all() and (grid[3::4] == 1).all()
    assert (grid[4:, 12:] == 1).all()  # the last row has two pictures
    plots.plt.close("all")


def test_pairs_stand_at_their_codes_and_cover_none():
    x = torch.tensor([[1.0, 0.0, 0.0, 0.5]] * 3)
    z = torch.tensor([[0.0, 0.0], [0.3, 0.3], [1.0, -2.0]])
    ax = plots.pairs(x, z, (2, 2), color="#ff0000", size=0.5)
    first, last = ax.images  # the second would cover the first
    assert first.get_extent() == [-0.25, 0.25, -0.25, 0.25]
    assert last.get_extent() == [0.75, 1.25, -2.25, -1.75]
    ink = first.get_array()
    assert ink[..., 3].tolist() == [[1.0, 0.0], [0.0, 0.5]]
    assert (ink[..., :3] == [1, 0, 0]).all()
    plots.plt.close("all")


def test_a_swarm_shows_every_seed_and_the_mean():
    ax = plots.swarm({"AE": [1.0, 2.0], "VAE": torch.tensor([2.0, 3.0, 7.0])}, truth=5)
    ten = plots.swarm(dict.fromkeys(("a", "b", "c", "d", "e", "f"), [8.0] * 10))
    ten.figure.canvas.draw()  # seaborn warns here of dots that find no place
    dots = [c.get_offsets()[:, 0].tolist() for c in ax.collections]
    assert sorted(d for row in dots for d in row) == [1.0, 2.0, 2.0, 3.0, 7.0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["AE", "VAE"]
    lines = [list(line.get_xdata()) for line in ax.get_lines()]
    assert [5, 5] in lines and any(list(x) in ([1.5, 4.0],) for x in lines)
    plots.plt.close("all")
