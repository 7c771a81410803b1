"""Neon's module path: every activation under one name."""

from neonport.transforms.elementwise import Identity as Identity
from neonport.transforms.elementwise import Logistic as Logistic
from neonport.transforms.elementwise import Normalizer as Normalizer
from neonport.transforms.elementwise import Tanh as Tanh
from neonport.transforms.rectifiers import Explin as Explin
from neonport.transforms.rectifiers import Rectlin as Rectlin
from neonport.transforms.rectifiers import Rectlinclip as Rectlinclip
from neonport.transforms.sign import Sign as Sign
from neonport.transforms.softmax import PixelwiseSoftmax as PixelwiseSoftmax
from neonport.transforms.softmax import Softmax as Softmax
from neonport.transforms.transform import Transform as Transform
