"""Neon's module path: every initializer under one name."""

from neonport.initializers.base import Initializer as Initializer
from neonport.initializers.matrix import IdentityInit as IdentityInit
from neonport.initializers.matrix import Orthonormal as Orthonormal
from neonport.initializers.random import Gaussian as Gaussian
from neonport.initializers.random import GlorotUniform as GlorotUniform
from neonport.initializers.random import Kaiming as Kaiming
from neonport.initializers.random import Uniform as Uniform
from neonport.initializers.random import Xavier as Xavier
from neonport.initializers.values import Array as Array
from neonport.initializers.values import Constant as Constant
