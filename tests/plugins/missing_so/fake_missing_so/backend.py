"""Loads the driver."""

import ctypes

ctypes.CDLL("libneonport_fake_driver.so.7")
