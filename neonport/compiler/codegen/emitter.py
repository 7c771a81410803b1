"""Lines of generated text and their indentation."""

from __future__ import annotations

from collections.abc import Iterable


class Emitter:
    """Text in the making.

    Attributes:
        lines: what has been written.

    Example:
        out = Emitter()
        out.put("if (x) {")
        out.put("y = 1;")
        out.put("}")
        out.text()  # the assignment is indented
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0

    def put(self, line: str) -> None:
        """Append a line; braces move the indentation."""
        if line.startswith("}"):
            self._depth -= 1
        self.lines.append("  " * self._depth + line)
        if line.endswith("{"):
            self._depth += 1

    def put_all(self, lines: Iterable[str]) -> None:
        """Append several lines."""
        for line in lines:
            self.put(line)

    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines) + "\n"
