"""The small Boltzmann machine against enumeration, and its games against each other."""

import itertools
import math

import numpy as np
import pytest
import torch

from adv_ae import step
from adv_ae.rbm import (
    RBM,
    ContrastiveDivergence,
    PersistentChain,
    bars_and_stripes,
    states,
)


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    states.cache_clear()
    yield
    torch.set_default_dtype(torch.float32)
    states.cache_clear()


def machine(visible=4, hidden=3, Game=RBM, std=0.8, **options):
    game = Game(visible, hidden, std, **options)
    with torch.no_grad():
        game.b.normal_()
        game.c.normal_()
    return game


def energies(rbm):
    """-E(v, h) for all pairs of states, by hand in numpy: two axes."""
    W, b, c = (w.detach().numpy() for w in (rbm.W, rbm.b, rbm.c))
    vs = list(itertools.product((0, 1), repeat=len(b)))
    hs = list(itertools.product((0, 1), repeat=len(c)))
    return np.array([[v @ W @ h + b @ v + c @ h for h in map(np.array, hs)]
                     for v in map(np.array, vs)])  # fmt: skip


@pytest.mark.parametrize(("visible", "hidden"), [(4, 3), (3, 5)])
def test_log_likelihood_is_the_sum_over_everything(visible, hidden):
    rbm = machine(visible, hidden)
    table = energies(rbm)
    log_z = np.logaddexp.reduce(table, axis=(0, 1))
    want = np.logaddexp.reduce(table, axis=1) - log_z
    assert rbm.log_partition().item() == pytest.approx(log_z, abs=1e-12)
    got = rbm.log_likelihood(states(visible)).detach().numpy()
    np.testing.assert_allclose(got, want, atol=1e-12)
    assert np.exp(got).sum() == pytest.approx(1.0)


def test_the_kernel_is_the_conditional_of_the_joint():
    rbm = machine()
    joint = np.exp(energies(rbm))
    h_given_v = joint / joint.sum(1, keepdims=True)
    v_given_h = (joint / joint.sum(0, keepdims=True)).T
    np.testing.assert_allclose(rbm.kernel().numpy(), h_given_v @ v_given_h, atol=1e-12)


def test_the_kernel_keeps_the_law_and_its_eigenvalues_tell_how_fast():
    rbm = machine()
    p = rbm.log_likelihood(states(4)).exp().detach()
    torch.testing.assert_close(p @ rbm.kernel(), p)
    values = np.sort(np.linalg.eigvals(rbm.kernel().numpy()).real)
    assert values[-1] == pytest.approx(1.0)
    assert rbm.mixing() == pytest.approx(values[-2], abs=1e-10)
    assert machine(std=0.0).mixing() == pytest.approx(0.0, abs=1e-7)


def test_gibbs_follows_the_kernel():
    rbm, n = machine(), 200_000
    start = states(4)[5]
    end = rbm.gibbs(start.expand(n, 4), 2)
    counts = (end @ 2.0 ** torch.arange(3, -1, -1)).long().bincount(minlength=16) / n
    want = torch.linalg.matrix_power(rbm.kernel(), 2)[5]
    error = (want * (1 - want) / n).sqrt() + 1 / n  # rare states come in whole draws
    assert ((counts - want).abs() < 4.5 * error).all()


def slopes_of(game, v):
    loss = game.losses(v)["rbm"]
    grads = torch.autograd.grad(loss, game.weights("rbm"))
    return torch.cat([g.flatten() for g in grads])


def uniform_over(v):
    where = (v @ 2.0 ** torch.arange(v.shape[1] - 1, -1, -1)).long()
    return where.bincount(minlength=2 ** v.shape[1]) / len(v)


def test_exact_slopes_are_those_of_the_likelihood():
    rbm, v = machine(), states(4)[[1, 7, 7, 12]]
    p = rbm.log_likelihood(states(4)).exp().detach()
    torch.testing.assert_close(rbm.slopes(uniform_over(v), p), slopes_of(rbm, v))


@pytest.mark.parametrize("k", [1, 3])
def test_cd_slopes_have_the_mean_that_the_kernel_says(k):
    game, v = machine(Game=ContrastiveDivergence, k=k), states(4)[[1, 7, 12]]
    n = 100_000
    data = uniform_over(v)
    law = data @ torch.linalg.matrix_power(game.kernel(), k)
    got = slopes_of(game, v.repeat(n // 3, 1))
    torch.testing.assert_close(got, game.slopes(data, law), atol=0.01, rtol=0)
    assert (game.slopes(data, law) - slopes_of(machine(), v)).abs().max() > 0.02


def test_cd_has_no_slope_where_the_data_are_the_machines_own():
    game = machine(Game=ContrastiveDivergence)
    p = game.log_likelihood(states(4)).exp().detach()
    assert game.slopes(p, p @ game.kernel()).abs().max() < 1e-12


def test_the_persistent_chain_goes_on():
    game = machine(Game=PersistentChain, chains=50, k=2)
    v, before = states(4)[[1, 7]], game.chain.clone()
    game.losses(v)
    assert (game.chain == before).all()  # asked, not played
    sgd = {"rbm": torch.optim.SGD(game.weights("rbm"), 0.1)}
    torch.manual_seed(3)
    step(game, sgd, v)
    after = game.chain.clone()
    assert (after != before).any()
    step(game, sgd, v)
    assert (game.chain != after).any() and game.chain.shape == (50, 4)
    assert "chain" in game.state_dict()


@pytest.mark.parametrize("Game", [RBM, ContrastiveDivergence, PersistentChain])
def test_learning_two_patterns(Game):
    v = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    game = Game(4, 4, 0.1)
    sgd = {"rbm": torch.optim.SGD(game.weights("rbm"), 0.2)}
    for _ in range(600):
        step(game, sgd, v.repeat(25, 1))
    gap = -game.log_likelihood(v).mean().item() - math.log(2)
    most = {RBM: 0.1, ContrastiveDivergence: 0.4, PersistentChain: 1.5}
    assert 0 < gap < most[Game]  # log 8 = 2.08 at first; the persistent chain swings


def test_bars_and_stripes():
    v = bars_and_stripes(3)
    assert v.shape == (14, 9) and len(v.unique(dim=0)) == 14
    square = v.view(-1, 3, 3)
    rows = (square == square[:, :, :1]).all((1, 2))
    columns = (square == square[:, :1, :]).all((1, 2))
    assert (rows | columns).all() and (rows & columns).sum() == 2


def test_too_many_states_are_refused():
    with pytest.raises(ValueError, match="too many"):
        states(17)
