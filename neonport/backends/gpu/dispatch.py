"""Table of binders: op name to the function that binds its hand-written kernel."""

from __future__ import annotations

from collections.abc import Callable

from neonport.backends.gpu import convolution, pooling
from neonport.backends.gpu import roi_pooling as regions
from neonport.backends.gpu import scatter_add as lookup

BINDERS: dict[str, Callable[..., Callable[[], None]]] = {
    "conv": convolution.bind_conv,
    "conv_data": convolution.bind_conv_data,
    "conv_filter": convolution.bind_conv_filter,
    "pool": pooling.bind_pool,
    "pool_index": pooling.bind_pool,
    "unpool": pooling.bind_unpool,
    "spread": pooling.bind_unpool,
    "pool_pick": pooling.bind_pool_pick,
    "roi_pool": regions.bind_roi_pool,
    "roi_index": regions.bind_roi_index,
    "roi_spread": regions.bind_roi_spread,
    "roi_pick": regions.bind_roi_pick,
    "untake": lookup.bind_untake,
}
"""`BINDERS[op](be, operands, target, **params)`: a call that stores op(operands) in the target."""
