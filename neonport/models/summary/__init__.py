"""`Model.summary`: what the layers are, hold and compute."""
