"""A stand-in for CUDA graphs on the CPU, as strict as they are.

What a graph does is small: it notes operations and the memory that they read and
write, without carrying them out, and later repeats them on that memory, with no Python
between. So does this tape: numbers of Python's are frozen in it, and only what lies in
tensors is fresh at a replay.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = {  # operations that hand a value to Python: no graph can
    "aten::_local_scalar_dense",
    "aten::equal",
    "aten::is_nonzero",
    "aten::masked_select",
    "aten::nonzero",
    "aten::unique_dim",
    "aten::_unique2",
}


class Tape(TorchDispatchMode):
    """Notes all operations; `replay()` repeats them on the same memory."""

    def __init__(self):
        super().__init__()
        self.notes, self.before = [], {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, func._schema.name
        if name in WAITS:
            raise RuntimeError(f"{name} waits for the device")
        if func._schema.is_mutable or "batch_norm" in name:  # its schema hides it
            for t in tensors(args, kwargs):  # to be put back: nothing is carried out
                self.before.setdefault(id(t), (t, t.clone()))
        out = func(*args, **kwargs)
        self.notes.append((func, args, kwargs, out))
        return out

    def undo(self):
        """Put back what was written: after a capture nothing has happened."""
        for t, was in self.before.values():
            t.copy_(was)

    @torch.no_grad()
    def replay(self):
        for func, args, kwargs, out in self.notes:
            again = func(*args, **kwargs)
            for a, b in zip(tree_leaves(out), tree_leaves(again), strict=True):
                if isinstance(a, torch.Tensor) and a.data_ptr() != b.data_ptr():
                    a.copy_(b)


def tensors(*trees):
    return [t for t in tree_leaves(trees) if isinstance(t, torch.Tensor)]


def tape(play):
    """In the place of `capture.cuda_graph`."""
    state, noted = torch.get_rng_state(), Tape()
    with noted:
        play()
    with torch.no_grad():
        noted.undo()
    torch.set_rng_state(state)  # nor does a capture use up noise
    return noted.replay
