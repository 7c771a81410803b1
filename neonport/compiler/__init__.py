"""From assignments of op-trees to kernels and their text; knows no device."""
