"""How far a result may be from its op's definition; the formula is in `neonport.checking`."""

from neonport.checking.tolerances import EPS as EPS
from neonport.checking.tolerances import STORE as STORE
from neonport.checking.tolerances import TINY as TINY
from neonport.checking.tolerances import Allowance as Allowance
from neonport.checking.tolerances import allowance as allowance
from neonport.checking.tolerances import condition as condition
from neonport.checking.tolerances import finfo as finfo
from neonport.checking.tolerances import stored as stored
