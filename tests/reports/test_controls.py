"""The measured false-positive rate, against shares counted by hand."""

from types import SimpleNamespace

import pytest

from dlgbench.claim import Claim, at_least, value
from dlgbench.reports import controls


def judged(*of):
    """Claims with their studies, each of (kind, verdict, method); one without was not run."""
    for i, (kind, verdict, method) in enumerate(of):
        claim = Claim(f"claim {i}", value("test/error", "a"), at_least(0.1), kind=kind)
        verdicts = {claim: SimpleNamespace(verdict=verdict, method=method)} if verdict else {}
        yield SimpleNamespace(verdicts=verdicts), SimpleNamespace(claim=claim)


def test_the_rate_is_of_twins_that_chance_could_decide():
    rate = controls.twins(
        judged(
            ("twin", "supported", "shape-averaged t"),
            ("twin", "refuted", "sign test"),
            ("twin", "inconclusive", "shape-averaged t"),
            ("twin", "refuted", "exact"),  # equal by construction
            ("twin", "inconclusive", "none"),  # runs are missing
            ("twin", None, None),
            ("control", "supported", "shape-averaged t"),
        )
    )
    assert (rate["supported"], rate["of"]) == (1, 3)
    # Clopper & Pearson: P(X >= 1 | low) = 1 - (1 - low)^3 = .025
    assert rate["low"] == pytest.approx(1 - 0.975 ** (1 / 3))


def test_without_such_a_twin_there_is_no_rate():
    assert controls.twins(judged(("twin", "refuted", "exact"), ("twin", None, None))) is None
