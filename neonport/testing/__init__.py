"""Public tools for tests: of this project, of plugins and of layers people write."""

from neonport.testing.gradcheck import check_grads as check_grads

__all__ = ["check_grads"]
