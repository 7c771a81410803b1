"""autodiff."""

from neonport.autodiff.autodiff import Autodiff as Autodiff
