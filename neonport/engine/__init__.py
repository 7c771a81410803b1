"""Running statements on a device: find, plan, bind, run, record."""
