"""Models as ONNX graphs: one row for each class of layers says what it is there.

Start reading at `export.py`; a row for a class of your own is written with `rows.onnx_row`.
"""

from neonport.models.onnx.export import export_onnx as export_onnx
from neonport.models.onnx.rows import onnx_row as onnx_row
