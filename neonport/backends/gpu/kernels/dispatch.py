"""Table of binders: op name to the function that binds its hand-written kernel."""

from __future__ import annotations

from collections.abc import Callable

from neonport.backends.gpu.kernels import along_axis, convolution, lrn, pooling, recurrence
from neonport.backends.gpu.kernels import roi_pooling as regions
from neonport.backends.gpu.kernels import scatter_add as lookup

BINDERS: dict[str, Callable[..., Callable[[], None] | None]] = {
    "conv": convolution.bind_conv,
    "conv_backward_data": convolution.bind_conv_backward_data,
    "conv_backward_filter": convolution.bind_conv_backward_filter,
    "pool": pooling.bind_pool,
    "pool_index": pooling.bind_pool,
    "max_pool_backward": pooling.bind_pool_backward,
    "avg_pool_backward": pooling.bind_pool_backward,
    "max_pool_gather": pooling.bind_max_pool_gather,
    "lrn_denominator": lrn.bind_lrn_denominator,
    "lrn": lrn.bind_lrn,
    "lrn_backward": lrn.bind_lrn_backward,
    "roi_pool": regions.bind_roi_pool,
    "roi_index": regions.bind_roi_index,
    "roi_pool_backward": regions.bind_roi_pool_backward,
    "roi_pool_gather": regions.bind_roi_pool_gather,
    "rnn": recurrence.bind_recurrence,
    "rnn_backward": recurrence.bind_recurrence_backward,
    "lstm": recurrence.bind_recurrence,
    "lstm_backward": recurrence.bind_recurrence_backward,
    "gru": recurrence.bind_recurrence,
    "gru_backward": recurrence.bind_recurrence_backward,
    "scatter_add": lookup.bind_scatter_add,
    "cumsum": along_axis.bind_cumsum,
    "cumprod": along_axis.bind_cumprod,
    "linear_recurrence": along_axis.bind_linear_recurrence,
    "take_along_axis": along_axis.bind_take_along_axis,
    "scatter_add_along_axis": along_axis.bind_scatter_add_along_axis,
}
"""`BINDERS[op](be, operands, target, **params)`: a call that stores op(operands) in the target."""
