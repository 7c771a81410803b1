"""ops."""

from neonport.ops.table import OPS as OPS
from neonport.ops.table import Kind as Kind
from neonport.ops.table import Op as Op
from neonport.ops.table import of_kind as of_kind
