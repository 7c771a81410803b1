"""Initializers: fill a parameter once, before training, from the backend's seeded generator."""

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.initializers.base import Initializer as Initializer
from neonport.initializers.matrix import IdentityInit as IdentityInit
from neonport.initializers.matrix import Orthonormal as Orthonormal
from neonport.initializers.names import initializer_of as initializer_of
from neonport.initializers.random import Gaussian as Gaussian
from neonport.initializers.random import GlorotUniform as GlorotUniform
from neonport.initializers.random import Kaiming as Kaiming
from neonport.initializers.random import Uniform as Uniform
from neonport.initializers.random import Xavier as Xavier
from neonport.initializers.scaled import GlorotNormal as GlorotNormal
from neonport.initializers.scaled import HeNormal as HeNormal
from neonport.initializers.scaled import HeUniform as HeUniform
from neonport.initializers.scaled import LeCunNormal as LeCunNormal
from neonport.initializers.scaled import LeCunUniform as LeCunUniform
from neonport.initializers.scaled import TruncatedNormal as TruncatedNormal
from neonport.initializers.values import Array as Array
from neonport.initializers.values import Constant as Constant

__all__ = [
    "Array",
    "Constant",
    "Gaussian",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "IdentityInit",
    "Initializer",
    "Kaiming",
    "LeCunNormal",
    "LeCunUniform",
    "Orthonormal",
    "TruncatedNormal",
    "Uniform",
    "Xavier",
    "initializer_of",
]

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
