"""Precision in float64, and a compiler that fails: the network is called once, its own
words are heard.
"""

import warnings

import pytest
import torch
from test_conformance import GAMES
from torch import nn

from adv_ae.precision import PRECISIONS, _networks, at_precision, compiled


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_layer_returns_what_it_is_given(precision, kind):
    layer = nn.Linear(3, 2).to(kind)
    x = torch.rand(5, 3, dtype=kind, requires_grad=True)
    with at_precision(layer, precision):
        out = layer(x)
    (slope,) = torch.autograd.grad(out.sum(), x)
    assert out.dtype == slope.dtype == kind
    torch.testing.assert_close(out, layer(x), rtol=2e-2, atol=2e-2)


def test_layers_within_another_precision_get_that_one_back():
    layer, x = nn.Linear(64, 3), torch.rand(5, 64)
    exact = layer(x)
    with at_precision(layer, "bfloat16"):
        low = layer(x)
        with at_precision(layer, "highest"), at_precision(layer, "bfloat16"):
            assert torch.equal(layer(x), low)
        assert torch.equal(layer(x), low) and not torch.equal(low, exact)
    assert torch.equal(layer(x), exact)


class Speaking(nn.Module):
    """Warns, counts its calls, and fails when it is told to."""

    def __init__(self):
        super().__init__()
        self.w, self.calls, self.fails = nn.Parameter(torch.ones(1)), 0, False

    def forward(self, x):
        self.calls += 1
        if self.fails:
            raise LookupError("mine")
        warnings.warn("heard", stacklevel=2)
        return self.w * x


def test_after_a_failure_of_the_compiler_the_network_runs_as_itself(monkeypatch):
    def compile(plain):
        def fail(*given):
            raise OSError("no compiler at hand")

        return fail

    monkeypatch.setattr(torch, "compile", compile)
    net, x = Speaking(), torch.ones(2)
    with compiled(net):
        with pytest.warns(UserWarning) as told:
            assert torch.equal(net(x), x)
        assert len(told) == 2  # the compiler's and the network's own
        with pytest.warns(UserWarning, match="heard") as told:
            assert torch.equal(net(x), x)
        assert len(told) == 1 and net.calls == 2
        net.fails = True
        with pytest.raises(LookupError, match="mine"):
            net(x)
        assert net.calls == 3
    assert "forward" not in vars(net)


@pytest.mark.parametrize("name", GAMES)
def test_only_what_has_weights_is_compiled(name):
    networks = list(_networks(GAMES[name]()))
    assert networks and all(list(net.parameters()) for net in networks)
