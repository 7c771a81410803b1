"""Loops for Numba, one a workload: one pass over memory where there is a way to have one.

Outputs come last. The functions in FLAT get arrays of one axis, the others of two; the decorator is
put on by `with_numba.py`, and `prange` is Numba's parallel range.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from benchmarks.trees import CLASSES, EPS, RATE

F = np.float32
BLOCK = 512  # columns handled together


def axpb(x, out):
    for i in prange(x.size):
        out[i] = x[i] * F(2.5) + F(1.5)


def logistic(x, out):
    for i in prange(x.size):
        out[i] = F(1) / (F(1) + np.exp(-x[i]))


def tanh_chain(x, out):
    for i in prange(x.size):
        y = np.tanh(x[i])
        y = np.tanh(y * F(1.5) + F(0.1))
        y = np.tanh(y * F(1.5) + F(0.1))
        out[i] = np.tanh(y * F(1.5) + F(0.1))


def clip_where(x, z, out):
    for i in prange(x.size):
        y = min(max(x[i] * F(1.5) + z[i], F(-1)), F(1))
        a = y if x[i] > z[i] else y * F(0.1)
        out[i] = a + (z[i] if y < F(0) else x[i])


def softmax(x, out):
    for r in prange(x.shape[0]):
        top = x[r, 0]
        for j in range(x.shape[1]):
            top = max(top, x[r, j])
        total = F(0)
        for j in range(x.shape[1]):
            e = np.exp(x[r, j] - top)
            out[r, j] = e
            total += e
        scale = F(1) / total
        for j in range(x.shape[1]):
            out[r, j] *= scale


def cross_entropy(x, t, loss, grad):
    columns = x.shape[1]
    for b in prange((columns + BLOCK - 1) // BLOCK):
        for j in range(b * BLOCK, min(columns, (b + 1) * BLOCK)):
            top = x[0, j]
            for c in range(CLASSES):
                top = max(top, x[c, j])
            total = F(0)
            for c in range(CLASSES):
                e = np.exp(x[c, j] - top)
                grad[c, j] = e
                total += e
            scale, logs, cost = F(1) / total, np.log(total), F(0)
            for c in range(CLASSES):
                cost -= t[c, j] * (x[c, j] - top - logs)
                grad[c, j] = grad[c, j] * scale - t[c, j]
            loss[0, j] = cost


def batch_norm(rm, rv, x, gamma, beta, new_rm, new_rv, y):
    n = x.shape[1]
    for r in prange(x.shape[0]):
        total = 0.0
        for j in range(n):
            total += x[r, j]
        mean = F(total / n)
        squares = 0.0
        for j in range(n):
            squares += (x[r, j] - mean) * (x[r, j] - mean)
        var = F(squares / n)
        scale = gamma[r, 0] / np.sqrt(var + F(EPS))
        for j in range(n):
            y[r, j] = (x[r, j] - mean) * scale + beta[r, 0]
        new_rm[r, 0] = rm[r, 0] * F(0.9) + mean * F(0.1)
        new_rv[r, 0] = rv[r, 0] * F(0.9) + var * F(0.1)


def batch_norm_back(x, d, gamma, beta, dx, dgamma, dbeta):
    n = x.shape[1]
    for r in prange(x.shape[0]):
        total, total_d = 0.0, 0.0
        for j in range(n):
            total += x[r, j]
            total_d += d[r, j]
        mean, mean_d = F(total / n), F(total_d / n)
        squares, products = 0.0, 0.0
        for j in range(n):
            centred = x[r, j] - mean
            squares += centred * centred
            products += centred * d[r, j]
        inverse = F(1) / np.sqrt(F(squares / n) + F(EPS))
        slope = F(products / n) * inverse
        for j in range(n):
            hat = (x[r, j] - mean) * inverse
            dx[r, j] = (d[r, j] - mean_d - hat * slope) * (gamma[r, 0] * inverse)
        dgamma[r, 0], dbeta[r, 0] = slope, mean_d


def adam(p, m, v, g, new_p, new_m, new_v):
    for i in prange(p.size):
        first = m[i] * F(0.9) + g[i] * F(0.1)
        second = v[i] * F(0.999) + g[i] * g[i] * F(0.001)
        new_m[i], new_v[i] = first, second
        new_p[i] = p[i] - first * F(RATE) / (np.sqrt(second) + F(1e-8))


def rmsprop(p, s, g, new_p, new_s):
    for i in prange(p.size):
        square = s[i] * F(0.95) + g[i] * g[i] * F(0.05)
        new_s[i] = square
        new_p[i] = p[i] - g[i] * F(RATE) / (np.sqrt(square + F(1e-6)) + F(1e-6))


def layer_norm(x, gain, bias, out):
    n = x.shape[1]
    for r in prange(x.shape[0]):
        total = F(0)
        for j in range(n):
            total += x[r, j]
        mean, squares = total / F(n), F(0)
        for j in range(n):
            squares += (x[r, j] - mean) * (x[r, j] - mean)
        scale = F(1) / np.sqrt(squares / F(n) + F(1e-5))
        for j in range(n):
            out[r, j] = (x[r, j] - mean) * scale * gain[0, j] + bias[0, j]


def variance(x, out):
    total = 0.0
    for i in prange(x.size):
        total += x[i]
    mean, squares = F(total / x.size), 0.0
    for i in prange(x.size):
        squares += (x[i] - mean) * (x[i] - mean)
    out[0] = squares / x.size


def sum_of_products(x, z, out):
    total = 0.0
    for i in prange(x.size):
        total += x[i] * z[i]
    out[0] = total


FLAT = {axpb, logistic, tanh_chain, clip_where, adam, rmsprop, variance, sum_of_products}
