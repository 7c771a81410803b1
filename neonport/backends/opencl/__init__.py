"""OpenCL through PyOpenCL: any platform and device with OpenCL 1.2 or later."""
