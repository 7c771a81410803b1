"""The interpreter of op-trees that is independent of every backend; see `neonport.checking`."""

from neonport.checking.reference import WIDE as WIDE
from neonport.checking.reference import Interpreter as Interpreter
from neonport.checking.reference import compute_of as compute_of
from neonport.checking.reference import is_integer as is_integer
