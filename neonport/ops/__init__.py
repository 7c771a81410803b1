"""What each op means: a table of rows, one family a file.

Importing the package fills the table `OPS`, in the order below.
"""

from neonport.ops import elementwise as elementwise  # isort: skip
from neonport.ops import reductions as reductions  # isort: skip
from neonport.ops import movement as movement  # isort: skip
from neonport.ops import indexing as indexing  # isort: skip
from neonport.ops import along_axis as along_axis  # isort: skip
from neonport.ops import matmul as matmul  # isort: skip
from neonport.ops.windows import convolution as convolution  # isort: skip
from neonport.ops.windows import pooling as pooling  # isort: skip
from neonport.ops.windows import roi_pooling as roi_pooling  # isort: skip
from neonport.ops.windows import normalization as normalization  # isort: skip
from neonport.ops import recurrence as recurrence  # isort: skip
from neonport.ops import random as random  # isort: skip
from neonport.ops.op import OPS as OPS
from neonport.ops.op import Kind as Kind
from neonport.ops.op import Op as Op
from neonport.ops.op import of_kind as of_kind
from neonport.ops.op import register as register
