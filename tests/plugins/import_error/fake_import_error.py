"""Its hook module needs something that is not installed."""

import a_module_nobody_has  # noqa: F401
