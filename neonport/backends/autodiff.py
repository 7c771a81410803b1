"""Neon's module path of Autodiff."""

from neonport.autodiff import Autodiff

__all__ = ["Autodiff"]
