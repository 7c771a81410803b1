"""BLEUScore against scores worked out by hand."""

from __future__ import annotations

import logging
from math import exp
from typing import Any

import pytest

from neonport.errors import ConfigurationError
from neonport.transforms import BLEUScore


def geometric(*precisions: float) -> float:
    product = 1.0
    for p in precisions:
        product *= p
    return float(100 * product ** (1 / len(precisions)))


def test_cumulative_scores_of_a_corpus(caplog: pytest.LogCaptureFixture) -> None:
    y = ["The cat sat on the mat.", "a dog barks"]
    t = [["the cat is on the mat", "there is a cat on the mat"], ["a dog barks loudly"]]
    score = BLEUScore()
    with caplog.at_level(logging.INFO, logger="neonport"):
        last = score(y, t)
    # first: the 2x, cat, on, mat of 6 words; the-cat, on-the, the-mat of 5 pairs; on-the-mat of 4
    # triples; none of 3. Second: all 3, 2, 1 and no 4-gram at all.
    expected = [
        geometric(8 / 9),
        geometric(8 / 9, 5 / 7),
        geometric(8 / 9, 5 / 7, 2 / 5),
        geometric(8 / 9, 5 / 7, 2 / 5, 1e-7),
    ]
    assert score.bleu_n == pytest.approx(expected, rel=1e-5)
    assert last == score.bleu_n[-1]
    assert score.metric_names == ["BLEU"]
    assert f"{expected[0]:.1f}" in caplog.text


def test_counts_are_clipped_by_the_best_reference() -> None:
    # "the" occurs at most twice in one reference, whatever their sum
    y = ["the the the the the the the"]
    t = [["the cat is on the mat", "the cat the"]]
    assert BLEUScore()(y, t, N=1) == pytest.approx(100 * 2 / 7, rel=1e-5)


def test_unknown_words_never_match_but_count() -> None:
    assert BLEUScore()(["a <unk> b"], [["a <unk> b"]], N=1) == pytest.approx(200 / 3, rel=1e-5)
    assert BLEUScore(unk="?")(["a ? b c"], [["a ? b c"]], N=2) == pytest.approx(
        geometric(3 / 4, 1 / 3), rel=1e-5
    )


def test_only_candidates_are_put_in_lower_case() -> None:
    score = BLEUScore()
    assert score(["The End"], [["the end"]], N=2) == pytest.approx(100, rel=1e-5)
    assert score(["The End"], [["The End"]], N=1) == pytest.approx(0, abs=1e-3)
    assert score(["The End"], [["The End"]], N=1, lower_case=False) == pytest.approx(100, rel=1e-5)


@pytest.mark.parametrize(
    ("references", "wanted"),
    [
        (["a b c d"], 4),
        (["a b c d e", "a b c d"], 4),  # the closest
        (["a b c d", "a b"], 2),  # of two equally close ones the shorter: no penalty
    ],
)
def test_brevity_penalty(references: list[str], wanted: int) -> None:
    plain = BLEUScore()(["a b c"], [references], N=1)
    short = BLEUScore()(["a b c"], [references], N=1, brevity_penalty=True)
    assert short == pytest.approx(plain * (exp(1 - wanted / 3) if wanted > 3 else 1))


def test_more_than_nine_words() -> None:
    words = " ".join("abcdefghijkl")
    score = BLEUScore()
    assert score([words], [[words]], N=11) == pytest.approx(100, rel=1e-4)
    assert len(score.bleu_n) == 11


def test_an_empty_candidate_scores_zero() -> None:
    assert BLEUScore()([""], [["a b"]], brevity_penalty=True) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s(["a"], []),
        lambda s: s([], []),
        lambda s: s(["a"], [[]]),
        lambda s: s(["a"], [["a"]], N=0),
    ],
)
def test_mistakes_are_named(call: Any) -> None:
    with pytest.raises(ConfigurationError, match="BLEUScore"):
        call(BLEUScore())
