"""Two ranks play as one process does; whatever ends a run leaves a checkpoint."""

import os
import re
import subprocess
import sys
from itertools import chain

import numpy as np
import pytest
import ranks_scenarios as scenarios
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from adv_ae import data, games, step
from adv_ae.checkpoints import Run
from adv_ae.conditionals import Deterministic
from adv_ae.divergences import mmd2, rbf
from adv_ae.networks import MLP, Discriminator
from adv_ae.priors import Normal
from adv_ae.ranks import Meetings, Ranks, joined, launched, local_device, present
from adv_ae.training import Batches

GAMES = scenarios.GAMES
# Their losses are no means over rows: each rank estimates MMD from its own rows.
BY_MMD = {"GMMN", "GMMNAutoencoder", "WAEMMD"}


# ---------------------------------------------------------------- alone
def test_a_process_of_its_own_is_rank_0_of_1(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = Ranks(0, 1)
    assert launched() == present() == alone
    with joined() as ranks:
        assert ranks == alone and not torch.distributed.is_initialized()
    assert alone.share(7) == slice(0, 7)
    assert alone.most(2.0, 3.0) == [2.0, 3.0] and alone.gather("a") == ["a"]
    assert alone.by_first(lambda: 5) == 5
    state = torch.get_rng_state()
    alone.spread_noise()
    assert torch.equal(torch.get_rng_state(), state)


def test_torchrun_says_which_rank_and_which_gpu(monkeypatch):
    assert local_device("cuda") == "cuda"
    for name, value in {"RANK": "9", "LOCAL_RANK": "1", "WORLD_SIZE": "16"}.items():
        monkeypatch.setenv(name, value)
    assert launched() == Ranks(9, 16) and present() == Ranks(0, 1)
    assert local_device("cuda") == "cuda:1" and local_device("cpu") == "cpu"
    assert local_device("cuda:0") == "cuda:0"


def test_shares_make_up_the_batch():
    parts = [torch.arange(12)[Ranks(r, 3).share(12)] for r in range(3)]
    assert torch.equal(torch.cat(parts), torch.arange(12))
    with pytest.raises(ValueError, match=r"10 rows .* 4 ranks.* that 4 divides.* 8"):
        Ranks(1, 4).share(10)
    with pytest.raises(ValueError, match=r"such as 4"):
        Ranks(1, 4).share(2)


class Pair(Ranks):
    """Two ranks, of which the other one is only thought of: it wishes nothing, takes 20
    ms a step, and has a gradient and a loss of 0."""

    def most(self, *values):
        return [max(a, b) for a, b in zip(values, (0, 0, 0.02), strict=True)]

    def mean_(self, t):
        t.div_(2)

    def permutation(self, n):
        return torch.arange(n)


def test_gradients_are_averaged_as_they_lie_and_only_while_that_is_open():
    w = torch.nn.Parameter(torch.zeros(2, 3).t().contiguous().t())  # by columns
    v = torch.nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.SGD([{"params": [w]}, {"params": [v]}], lr=1.0)
    slope = torch.arange(6.0).view(2, 3)
    with Pair(0, 2).averaging({"player": optimizer}):
        w.grad = torch.empty_like(w).copy_(slope)  # v has none in this turn
        optimizer.step()
        assert torch.equal(w.detach(), -slope / 2) and w.grad.stride() == w.stride()
        v.grad = torch.ones(4)
        optimizer.step()
        assert torch.equal(v.detach(), torch.full((4,), -0.5))
    optimizer.step()
    assert torch.equal(v.detach(), torch.full((4,), -1.0))


def test_streamed_rows_are_read_ahead_in_shares():
    """The rows of both ranks are the batches of one; no row is read that is not
    played, and the next batch of an epoch is begun while this one is played."""
    rows = torch.arange(25).unsqueeze(1)
    played = []
    for rank in range(2):
        source = data.Examples(torch.utils.data.TensorDataset(rows))
        begun, begin = [], source.begin
        source.begin = lambda r, begin=begin, begun=begun: begun.append(r) or begin(r)
        batches = Batches((source, rows), 10, "cpu", Pair(rank, 2))
        played.append([batches.draw() for _ in range(4)])
        assert all(torch.equal(x, y) for x, y in played[-1])
        assert torch.equal(
            torch.cat(begun), torch.cat([x for x, _ in played[-1]])[:, 0]
        )
        assert len(begun) == 4
    xs = ([x for x, _ in of_rank] for of_rank in played)
    both = [torch.cat(pair)[:, 0] for pair in zip(*xs, strict=True)]
    assert torch.equal(torch.cat(both[:2]), torch.arange(20))


# ---------------------------------------------------------------- the reference
class Noise(TorchDispatchMode):
    """The noise of one rank, and the draws that were made of it."""

    def __init__(self, rank):
        super().__init__()
        self.state, self.draws = scenarios.noise_of(rank), []

    def turn(self, play):
        """The next turn of this rank."""
        torch.set_rng_state(self.state)
        with self:
            turn = next(play, None)
        self.state = torch.get_rng_state()
        return turn

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.draws.append(out.clone())
        return out


class Served(TorchDispatchMode):
    """Puts these in the place of draws."""

    def __init__(self, draws):
        super().__init__()
        self.draws = draws

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            draw = self.draws.pop(0)
            assert draw.shape == out.shape
            out.copy_(draw)
        return out


def played_by_ranks(game, optimizers, shards, noises):
    """One step of as many ranks as there are shards, in one process: their `play`s
    share weights; each player descends the mean of its losses."""
    plays, report = [game.play(*shard) for shard in shards], {}
    while (turns := [n.turn(p) for n, p in zip(noises, plays, strict=True)])[0]:
        slopes = {}
        for player in turns[0]:
            report[player] = torch.stack([turn[player] for turn in turns]).mean()
            slopes[player] = torch.autograd.grad(
                report[player], game.weights(player), retain_graph=True
            )
        for player in turns[0]:
            for w, slope in zip(game.weights(player), slopes[player], strict=True):
                w.grad = slope
            optimizers[player].step()
    return report


def reference(game, optimizers, data, steps=scenarios.GAME_STEPS):
    """(losses of every step, weights, draws of both ranks side by side)."""
    noises = [Noise(r) for r in range(2)]
    shards = [[t[Ranks(r, 2).share(len(t))] for t in data] for r in range(2)]
    losses = []
    for _ in range(steps):
        report = played_by_ranks(game, optimizers, shards, noises)
        losses.append([report[k].item() for k in game.players])
    draws = [  # (N, d), of K draws a row (K, N, d)
        torch.cat(pair, max(pair[0].dim() - 2, 0))
        for pair in zip(*(n.draws for n in noises), strict=True)
    ]
    return torch.tensor(losses), game.state_dict(), draws


def by_one(game, optimizers, data, draws, steps=scenarios.GAME_STEPS):
    """(losses, weights) of ordinary steps on the whole batch with these draws."""
    losses = []
    with Served(list(draws)) as served:
        for _ in range(steps):
            report = step(game, optimizers, *data)
            losses.append([report[k].item() for k in game.players])
    assert not served.draws
    return torch.tensor(losses), game.state_dict()


def distance(a, b):
    """The largest difference of losses and weights."""
    pairs = [(a[0], b[0])] + [(a[1][k], b[1][k]) for k in a[1]]
    return max((u - v).abs().max().item() for u, v in pairs)


@pytest.fixture
def doubles():
    yield  # `built` sets them
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", GAMES)
def test_two_ranks_move_down_the_mean_of_their_losses(name, ran, doubles):
    """By gloo between two processes = both plays in one."""
    want = reference(*scenarios.built(name))
    for rank in range(2):
        assert distance(outcome(ran, "games", 0, rank)[name], want) < 1e-9


@pytest.mark.parametrize("name", GAMES)
def test_two_ranks_move_as_one_on_the_whole_batch(name, doubles):
    """With the same noise, where losses are means over rows."""
    want = reference(*scenarios.built(name))
    found = by_one(*scenarios.built(name), want[2])
    if name in BY_MMD:
        assert distance(found, want) > 1e-4
    else:
        assert distance(found, want) < 1e-9


def test_batch_norm_sees_the_rows_of_its_rank():
    def game():
        torch.manual_seed(0)
        q = Deterministic(MLP(6, 8, 2, batch_norm=True))
        game = games.BiGAN(q, Deterministic(MLP(2, 8, 6)), Normal(2), pair)
        return game, {k: torch.optim.SGD(game.weights(k), 0.1) for k in game.players}

    pair, data = Discriminator(8, 8), [scenarios.DATA[:20]]
    want = reference(*game(), data, steps=1)
    assert distance(by_one(*game(), data, want[2], steps=1), want) > 1e-4


def test_mmd_of_shares_has_the_mean_of_the_whole_and_a_larger_variance():
    """Gretton et al. (2012): the estimate is unbiased at any n; its variance falls."""
    kernel = rbf(1.0)
    whole, shares = [], []
    for _ in range(4000):
        a, b = torch.randn(20, 2), torch.randn(20, 2) + 0.5
        whole.append(mmd2(a, b, kernel))
        halves = [slice(0, 10), slice(10, 20)]
        shares.append(sum(mmd2(a[h], b[h], kernel) for h in halves) / 2)
    whole, shares = torch.stack(whole), torch.stack(shares)
    gap = (shares - whole).mean() / ((shares - whole).std() / 4000**0.5)
    assert gap.abs() < 4
    assert shares.var() > 1.05 * whole.var()


# ---------------------------------------------------------------- two processes
@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder in which `ranks_scenarios` has left what became of every rank."""
    folder = tmp_path_factory.mktemp("ranks")
    done = subprocess.run(
        [sys.executable, scenarios.__file__, str(folder)],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
    )
    assert done.returncode == 0, done.stderr
    (folder / "log").write_text(done.stderr)
    return folder


def outcome(ran, name, call, rank):
    """What a rank returned, or its error as text; None: it was killed."""
    path = ran / name / f"call-{call}-{rank}.pt"
    return torch.load(path, weights_only=False) if path.exists() else None


def same(a, b):
    """Losses and weights are equal, bit for bit."""
    assert a[0].keys() == b[0].keys() and a[1].keys() == b[1].keys()
    return all(np.array_equal(a[0][k], b[0][k]) for k in a[0]) and all(
        torch.equal(a[1][k], b[1][k]) for k in a[1]
    )


def saved(ran, name):
    return sorted(p.name for p in (ran / name / "checkpoint").iterdir())


WHOLE = ("whole", 0)


def test_both_ranks_end_with_the_same_losses_and_weights(ran):
    """Though rank 1 began with others; noise is each rank's own."""
    first, second = (outcome(ran, "whole", 0, rank) for rank in range(2))
    assert same(first, second)
    assert not torch.equal(first[2], second[2])
    assert first[0]["D"].shape == (scenarios.STEPS,)
    alone = outcome(ran, "alone", 0, 0)
    assert not same(first, alone)
    for player, losses in alone[0].items():  # the same game, with other noise
        assert losses[-10:].mean() == pytest.approx(first[0][player][-10:].mean(), 0.2)


def test_rank_0_goes_on_in_its_stream_and_seeds_the_others(ran):
    torch.manual_seed(5)
    seed = int(torch.randint(2**62, ()))
    assert torch.equal(outcome(ran, "noise", 0, 0), torch.rand(4))
    torch.manual_seed(seed + 1)
    assert torch.equal(outcome(ran, "noise", 0, 1), torch.rand(4))


class Spreading(Pair):
    def spread_noise(self):
        torch.manual_seed(90 + self.rank)


@pytest.mark.parametrize(
    ("kept", "wanted"), [(2, [0, 1]), (1, [90, 91]), (3, [90, 91])]
)
def test_noise_of_another_number_of_ranks_is_not_taken_up(kept, wanted):
    """But rank 0's, from which the others are seeded then."""
    noise = [{"cpu": torch.Generator().manual_seed(k).get_state()} for k in range(kept)]
    noise = [of_rank | {"cuda": None} for of_rank in noise]
    for rank, seed in enumerate(wanted):
        game = scenarios.Rows()
        batches = Batches(torch.arange(4.0), 2, "cpu")
        run = Run(game, {}, batches, 1, None, True, None, Spreading(rank, 2))
        run._take_noise(noise)
        state = torch.Generator().manual_seed(seed).get_state()
        assert torch.equal(torch.get_rng_state(), state)


def test_a_run_whose_ranks_are_killed_ends_as_one_that_was_not(ran):
    for rank in range(2):
        found, want = (outcome(ran, n, c, rank) for n, c in (("resumed", 3), WHOLE))
        assert same(found, want) and torch.equal(found[2], want[2])
    assert saved(ran, "resumed") == ["step-000000025", "step-000000030"]


@pytest.mark.parametrize(
    ("call", "lost", "at", "good"),
    [(0, 1, "[23]", None), (1, 1, "1[34]", 10), (2, 0, "2[67]", 25)],
)
def test_a_lost_rank_ends_the_others_with_what_to_do(ran, call, lost, at, good):
    assert outcome(ran, "resumed", call, lost) is None  # killed
    says = outcome(ran, "resumed", call, 1 - lost)
    assert re.match(f"RankLost: a rank is gone at step {at} ", says), says
    where = f"last good checkpoint is .*step-{good:09d}" if good else "no checkpoint"
    assert re.search(where, says), says


def test_ranks_stop_together_with_a_checkpoint(ran):
    """Each is told on one rank only: SIGTERM, SIGINT, the time limit."""
    for rank in range(2):
        ends = [outcome(ran, "terminated", call, rank) for call in range(3)]
        assert [end.split(":")[0] for end in ends] == [
            "KeyboardInterrupt",
            "KeyboardInterrupt",
            "TimeoutError",
        ]
        found, want = (outcome(ran, n, c, rank) for n, c in (("terminated", 3), WHOLE))
        assert same(found, want) and torch.equal(found[2], want[2])


def test_a_loss_that_breaks_on_one_rank_stops_both_at_its_step(ran):
    says = {outcome(ran, "nan", 0, rank) for rank in range(2)}
    (says,) = says
    assert re.match(r"TrainingError: .*'m' is nan at step 14; .*step-000000010", says)


def test_ranks_meet_about_once_a_second():
    meetings = Meetings(Pair(0, 2), 10, 1000, 100)
    assert meetings.agree(11, False, True) == [False, True] and meetings.next == 61
    assert meetings.agree(60, True, True) == [False, False]
    meetings.time -= 500
    assert meetings.agree(61, True, False) == [True, False] and meetings.next == 62
    meetings.step, meetings.time = -1e12, -1e9
    meetings.last = 100
    assert meetings.agree(62, False, False) == [False, False] and meetings.next == 100
    alone = Meetings(Ranks(), 0, 1000, 100)
    assert all(alone.agree(i, True, False) == [True, False] for i in (1, 2))


def epochs(ran, name, call):
    """Rows of both ranks, one list a step."""
    found = [outcome(ran, name, call, rank) for rank in range(2)]
    shares = [rows for rows in found if rows is not None]
    assert all(len(row) == 10 // len(shares) for rows in shares for row in rows)
    return [list(chain(*rows)) for rows in zip(*shares, strict=True)]


def test_ranks_share_out_the_batches_of_one_permutation(ran):
    batches = epochs(ran, "rows", 0)
    assert len(batches) == 7
    for first, second in zip(batches[::2], batches[1::2], strict=False):
        assert len({*first, *second}) == 20
    assert batches[0] != batches[2]


def test_one_process_and_rank_0_draw_the_same_permutation():
    """Before the first noise the order of the data is the same at every world size."""
    data, orders = torch.arange(23.0), []
    for ranks in (Ranks(), Ranks(0, 1)):
        torch.manual_seed(3)
        orders.append(Batches(data, 10, "cpu", ranks).draw()[0])
    assert torch.equal(*orders)


@pytest.mark.parametrize("name", ["rows 2 to 1", "rows 1 to 2"])
def test_at_another_world_size_the_epoch_at_hand_goes_on(ran, name):
    before, after = (epochs(ran, name, call) for call in range(2))
    assert len(before) == 7 and len(after) == 2  # the seventh opens an epoch
    assert len({*before[6], *after[0]}) == 20


@pytest.mark.parametrize(("name", "size"), [("2 to 1", 1), ("1 to 2", 2)])
def test_at_another_world_size_weights_and_losses_go_on(ran, name, size):
    ends = [outcome(ran, name, 1, rank) for rank in range(size)]
    assert all(same(end, ends[0]) for end in ends)
    source, upto = (("whole", 15), ("alone", 1))[size - 1]
    for player, losses in outcome(ran, source, 0, 0)[0].items():
        assert np.array_equal(ends[0][0][player][:upto], losses[:upto])
    assert all(np.isfinite(losses).all() for losses in ends[0][0].values())


@pytest.mark.parametrize(
    ("name", "call", "says"),
    [
        ("another's folder", 1, "CheckpointError: .* belongs to another run"),
        ("uneven", 0, "ValueError: a batch of 9 rows cannot be dealt out"),
    ],
)
def test_what_cannot_be_is_refused_on_all_ranks(ran, name, call, says):
    for rank in range(2):
        assert re.match(says, outcome(ran, name, call, rank))
