"""What of the prelude a kernel needs: reading all of it takes as long as many a kernel itself."""

from __future__ import annotations

import re

BEGIN = re.compile(r"(?m)^(?=/\* ---- )")
NAME = re.compile(r"\b(?:neo|NEO)_\w*")  # what the prelude defines
# what a macro makes names of: `NEO_FN T neo_max_##S(`, and an argument of one, `(neo_sin_, sin)`
MADE = re.compile(r"NEO_FN \w+ (neo_\w*_)##|\((neo_\w*_),")


class Sections:
    """The sections of a prelude, each below a comment that begins with `/* ----`.

    Later sections use what earlier ones define. So the first section in which a name is found is
    the one that defines it, and no C has to be understood. A name that ends with an underscore is
    continued by a macro and stands for all that begin with it; the macro defines them. What stands
    before the first comment is always needed, and so is a section that defines no such name.

    Args:
        prelude: the text.

    Example:
        short = Sections(c_dialect().prelude).needed_by(kernel)
    """

    def __init__(self, prelude: str) -> None:
        self.start, *texts = BEGIN.split(prelude)
        self._sections = []
        known = set(NAME.findall(self.start))
        for text in texts:
            names = set(NAME.findall(text))
            defined = {name for name in names - known if not name.endswith("_")}
            made = {name or argument for name, argument in MADE.findall(text)}
            self._sections.append((text, names, defined | made))
            known |= defined

    def needed_by(self, text: str) -> str:
        """The start of the prelude and the sections that a text needs, in their order.

        Args:
            text: C that stands behind the prelude.
        """
        wanted, kept = set(NAME.findall(text)), []
        for section, names, defined in reversed(self._sections):
            known = not defined.isdisjoint(wanted)
            if not defined or known or _begun(wanted, defined) or _begun(defined, wanted):
                kept.append(section)
                wanted |= names
        return self.start + "".join(reversed(kept))


def _begun(beginnings: set[str], names: set[str]) -> bool:
    """Whether a name begins with one of those that end with an underscore."""
    begin = tuple(name for name in beginnings if name.endswith("_"))
    return bool(begin) and any(name.startswith(begin) for name in names)
