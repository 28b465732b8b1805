"""GPyTorch as this project uses it: imported quietly, run on one thread."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

with warnings.catch_warnings():
    # linear_operator 0.6 calls torch.jit.script on import, which torch 2.13 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    import gpytorch

__all__ = ["gpytorch", "one_thread", "torch"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs a block on one torch thread and restores the former number afterwards.

    A Cholesky factor of 200 x 200 is a hundred times slower on two threads of a busy machine, and
    one thread fixes the order of every sum, so that a decision is the same wherever the CPU is.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
