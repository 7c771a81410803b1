"""BLEUScore: n-gram precision of translations (Papineni et al., 2002)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import exp, log
from typing import TypeAlias

from neonport.errors import ConfigurationError
from neonport.log import DISPLAY, logger
from neonport.transforms.metrics import Metric
from neonport.transforms.operands import count

Words: TypeAlias = list[str]

SMOOTHING = 1e-7  # keeps the logarithm of a precision of 0 finite


class BLEUScore(Metric):
    """Corpus score of sentences against one or more references each.

    Args:
        unk: word that stands for unknown ones; an n-gram with it never matches.

    Attributes:
        bleu_n: cumulative scores of the last call, for n-grams up to 1, 2, ... N words.

    Example:
        score = BLEUScore()(["a cat sat on a mat"], [["a cat sat on a mat"]])
        assert round(score) == 100
    """

    neon_module = "neon.transforms.cost"

    def __init__(self, unk: str = "<unk>") -> None:
        super().__init__()
        self.metric_names = ["BLEU"]
        self.unk = unk
        self.bleu_n: list[float] = []

    def __call__(  # type: ignore[override]
        self,
        y: Sequence[str],
        t: Sequence[Sequence[str]],
        N: int = 4,
        brevity_penalty: bool = False,
        lower_case: bool = True,
    ) -> float:
        """Return the score for n-grams of up to N words, between 0 and 100; log all N scores.

        Args:
            y: candidate sentences.
            t: references of each candidate, in lower case if `lower_case`.
            N: longest n-gram.
            brevity_penalty: lower the score of a corpus that is shorter than its references.
            lower_case: put candidates in lower case first; references are taken as they are.

        Raises:
            ConfigurationError: the numbers of candidates and references differ, there are none, or
                N is below 1.
        """
        longest = count(self, "N", N)
        if len(y) != len(t) or not y or not all(t):
            raise ConfigurationError(
                f"BLEUScore: {len(y)} candidates and {len(t)} lists of references; each candidate "
                "needs a list of at least one reference"
            )
        candidates = [(s.lower() if lower_case else s).strip(".").split() for s in y]
        references = [[r.split() for r in refs] for refs in t]
        penalty = _brevity(candidates, references) if brevity_penalty else 1.0
        total_log, self.bleu_n = 0.0, []
        for n in range(1, longest + 1):
            total_log += log(self._precision(candidates, references, n) + SMOOTHING)
            self.bleu_n.append(100.0 * penalty * exp(total_log / n))
        scores = ", ".join(f"Bleu-{n}: {s:.1f}" for n, s in enumerate(self.bleu_n, 1))
        logger.log(DISPLAY, "BLEU scores: %s", scores)
        return self.bleu_n[-1]

    def _precision(self, candidates: list[Words], references: list[list[Words]], n: int) -> float:
        """Share of the n-grams of all candidates that occur in a reference; 0 if there are none."""
        correct = total = 0
        for words, refs in zip(candidates, references, strict=True):
            found = _ngrams(words, n)
            allowed: Counter[tuple[str, ...]] = Counter()
            for ref in refs:
                allowed |= _ngrams(ref, n)  # the union of counters takes the larger count
            total += sum(found.values())
            correct += sum(m for gram, m in (found & allowed).items() if self.unk not in gram)
        return correct / total if total else 0.0


def _ngrams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _brevity(candidates: list[Words], references: list[list[Words]]) -> float:
    """Factor below 1 for a corpus shorter than the references closest in length."""
    length = sum(map(len, candidates))
    wanted = 0
    for words, refs in zip(candidates, references, strict=True):
        wanted += min((abs(len(r) - len(words)), len(r)) for r in refs)[1]
    if length >= wanted:
        return 1.0
    return exp(1.0 - wanted / length) if length else 0.0
