"""Neon's module path of `Benchmark`."""

from neonport.models.benchmark import Benchmark as Benchmark

__all__ = ["Benchmark"]
