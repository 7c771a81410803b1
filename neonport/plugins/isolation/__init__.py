"""Plugins are examined in processes of their own, so that none can hang, end or change this one."""
