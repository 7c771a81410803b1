"""Neon's module path of Autodiff."""

from neonport.autodiff.autodiff import Autodiff

__all__ = ["Autodiff"]
