"""The same memory in neonport and PyTorch: a layer of PyTorch between two of ours, without copies.

Run: python examples/dlpack_with_torch.py (needs PyTorch)

Expected: the gradients of all three layers are those that PyTorch finds by itself, to 1e-4.
"""

from __future__ import annotations

import numpy as np
import torch

from neonport import Autodiff, gen_backend


def main() -> None:
    be = gen_backend("cpu", rng_seed=0)
    rng = np.random.RandomState(0)
    w1, w2, w3 = (rng.randn(5, 5) / 2 for _ in range(3))
    inputs = rng.randn(5, 8)

    # forward: ours -> PyTorch -> ours
    x, first, third = be.array(inputs), be.array(w1), be.array(w3)
    hidden = be.empty((5, 8))
    tree = be.tanh(be.dot(first, x))
    hidden[:] = tree
    shared = torch.from_dlpack(hidden)
    hidden[:] = tree  # seen there too: it is the same memory
    second = torch.tensor(w2, dtype=torch.float32, requires_grad=True)
    given = shared.clone().requires_grad_()
    middle = torch.sin(second @ given)
    back = be.from_dlpack(middle.detach())
    loss = be.sum(be.square(be.dot(third, back)))

    # backward: ours -> PyTorch -> ours
    third_gradient, error = (be.empty((5, 5)), be.empty((5, 8)))
    ad = Autodiff(loss, be)
    trees = ad.get_grad_op_tree([third, back])
    third_gradient[:], error[:] = trees
    middle.backward(torch.from_dlpack(error))
    first_gradient = be.empty((5, 5))
    ad = Autodiff(tree, be, next_error=be.from_dlpack(given.grad))
    first_gradient[:] = ad.get_grad_op_tree([first])[0]

    # all of it in PyTorch
    a, b, c = (torch.tensor(w, dtype=torch.float32, requires_grad=True) for w in (w1, w2, w3))
    whole = c @ torch.sin(b @ torch.tanh(a @ torch.tensor(inputs, dtype=torch.float32)))
    whole.square().sum().backward()
    pairs = (
        (first_gradient.get(), a.grad),
        (second.grad, b.grad),
        (third_gradient.get(), c.grad),
    )
    gap = max(float(np.abs(np.asarray(found) - np.asarray(true)).max()) for found, true in pairs)
    same = hidden.native.ctypes.data == shared.data_ptr()
    print(f"the same memory: {same}")
    print(f"largest gap between the gradients: {gap:.1e}")


if __name__ == "__main__":
    main()
