"""Op-trees: expressions that compute nothing until they are assigned."""

from neonport.optree import numpy_functions as numpy_functions
from neonport.optree.functions import build as build
from neonport.optree.node import Expression as Expression
from neonport.optree.node import OpTreeNode as OpTreeNode
from neonport.optree.node import apply as apply
from neonport.optree.node import tensors as tensors
from neonport.optree.node import walk as walk
