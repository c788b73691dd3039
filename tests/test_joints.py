"""Two joints compared exactly, against loops in numpy and closed forms.

The loops below know nothing of the package: masses are lists, and 0 log 0 = 0 is an if.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from torch.distributions import MultivariateNormal, kl_divergence

from adv_ae import joints
from adv_ae.divergences import LOG2, fake, real

pytestmark = pytest.mark.usefixtures("double")

LOG4 = math.log(4)


# ----------------------------------------------------------------------- by hand: loops


def value_by_hand(q, p, D=None):
    """E_q log D + E_p log(1 - D), cell by cell."""
    total = 0.0
    for i, j in np.ndindex(q.shape):
        d = D[i, j] if D is not None else None
        if q[i, j] > 0:
            d_q = d if d is not None else q[i, j] / (q[i, j] + p[i, j])
            total += q[i, j] * (math.log(d_q) if d_q > 0 else -math.inf)
        if p[i, j] > 0:
            d_p = 1 - d if d is not None else p[i, j] / (q[i, j] + p[i, j])
            total += p[i, j] * (math.log(d_p) if d_p > 0 else -math.inf)
    return total


def kl_by_hand(a, b):
    total = 0.0
    for i, j in np.ndindex(a.shape):
        if a[i, j] > 0:
            if b[i, j] == 0:
                return math.inf
            total += a[i, j] * (math.log(a[i, j]) - math.log(b[i, j]))
    return total


def js_by_hand(q, p):
    m = [[(q[i, j] + p[i, j]) / 2 for j in range(q.shape[1])] for i in range(len(q))]
    return (kl_by_hand(q, np.array(m)) + kl_by_hand(p, np.array(m))) / 2


def masses(*shape, zeros=0.0):
    """Masses that sum to 1 over the last dimension, some of them zero."""
    raw = torch.rand(*shape) * (torch.rand(*shape) >= zeros)
    raw[..., 0] += (raw.sum(-1) == 0).double()
    return raw / raw.sum(-1, keepdim=True)


def joint(*shape, zeros=0.0):
    return masses(*shape[:-2], shape[-2] * shape[-1], zeros=zeros).view(shape)


def draw_pairs():
    """Pairs of joints: none, some and most cells empty; disjoint; equal."""
    for zeros, (n, m) in itertools.product((0.0, 0.4, 0.8), ((3, 4), (1, 5), (2, 2))):
        yield joint(n, m, zeros=zeros), joint(n, m, zeros=zeros)
    left, right = torch.zeros(2, 2), torch.zeros(2, 2)
    left[0], right[1] = 0.5, torch.tensor([0.1, 0.9])
    yield left, right
    yield left, left


# ------------------------------------------------------------------------------- joints


def test_joints_are_masses_times_conditionals():
    p_x, q, p_z, p = masses(3), masses(3, 2), masses(2), masses(2, 3)
    on_q, on_p = joints.encoder_joint(p_x, q), joints.decoder_joint(p_z, p)
    assert on_q.shape == on_p.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        assert on_q[i, j].item() == pytest.approx((p_x[i] * q[i, j]).item(), abs=1e-15)
        assert on_p[i, j].item() == pytest.approx((p_z[j] * p[j, i]).item(), abs=1e-15)
    torch.testing.assert_close(on_q.sum(1), p_x)
    torch.testing.assert_close(on_p.sum(0), p_z)


def test_joints_of_a_batch_are_those_of_its_members():
    p_x, q, p_z, p = masses(3), masses(5, 6, 3, 2), masses(2), masses(5, 6, 2, 3)
    on_q, on_p = joints.encoder_joint(p_x, q), joints.decoder_joint(p_z, p)
    assert on_q.shape == on_p.shape == (5, 6, 3, 2)
    for a, b in np.ndindex(5, 6):
        assert torch.equal(on_q[a, b], joints.encoder_joint(p_x, q[a, b]))
        assert torch.equal(on_p[a, b], joints.decoder_joint(p_z, p[a, b]))


def test_a_map_is_a_conditional_of_ones():
    rows = joints.point_masses(torch.tensor([[2, 0], [1, 1]]), 4)
    want = [[[0, 0, 1, 0], [1, 0, 0, 0]], [[0, 1, 0, 0], [0, 1, 0, 0]]]
    assert rows.tolist() == want and rows.dtype == torch.float64


# ----------------------------------------------------------------- what D makes of them


def test_the_optimal_discriminator_is_the_share_of_q():
    for q, p in draw_pairs():
        D = joints.optimal_discriminator(q, p)
        for i, j in np.ndindex(*q.shape):
            total = (q[i, j] + p[i, j]).item()
            if total == 0:
                assert D[i, j].isnan()
            else:
                assert D[i, j].item() == pytest.approx(q[i, j].item() / total)
    q = joint(2, 3)
    half = joints.optimal_discriminator(q, q)
    assert torch.equal(half, torch.full((2, 3), 0.5))


def test_values_are_the_sums_of_the_loops():
    for q, p in draw_pairs():
        have = joints.value(q, p).item()
        want = value_by_hand(q.numpy(), p.numpy())
        assert have == pytest.approx(want, abs=1e-12)
        D = torch.rand(q.shape)
        have = joints.value(q, p, D).item()
        want = value_by_hand(q.numpy(), p.numpy(), D.numpy())
        assert have == pytest.approx(want, abs=1e-12)


def test_to_be_sure_and_wrong_costs_everything():
    q, p = torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]])
    assert joints.value(q, p, torch.tensor([[0.5, 0.0]])) == -torch.inf
    assert joints.value(q, p, torch.tensor([[1.0, 0.5]])) == -torch.inf
    sure = joints.value(q, p, torch.tensor([[1 / 3, 1.0]]))  # sure and right
    assert sure.item() == pytest.approx(0.5 * math.log(1 / 3) + math.log(2 / 3))


def test_blind_discriminators_get_minus_log_four_and_perfect_ones_nothing():
    q, p = joint(3, 4, zeros=0.3), joint(3, 4, zeros=0.3)
    assert joints.value(q, p, torch.full((3, 4), 0.5)).item() == pytest.approx(-LOG4)
    apart = torch.eye(2) / 2, torch.eye(2).flip(0) / 2
    assert joints.value(*apart).item() == 0
    assert joints.js(*apart).item() == pytest.approx(LOG2)


def test_no_other_discriminator_gets_more():
    for q, p in draw_pairs():
        best = joints.value(q, p)
        others = joints.value(q, p, torch.rand(2000, *q.shape))
        assert others.shape == (2000,) and others.max() <= best + 1e-12
        near = joints.optimal_discriminator(q, p).nan_to_num(0.3)
        for gap in (1e-3, -1e-3):
            assert joints.value(q, p, (near + gap).clamp(0, 1)) <= best + 1e-12


def test_the_value_is_flat_at_the_optimal_discriminator_and_curved_down():
    q, p = joint(3, 4), joint(3, 4)
    D = joints.optimal_discriminator(q, p).requires_grad_()
    (slope,) = torch.autograd.grad(joints.value(q, p, D), D)
    assert slope.abs().max() < 1e-12
    curve = torch.autograd.functional.hessian(
        lambda d: joints.value(q, p, d.view(3, 4)), D.detach().flatten()
    )
    want = -(q / D**2 + p / (1 - D) ** 2).flatten().detach()
    torch.testing.assert_close(curve, torch.diag(want))
    off = (0.9 * D).detach().requires_grad_()
    (slope,) = torch.autograd.grad(joints.value(q, p, off), off)
    assert (slope > 0).all()


def test_js_is_the_loops_and_scipys_and_the_value_of_the_optimal_d():
    for q, p in draw_pairs():
        have, m = joints.js(q, p).item(), (q + p).numpy() / 2
        assert have == pytest.approx(js_by_hand(q.numpy(), p.numpy()), abs=1e-12)
        scipys = (rel_entr(q.numpy(), m).sum() + rel_entr(p.numpy(), m).sum()) / 2
        assert have == pytest.approx(scipys, abs=1e-12)
        assert joints.value(q, p).item() == pytest.approx(2 * have - LOG4, abs=1e-12)
        assert -1e-15 <= have <= LOG2 + 1e-15
        assert joints.js(p, q).item() == pytest.approx(have, abs=1e-15)
    assert joints.js(q, q).item() == 0


def test_js_of_a_fair_and_a_two_headed_coin():
    """m = (3/4, 1/4)."""
    fair, two_headed = torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]])
    want = (0.5 * math.log(2 / 3) + 0.5 * math.log(2) + math.log(4 / 3)) / 2
    assert joints.js(fair, two_headed).item() == pytest.approx(want, abs=1e-15)


def test_relative_entropy_is_scipys_and_infinite_where_b_has_no_mass():
    for a, b in draw_pairs():
        have = joints._relative_entropy(a, b).item()
        assert have == pytest.approx(rel_entr(a.numpy(), b.numpy()).sum(), abs=1e-12)
        assert have == pytest.approx(kl_by_hand(a.numpy(), b.numpy()), abs=1e-12)
    wide, narrow = torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]])
    assert joints._relative_entropy(wide, narrow) == torch.inf
    assert joints._relative_entropy(narrow, wide).item() == pytest.approx(LOG2)


FUNCTIONS = {
    "value": lambda q, p: joints.value(q, p),
    "value of a D": lambda q, p: joints.value(q, p, torch.full_like(q, 0.3)),
    "js": joints.js,
    "js of x": lambda q, p: joints.js_parts(q, p)[0],
    "js of codes": lambda q, p: joints.js_parts(q, p)[1],
    "relative entropy": joints._relative_entropy,
    "information": lambda q, p: joints.mutual_information(q),
    "returned": joints.returned,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_batch_is_taken_member_by_member(name):
    """Also where one member is infinite or empty in places and another is not."""
    f, q, p = FUNCTIONS[name], joint(4, 5, 3, 2, zeros=0.4), joint(4, 5, 3, 2)
    p[1, 2] = joint(3, 2, zeros=0.6)
    got = f(q, p)
    assert got.shape == (4, 5)
    for a, b in np.ndindex(4, 5):
        torch.testing.assert_close(got[a, b], f(q[a, b], p[a, b]), rtol=0, atol=1e-14)
    crossed = f(q[:, None, 0], p[None, :, 0])  # 4 x 4 pairs, by broadcasting
    for a, b in np.ndindex(*crossed.shape):
        one = f(q[a, 0], p[b, 0])
        torch.testing.assert_close(crossed[a, b], one, rtol=0, atol=1e-14)


# ----------------------------------------------------------------------- what is shared


def test_js_of_a_joint_is_that_of_x_and_what_the_codes_add():
    for q, p in draw_pairs():
        of_x, of_z = joints.js_parts(q, p)
        q_x, p_x = q.sum(1).numpy(), p.sum(1).numpy()
        want = js_by_hand(q_x[:, None], p_x[:, None])
        assert of_x.item() == pytest.approx(want, abs=1e-12)
        assert (of_x + of_z).item() == pytest.approx(joints.js(q, p).item(), abs=1e-15)
        want = 0.0
        for i in range(len(q)):
            m = (q[i] + p[i]).numpy() / (q_x[i] + p_x[i] or 1)  # m(z|x)
            for of_joint, mass in ((q[i].numpy(), q_x[i]), (p[i].numpy(), p_x[i])):
                if mass > 0:
                    want += mass * rel_entr(of_joint / mass, m).sum() / 2
        assert of_z.item() == pytest.approx(want, abs=1e-12)
        assert of_x > -1e-15 and of_z > -1e-15


def test_codes_add_nothing_iff_the_conditionals_agree():
    q_x, p_x, z_given_x = masses(3), masses(3), masses(3, 4)
    same = joints.js_parts(q_x[:, None] * z_given_x, p_x[:, None] * z_given_x)
    assert same[0] > 0.001 and same[1].abs() < 1e-15
    other = joints.js_parts(q_x[:, None] * z_given_x, q_x[:, None] * masses(3, 4))
    assert other[0].abs() < 1e-15 and other[1] > 0.001


def test_equal_joints_have_equal_marginals_and_conditionals():
    q = joint(3, 4)
    p = joints.decoder_joint(q.sum(0), (q / q.sum(0)).T)  # p(x|z) = q(x|z), by Bayes
    assert joints.js(q, p).abs() < 1e-15
    assert joints.value(q, p).item() == pytest.approx(-LOG4, abs=1e-15)


def test_mutual_information_is_the_loop():
    for q, _ in draw_pairs():
        q_x, q_z, want = q.sum(1), q.sum(0), 0.0
        for i, j in np.ndindex(*q.shape):
            if q[i, j] > 0:
                want += (q[i, j] * (q[i, j] / (q_x[i] * q_z[j])).log()).item()
        assert joints.mutual_information(q).item() == pytest.approx(want, abs=1e-12)
    apart = masses(3)[:, None] * masses(4)
    assert joints.mutual_information(apart).abs() < 1e-15
    one_to_one = joints.mutual_information(torch.eye(5) / 5)
    assert one_to_one.item() == pytest.approx(math.log(5))


def test_returned_is_the_loop_over_x_z_and_x_hat():
    for zeros in (0.0, 0.5):
        q, p = joint(3, 4, zeros=zeros), joint(3, 4)
        want = 0.0
        for x, z, x_hat in itertools.product(range(3), range(4), range(3)):
            p_z = sum(p[k, z].item() for k in range(3))
            if x_hat == x and p_z > 0:
                want += q[x, z].item() * p[x_hat, z].item() / p_z
        assert joints.returned(q, p).item() == pytest.approx(want, abs=1e-12)
    q, p = torch.tensor([[0.5, 0.0], [0.5, 0.0]]), torch.tensor([[1.0, 0.0], [0, 0]])
    assert joints.returned(q, p).item() == 0.5  # z = 1 has no mass, and is not used


def test_the_independent_coupling_matches_all_and_returns_what_chance_does():
    """ALI's game is solved, and the code says nothing of x: sum of p^2."""
    p_x, p_z = torch.tensor([0.5, 0.3, 0.2]), masses(4)
    q = joints.encoder_joint(p_x, p_z.expand(3, 4))  # q(z|x) = p(z)
    p = joints.decoder_joint(p_z, p_x.expand(4, 3))  # p(x|z) = q(x)
    assert joints.value(q, p).item() == pytest.approx(-LOG4, abs=1e-15)
    assert joints.returned(q, p).item() == pytest.approx(0.38, abs=1e-15)
    assert joints.mutual_information(q).abs() < 1e-15
    one_to_one = torch.eye(3)[[2, 0, 1]] / 3
    assert joints.returned(one_to_one, one_to_one).item() == pytest.approx(1)


# ----------------------------------------------------------------------- a world, whole


def test_maps_are_all_of_them_in_lexicographic_order():
    for n, m in ((1, 1), (2, 3), (3, 2), (4, 4)):
        have = joints.maps(n, m).tolist()
        want = list(range(m**n))
        numbers = [sum(v * m ** (n - 1 - i) for i, v in enumerate(f)) for f in have]
        assert numbers == want and all(len(f) == n for f in have)
    assert joints.maps(2, 3).dtype == torch.int64


def test_given_back_is_the_loop():
    E, G = torch.randint(4, (6, 3)), torch.randint(3, (6, 4))
    got = joints.given_back(E, G)
    assert got.shape == (6, 3) and got.dtype == torch.bool
    for i, x in np.ndindex(6, 3):
        assert got[i, x].item() == (G[i, E[i, x]].item() == x)
    crossed = joints.given_back(E[:, None], G[None])
    assert crossed.shape == (6, 6, 3)
    for i, j, x in np.ndindex(6, 6, 3):
        assert crossed[i, j, x].item() == (G[j, E[i, x]].item() == x)
    assert joints.given_back(E[0], G[0]).tolist() == got[0].tolist()


COUNTS = {
    2: {0: 2, 1: 12, 2: 2},
    3: {0: 156, 1: 423, 2: 144, 3: 6},
    4: {0: 16920, 1: 33184, 2: 13968, 3: 1440, 4: 24},
}


@pytest.mark.parametrize("n", COUNTS)
def test_of_equal_masses_the_value_counts_what_is_given_back(n):
    even = torch.full((n,), 1 / n)
    world = joints.world(even, even)
    assert world.value.shape == world.given_back.shape == (n**n, n**n)
    k = (world.given_back * n).round()
    torch.testing.assert_close(world.given_back, k / n, rtol=0, atol=1e-12)
    torch.testing.assert_close(world.value, -k / n * LOG4, rtol=0, atol=1e-12)
    counts = {int(i): int((k == i).sum()) for i in k.unique()}
    assert counts == COUNTS[n] and sum(counts.values()) == (n**n) ** 2
    optima = world.optima()
    assert optima.shape == (math.factorial(n), 2)
    for a, b in optima.tolist():
        E, G = world.E[a].tolist(), world.G[b].tolist()
        assert [G[E[x]] for x in range(n)] == [E[G[z]] for z in range(n)]
        assert [G[E[x]] for x in range(n)] == list(range(n))
    assert len({tuple(world.E[a].tolist()) for a, _ in optima}) == math.factorial(n)


def test_counts_of_pairs_by_a_loop_of_its_own():
    for n in (2, 3):
        counts = dict.fromkeys(range(n + 1), 0)
        for E, G in itertools.product(itertools.product(range(n), repeat=n), repeat=2):
            counts[sum(G[E[x]] == x for x in range(n))] += 1
        assert counts == COUNTS[n]


@pytest.mark.parametrize("zeros", [0.0, 0.4])
@pytest.mark.parametrize(("n", "m"), [(3, 2), (2, 3), (3, 3)])
def test_a_world_is_every_pair_of_maps_with_its_value(n, m, zeros):
    p_x, p_z = masses(n, zeros=zeros), masses(m, zeros=zeros)
    world = joints.world(p_x, p_z)
    assert world.E.shape == (m**n, n) and world.G.shape == (n**m, m)
    assert world.value.shape == world.given_back.shape == (m**n, n**m)
    for a, b in np.ndindex(*world.value.shape):
        q, p, back = np.zeros((n, m)), np.zeros((n, m)), 0.0
        for x, code in enumerate(world.E[a].tolist()):
            q[x, code] += p_x[x]
            back += p_x[x].item() * (world.G[b, code].item() == x)
        for z, picture in enumerate(world.G[b].tolist()):
            p[picture, z] += p_z[z]
        assert world.value[a, b].item() == pytest.approx(value_by_hand(q, p), abs=1e-12)
        assert world.given_back[a, b].item() == pytest.approx(back, abs=1e-12)


def test_masses_that_no_map_matches_leave_the_optimum_out_of_reach():
    p_x, p_z = torch.tensor([0.5, 0.3, 0.2]), torch.full((3,), 1 / 3)
    world = joints.world(p_x, p_z)
    assert world.value.min().item() == pytest.approx(-1.351792, abs=5e-7)
    assert world.value.min() > -LOG4 + 0.03
    want = -2 * LOG2 + 2 * js_by_hand(p_x.numpy()[:, None], p_z.numpy()[:, None])
    assert world.value.min().item() == pytest.approx(want, abs=1e-12)
    optima = world.optima()
    assert len(optima) == 6  # still the bijections: each has the same value
    for a, b in optima.tolist():
        assert world.given_back[a, b].item() == pytest.approx(1)


def test_masses_that_are_unequal_but_match_have_one_optimum():
    """z's have to have the masses of their x's: only one bijection does that."""
    p = torch.tensor([0.5, 0.3, 0.2])
    world = joints.world(p, p)
    ((a, b),) = world.optima().tolist()
    assert world.E[a].tolist() == world.G[b].tolist() == [0, 1, 2]
    assert world.value.min().item() == pytest.approx(-LOG4, abs=1e-15)
    turned = joints.world(p, p[[2, 0, 1]])  # z = 0 has 0.2, z = 1 has 0.5, z = 2 has .3
    ((a, b),) = turned.optima().tolist()
    assert turned.E[a].tolist() == [1, 2, 0] and turned.G[b].tolist() == [2, 0, 1]


def test_tolerance_says_which_pairs_are_as_good():
    world = joints.world(torch.full((2,), 0.5), torch.full((2,), 0.5))
    assert len(world.optima()) == 2
    assert len(world.optima(LOG2 + 1e-6)) == 14  # one of two given back: 12 more
    assert len(world.optima(LOG4 + 1e-6)) == 16


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.6])
def test_the_value_is_an_l0_autoencoder(zeros):
    """Theorem 3, at random maps of random worlds with empty states."""
    for _ in range(40):
        n, m = (int(k) for k in torch.randint(1, 5, (2,)))
        p_x, p_z = masses(n, zeros=zeros), masses(m, zeros=zeros)
        E, G = torch.randint(m, (n,)), torch.randint(n, (m,))
        q = joints.encoder_joint(p_x, joints.point_masses(E, m))
        p = joints.decoder_joint(p_z, joints.point_masses(G, n))
        have = joints.l0_value(p_x, p_z, E, G)
        assert have.shape == () and have.isfinite()
        assert have.item() == pytest.approx(joints.value(q, p).item(), abs=1e-12)
        assert have.item() == pytest.approx(l0_by_hand(p_x, p_z, E, G), abs=1e-12)


def l0_by_hand(p_x, p_z, E, G):
    """Theorem 3, one state at a time."""
    total = 0.0
    for x, z in enumerate(E.tolist()):
        if p_x[x] > 0 and p_z[z] > 0 and G[z] == x:
            total += (p_x[x] * (p_x[x] / (p_x[x] + p_z[z])).log()).item()
    for z, x in enumerate(G.tolist()):
        if p_z[z] > 0 and p_x[x] > 0 and E[x] == z:
            total += (p_z[z] * (p_z[z] / (p_x[x] + p_z[z])).log()).item()
    return total


def test_what_is_not_given_back_costs_d_nothing():
    p = torch.full((3,), 1 / 3)
    nothing = joints.l0_value(p, p, torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0]))
    everything = joints.l0_value(p, p, torch.tensor([2, 0, 1]), torch.tensor([1, 2, 0]))
    assert nothing.item() == 0
    assert everything.item() == pytest.approx(-LOG4, abs=1e-15)


# ------------------------------------------------------------------------- of Gaussians


def test_gaussian_joints_have_their_marginals_and_conditionals():
    q, p = joints.gaussian_encoder_joint(0.7, 0.4), joints.gaussian_decoder_joint(-2, 3)
    for d, given, slope, spread in ((q, 0, 0.7, 0.4), (p, 1, -2.0, 3.0)):
        cov, other = d.covariance_matrix, 1 - given
        assert cov.dtype == torch.float64 and not d.mean.any()
        assert cov[given, given].item() == pytest.approx(1)
        assert (cov[0, 1] / cov[given, given]).item() == pytest.approx(slope)
        rest = cov[other, other] - cov[0, 1] ** 2 / cov[given, given]
        assert rest.item() == pytest.approx(spread**2)


def test_density_of_a_gaussian_joint_is_the_product():
    """log q(x, z) = log N(x; 0, 1) + log N(z; a x, s^2), and the same for p."""
    at = torch.randn(20, 2)
    x, z = at.T
    normal = torch.distributions.Normal
    q = normal(0.0, 1.0).log_prob(x) + normal(-1.2 * x, 0.3).log_prob(z)
    torch.testing.assert_close(
        joints.gaussian_encoder_joint(-1.2, 0.3).log_prob(at), q, rtol=1e-12, atol=1e-12
    )
    p = normal(0.0, 1.0).log_prob(z) + normal(0.8 * z, 1.5).log_prob(x)
    torch.testing.assert_close(
        joints.gaussian_decoder_joint(0.8, 1.5).log_prob(at), p, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("rho", [-0.9, 0.0, 0.6, 0.99])
def test_the_two_gaussian_joints_meet_whatever_rho(rho):
    s = (1 - rho**2) ** 0.5
    q = joints.gaussian_encoder_joint(rho, s)
    p = joints.gaussian_decoder_joint(rho, s)
    torch.testing.assert_close(
        q.covariance_matrix, p.covariance_matrix, rtol=0, atol=1e-12
    )
    assert kl_divergence(q, p).abs() < 1e-12
    assert joints.gaussian_js(q, p, n=301).abs() < 1e-12


def kl_of_gaussians(a, s, b, t):
    """KL(q || p) from 1-D pieces: -H(x) - H(z|x) + E_q of the two squares."""
    x2, z2, xz = 1.0, a * a + s * s, a
    cross = (z2 + (x2 - 2 * b * xz + b * b * z2) / t**2) / 2 + math.log(t)
    return cross - 1 - math.log(s)  # the 2 pi's cancel


@pytest.mark.parametrize(
    ("a", "s", "b", "t"), [(0.5, 0.8, 0.5, 0.8), (1.0, 0.3, 0.2, 2.0), (-2, 1, 1, 0.5)]
)
def test_kl_of_gaussian_joints_is_the_closed_form(a, s, b, t):
    q, p = joints.gaussian_encoder_joint(a, s), joints.gaussian_decoder_joint(b, t)
    want = kl_of_gaussians(a, s, b, t)
    assert kl_divergence(q, p).item() == pytest.approx(want, abs=1e-12)


def js_by_gauss_hermite(q, p, n=160):
    """E_q log q/m and E_p log p/m, each on the nodes of its own Gaussian."""
    at, weight = np.polynomial.hermite_e.hermegauss(n)
    nodes = np.stack(np.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 2)
    weights = np.outer(weight, weight).ravel() / (2 * np.pi)
    total = 0.0
    for own, other in ((q, p), (p, q)):
        root = np.linalg.cholesky(own.covariance_matrix.numpy())
        z = torch.from_numpy(nodes @ root.T)
        gap = (other.log_prob(z) - own.log_prob(z)).numpy()
        total += (weights * (np.log(2) - np.logaddexp(0, gap))).sum() / 2
    return total


@pytest.mark.parametrize(
    ("a", "s", "b", "t"),
    [(0.5, 0.8, 0.4, 0.9), (0.9, 0.5, 0.0, 1.0), (1.0, 0.3, 1.0, 1.0)],
)
def test_js_of_gaussians_is_that_of_another_quadrature(a, s, b, t):
    q, p = joints.gaussian_encoder_joint(a, s), joints.gaussian_decoder_joint(b, t)
    have, want = joints.gaussian_js(q, p).item(), js_by_gauss_hermite(q, p)
    assert have == pytest.approx(want, abs=2e-5)
    assert 0.001 < have < LOG2
    assert joints.gaussian_js(p, q).item() == pytest.approx(have, abs=1e-12)
    assert have <= (kl_divergence(q, p) + kl_divergence(p, q)).item() / 4


def test_js_of_gaussians_does_not_depend_on_a_grid_that_is_fine_enough():
    """Wide and narrow axes: each has its own reach, that of the wider of the two."""
    q, p = joints.gaussian_encoder_joint(0.1, 0.2), joints.gaussian_decoder_joint(5, 2)
    assert q.variance[1] < p.variance[1] and q.variance[0] < p.variance[0]
    want = joints.gaussian_js(q, p).item()
    assert joints.gaussian_js(q, p, reach=7.0, n=901).item() == pytest.approx(
        want, abs=1e-8
    )
    assert want == pytest.approx(js_by_gauss_hermite(q, p), abs=1e-4)
    cut = joints.gaussian_js(q, p, reach=0.5).item()
    assert cut < want - 0.05  # a grid that is too short misses mass


def test_the_grid_reaches_so_many_standard_deviations_of_the_wider_on_each_axis():
    """In x the decoder's 5, of a variance of 25; in z the encoder's root of 17."""
    q, p = joints.gaussian_encoder_joint(4.0, 1.0), joints.gaussian_decoder_joint(3, 4)
    given = []

    class Spy:
        variance, covariance_matrix = q.variance, q.covariance_matrix

        def log_prob(self, at):
            given.append(at)
            return q.log_prob(at)

    joints.gaussian_js(Spy(), p, reach=2.0, n=81)
    (at,) = given
    x, z = (np.linspace(-2 * sd, 2 * sd, 81) for sd in (5.0, 17**0.5))
    want = np.array(list(itertools.product(x, z)))
    np.testing.assert_allclose(at, want, atol=1e-12)


def test_js_of_gaussians_grows_to_log_two():
    q = joints.gaussian_encoder_joint(0.0, 1.0)
    far = [
        joints.gaussian_js(q, joints.gaussian_decoder_joint(b, 0.1)).item()
        for b in (0.0, 1.0, 3.0)
    ]
    assert far == sorted(far) and far[-1] < LOG2
    shifted = MultivariateNormal(torch.tensor([8.0, 0.0]), torch.eye(2))
    assert joints.gaussian_js(q, shifted, reach=20).item() == pytest.approx(
        LOG2, abs=1e-3
    )


# ------------------------------------------------------------------- by a discriminator


def test_a_trained_logit_is_log_q_over_p():
    """One free logit a cell, fitted to draws: within five standard errors."""
    q, p, n = joint(2, 3), joint(2, 3), 100_000
    torch.manual_seed(1)
    of_q, of_p = (torch.multinomial(d.flatten(), n, replacement=True) for d in (q, p))
    logits = torch.zeros(6, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=40, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        cost = real(logits[of_q]) + fake(logits[of_p])
        cost.backward()
        return cost

    optimizer.step(loss)
    gap = (logits.detach() - (q / p).log().flatten()).abs()
    error = (1 / (n * q) + 1 / (n * p)).sqrt().flatten()
    assert (gap < 5 * error).all()
    found = -loss().item()
    assert found == pytest.approx(joints.value(q, p).item(), abs=0.01)
    D = logits.detach().sigmoid().view(2, 3)
    torch.testing.assert_close(
        D, joints.optimal_discriminator(q, p), rtol=0, atol=5 * error.max().item() / 4
    )


@pytest.mark.parametrize(("s", "seen"), [(0.003, False), (0.02, True)])
def test_what_the_grid_cannot_see_is_refused(s, seen):
    q = joints.gaussian_encoder_joint(1.0, s)
    p = joints.gaussian_decoder_joint(-1.0, s)
    if seen:
        assert 0.6 < joints.gaussian_js(q, p) < LOG2
    else:
        with pytest.raises(ValueError, match="take more points"):
            joints.gaussian_js(q, p)
