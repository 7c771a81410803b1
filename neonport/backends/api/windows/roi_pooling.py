"""Regions of interest, their suppression, and the gradient of lookup tables: neon's calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from neonport.backends.api.windows.convolution import shaped, target
from neonport.backends.arguments import check_counts, check_numbers, check_operands, check_tensors
from neonport.dtypes import host_numbers
from neonport.errors import DtypeError, ShapeError
from neonport.optree.node import apply
from neonport.tensor.tensor import Tensor


class RoiPooling:
    """`roipooling_fprop`, `roipooling_bprop`, `nms`, `compound_bprop_lut`."""

    # what the other parts of a backend give
    assign: Any
    assign_many: Any

    def roipooling_fprop(
        self,
        I: Any,
        rois: Any,
        O: Tensor,
        argmax: Tensor,
        roi_count: int,
        C: int,
        H: int,
        W: int,
        pooled_height: int,
        pooled_width: int,
        spatial_scale: float,
    ) -> None:
        """`O` = the maximum of each bin of each region; `argmax` = where it was found.

        Corners are scaled and rounded, half to even, on every backend.

        Args:
            I: images (C, H, W, N), in any shape of the right size.
            rois: (roi_count, 5), rows image, xmin, ymin, xmax, ymax in pixels.
            O: (C, pooled_height, pooled_width, roi_count), receives the maxima, 0 of empty bins.
            argmax: of that size, int32, receives h * W + w, -1 of empty bins.
            roi_count, C, H, W, pooled_height, pooled_width: sizes.
            spatial_scale: cells a pixel.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            images, rois = be.ones((2, 6, 6, 1)), be.array([[0, 0, 0, 3, 3]])
            out, argmax = be.empty((8, 1)), be.empty((8, 1), dtype=np.int32)
            be.roipooling_fprop(images, rois, out, argmax, 1, 2, 6, 6, 2, 2, 1.0)
        """
        check_operands("roipooling_fprop", I=I)
        check_numbers("roipooling_fprop", spatial_scale=spatial_scale)
        check_counts(
            "roipooling_fprop", 0, roi_count=roi_count, C=C, H=H, W=W,
            pooled_height=pooled_height, pooled_width=pooled_width,
        )  # fmt: skip
        images = shaped(
            I, (C, H, W, self._images("roipooling_fprop", I, C * H * W)), "roipooling_fprop: I"
        )
        regions = shaped(rois, (roi_count, 5), "roipooling_fprop: rois")
        size = (pooled_height, pooled_width)
        form = (C, *size, roi_count)
        params = {"size": size, "scale": float(spatial_scale)}
        out = target(O, form, "roipooling_fprop: O")
        where = _places("roipooling_fprop", argmax, form, H * W)
        self.assign_many(
            [
                (out, apply("roi_pool", images, regions, **params)),
                (where, apply("roi_index", images, regions, **params)),
            ]
        )

    def roipooling_bprop(
        self,
        I: Any,
        rois: Any,
        O: Tensor,
        argmax: Tensor,
        roi_count: int,
        C: int,
        H: int,
        W: int,
        pooled_height: int,
        pooled_width: int,
        spatial_scale: float,
    ) -> None:
        """`O` = the errors `I` of the bins, added up where their maxima were found.

        Args:
            I: gradient of the maxima (C, pooled_height, pooled_width, roi_count).
            rois: as of `roipooling_fprop`.
            O: (C, H, W, N) in any shape of the right size, receives the gradient of the images.
            argmax: what `roipooling_fprop` wrote.
            roi_count, C, H, W, pooled_height, pooled_width, spatial_scale: as there.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            images, rois = be.ones((2, 6, 6, 1)), be.array([[0, 0, 0, 3, 3]])
            out, argmax = be.empty((8, 1)), be.empty((8, 1), dtype=np.int32)
            be.roipooling_fprop(images, rois, out, argmax, 1, 2, 6, 6, 2, 2, 1.0)
            be.roipooling_bprop(be.ones((8, 1)), rois, images, argmax, 1, 2, 6, 6, 2, 2, 1.0)
        """
        check_tensors("roipooling_bprop", O=O)
        check_counts(
            "roipooling_bprop", 0, roi_count=roi_count, C=C, H=H, W=W,
            pooled_height=pooled_height, pooled_width=pooled_width,
        )  # fmt: skip
        n = self._images("roipooling_bprop", O, C * H * W)
        out = target(O, (C, H, W, n), "roipooling_bprop: O")
        form = (C, pooled_height, pooled_width, roi_count)
        errors = shaped(I, form, "roipooling_bprop: I")
        regions = shaped(rois, (roi_count, 5), "roipooling_bprop: rois")
        where = _places("roipooling_bprop", argmax, form, H * W)
        self.assign(out, apply("roi_pool_backward", errors, regions, where, size=(H, W, n)))

    @staticmethod
    def _images(op: str, tensor: Any, features: int) -> int:
        """How many images a tensor holds."""
        size = int(np.prod(tensor.shape))
        if features < 1 or size % features:
            raise ShapeError(f"{op}: shape {tensor.shape} holds no images of {features} cells")
        return size // features

    def nms(self, detections: Any, threshold: float, normalized: bool = False) -> list[int]:
        """Non-maximum suppression: keep the best box, drop what overlaps it, go on.

        Args:
            detections: (n, 5) tensor or array, rows x1, y1, x2, y2, score, best first; rows with
                score 0 are no boxes.
            threshold: boxes whose intersection over union with a kept one is larger are dropped.
            normalized: whether coordinates are fractions, not pixels (which have a width of 1).

        Returns:
            Indices of the rows that are kept.

        Raises:
            ShapeError: the rows have not five numbers.

        Example:
            boxes = np.array([[0, 0, 9, 9, 0.9], [1, 1, 9, 9, 0.8], [20, 20, 30, 30, 0.7]])
            assert list(be.nms(boxes, threshold=0.5)) == [0, 2]
        """
        check_numbers("nms", threshold=threshold)
        boxes = detections.get() if isinstance(detections, Tensor) else detections
        boxes = host_numbers(boxes, "nms: detections")
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ShapeError(f"nms: detections of shape {boxes.shape} must be (n, 5)")
        off = 0 if normalized else 1
        x1, y1, x2, y2, score = boxes.T
        area = (x2 - x1 + off) * (y2 - y1 + off)
        left = np.flatnonzero(score != 0)
        kept = []
        while left.size:
            best, left = left[0], left[1:]
            kept.append(int(best))
            width = np.minimum(x2[best], x2[left]) - np.maximum(x1[best], x1[left]) + off
            height = np.minimum(y2[best], y2[left]) - np.maximum(y1[best], y1[left]) + off
            common = np.maximum(width, 0) * np.maximum(height, 0)
            with np.errstate(invalid="ignore", divide="ignore"):  # boxes without an area
                union = common / (area[best] + area[left] - common)
            left = left[~(union > threshold)]
        return kept

    def compound_bprop_lut(
        self,
        nin: int,
        inputs: Tensor,
        error: Tensor,
        error_t: Tensor | None,
        dW: Tensor,
        pad_idx: int | None,
        alpha: float = 1.0,
        beta: float = 0,
    ) -> None:
        """Add each column of the error to the row of dW whose word it belongs to.

        Args:
            nin: number of words (neon's argument; dW says it).
            inputs: (1, n) integers, the words.
            error: (embedding, n) gradient of the output.
            error_t: room that neon's GPU needed; not used.
            dW: (vocabulary, embedding); the caller has set it to 0.
            pad_idx: a word that gets no gradient, or None.
            alpha, beta: accepted for neon.

        Raises:
            ShapeError, DtypeError: before anything is written.

        Example:
            words, gradient = be.array([[5, 0, 5, 2]], dtype=np.int32), be.zeros((7, 3))
            be.compound_bprop_lut(7, words, x, None, gradient, None)
        """
        check_tensors("compound_bprop_lut", dW=dW)
        rows = apply("transpose", error, perm=(1, 0))
        if pad_idx is not None:
            words = shaped(inputs, (rows.shape[0], 1), "compound_bprop_lut: inputs")
            rows = apply("where", apply("ne", words, pad_idx), rows, 0.0)
        added = apply("scatter_add", rows, inputs, axis=0, size=dW.shape[0])
        self.assign(dW, dW + added)


def _places(op: str, argmax: Any, form: tuple[int, ...], cells: int) -> Tensor:
    where = target(argmax, form, f"{op}: argmax")
    if where.dtype.kind not in "iu" or np.iinfo(where.dtype).max < cells - 1:
        raise DtypeError(
            f"{op}: argmax of dtype {where.dtype} cannot number {cells} cells; allocate it with "
            "dtype=np.int32"
        )
    return where
