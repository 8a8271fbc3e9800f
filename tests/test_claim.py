import math

import pytest

from dlgbench import (
    Claim,
    DlgbenchError,
    Verdict,
    at_least,
    at_most,
    contrast,
    difference,
    exactly,
    interaction,
    log_ratio,
    slope,
    value,
    within,
)

RUNS = {
    ("e", "a"): (3.0, 3.0),
    ("f", "a"): (1.5, 1.5),
    ("f", "c"): (4.0, 4.0),
    ("e", "b"): (1.0, 1.0),
    ("e", "c"): (10.0, math.inf),
    ("e", "d"): (math.inf, math.inf),
}


def read(metric, arm):
    return RUNS[metric, arm]


@pytest.mark.parametrize(
    ("effect", "wanted"),
    [
        (value("e", "a"), (3, 3)),
        (difference("e", "a", "b"), (2, 2)),
        (difference("e", "c", "b"), (9, math.inf)),  # c was censored at 10: at least 9
        (difference("e", "b", "c"), (-math.inf, -9)),
        (difference("e", "d", "b"), (math.inf, math.inf)),  # d diverged: the worst rank
        (difference("e", "d", "d"), (-math.inf, math.inf)),  # both diverged: nothing is known
        (contrast("e", "f", "a"), (1.5, 1.5)),
        (contrast("f", "e", "c"), (-math.inf, -6)),
        (log_ratio("e", "a", "b"), (math.log(3), math.log(3))),
        (log_ratio("e", "c", "b"), (math.log(10), math.inf)),
        (interaction("e", ("a", "b"), ("b", "a")), (4, 4)),
        (slope("e", {"b": 1, "a": 2}), (2, 2)),
        (slope("e", {"b": 1, "a": 2, "c": 3}), (4.5, math.inf)),  # weights -1/2, 0, 1/2
    ],
)
def test_effects_by_hand(effect, wanted):
    assert effect.of(read) == pytest.approx(wanted)


def test_nonsense_is_refused_when_declared():
    with pytest.raises(
        DlgbenchError,
        match=r"claim 'x': a threshold is wanted \(at_least, at_most, within, exactly\); 0.5 came",
    ):
        Claim("x", value("e", "a"), 0.5)  # type: ignore[arg-type]
    with pytest.raises(DlgbenchError, match=r"claim 'x': a threshold is wanted .* None came"):
        Claim("x", value("e", "a"))
    with pytest.raises(DlgbenchError, match="an effect is wanted"):
        Claim("x", "e", at_least(1))  # type: ignore[arg-type]
    with pytest.raises(
        DlgbenchError, match="no verdict is called 'suported'; did you mean 'supported'"
    ):
        Claim("x", value("e", "a"), at_least(1), expect="suported")  # type: ignore[arg-type]
    with pytest.raises(DlgbenchError, match="margin above 0"):
        within(0)
    with pytest.raises(DlgbenchError, match="two different x"):
        slope("e", {"a": 1})


@pytest.mark.parametrize(
    ("expect", "passing"),
    [
        ("supported", {"supported"}),
        ("refuted", {"refuted"}),
        ("not supported", {"refuted", "inconclusive"}),
        ("inconclusive", {"supported", "inconclusive"}),
    ],
)
def test_which_verdicts_a_declaration_can_live_with(expect, passing):
    claim = Claim("x", value("e", "a"), at_least(1), expect=expect)
    verdicts = [
        Verdict(word, 1.0, (0.0, 2.0), 0.95, 0.5, 5, (1.0,) * 5, "paired t")
        for word in ("supported", "refuted", "inconclusive")
    ]
    assert {verdict.verdict for verdict in verdicts if verdict.passes(claim)} == passing


def test_thresholds_read_as_words():
    assert [str(t) for t in (at_least(0.5), at_most(2), within(1), within(1, around=3), exactly(15))] == [
        "at least 0.5", "at most 2", "within ±1", "within 2 and 4", "exactly 15",
    ]  # fmt: skip
