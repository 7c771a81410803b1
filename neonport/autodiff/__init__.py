"""Gradients of op-trees, as op-trees."""

from neonport.autodiff.autodiff import Autodiff as Autodiff
