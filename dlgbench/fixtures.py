"""The tests of cells and claims, and their fixtures `measure` and `judge`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dlgbench import devices, spool, words
from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.baseline import against
from dlgbench.claim import Claim, Verdict
from dlgbench.errors import DlgbenchError
from dlgbench.launch import CLUSTER, SECONDS
from dlgbench.progress import PROGRESS
from dlgbench.session import session_of

if TYPE_CHECKING:
    from dlgbench.runner import Runner


def ablation_of(item: pytest.Item) -> Ablation | None:
    """The ablation of a test of a cell or a claim; None for any other test."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    given = params.get("cell") or params.get("claim")
    return given[0] if isinstance(given, tuple) and isinstance(given[0], Ablation) else None


def cell_of(item: pytest.Item) -> tuple[Ablation, Cell] | None:
    """The ablation and the cell of a test of a cell; None for any other test."""
    given = getattr(getattr(item, "callspec", None), "params", {}).get("cell")
    return given if isinstance(given, tuple) and ablation_of(item) else None


def hides(exception: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether a traceback leaves out our frames: not where a message is all that is shown."""
    return not exception.errisinstance(pytest.fail.Exception)


def test_cell(cell: Any, measure: Any) -> None:
    """Each cell of an ablation: run, or found in the store."""
    __tracebackhide__ = hides
    measure(cell)


def test_claim(claim: Any, judge: Any) -> None:
    """Each claim of an ablation: judged."""
    judge(claim)


test_cell.__test__ = False  # type: ignore[attr-defined]  # pytest's mark: a template, not a test
test_claim.__test__ = False  # type: ignore[attr-defined]  # the same


@pytest.fixture(scope="session")
def _runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    from dlgbench.runner import Runner

    session = session_of(request.config)
    wanted = [pair for item in request.session.items if (pair := cell_of(item))]
    if CLUSTER in request.config.stash:
        from dlgbench.cluster_runner import ClusterRunner

        cluster, seconds = request.config.stash[CLUSTER], request.config.stash.get(SECONDS, {})
        progress: Any = request.config.pluginmanager.get_plugin(PROGRESS)
        store = session.store()
        there = ClusterRunner(
            store, session.since, session.id, wanted, cluster, seconds, progress.show_ahead
        )
        yield there
        there.close()
        told = _told(there, there.trained)
        for notice in told["notices"]:
            spool.say(notice)
        progress.lost += told["lost"]
        request.session.testsfailed += told["lost"] > 0
        return
    places = devices.Places(session.gpu, session.per_gpu, session.id)
    yield Runner(session.store(), session.since, session.id, wanted, places)


def _told(runner: Runner, before: int) -> dict[str, Any]:
    """What a test's report tells of its runner, which had trained so many cells before."""
    return {
        "trained": runner.trained - before,
        "notices": runner.take_notices(),
        "lost": runner.take_lost(),
        "stop": runner.stop,
    }


@pytest.fixture
def measure(_runner: Runner, record_property: Any, pytestconfig: pytest.Config) -> Any:
    """`measure(cell)`: the cell's run, from the store if it is finished, else it is run now.

    An exception of the user's code is raised as it is, with the traceback from the first line that
    is not dlgbench's. A `DlgbenchError` is shown as one message.
    """
    from dlgbench.failures import CellFailed

    def measure(cell: tuple[Ablation, Cell]) -> Run:
        __tracebackhide__ = hides
        _refuse_changed(pytestconfig, record_property)
        before = _runner.trained
        try:
            return _runner.run(*cell)
        except CellFailed as failure:
            if failure.cell.id == cell[1].id and failure.own is not None:
                raise failure.own from None
            text = failure.text if failure.cell.id == cell[1].id else str(failure)
            raise pytest.fail.Exception(text, pytrace=False) from None
        except DlgbenchError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        finally:
            row = {"ablation": cell[0].name, **_told(_runner, before)}
            record_property("dlgbench", row | _sources(pytestconfig, cell[0]))

    return measure


def _sources(config: pytest.Config, ablation: Ablation) -> dict[str, str]:
    return {"sources": session_of(config).sources.get(ablation.name, "")}


def _refuse_changed(config: pytest.Config, record_property: Any) -> None:
    if changed := session_of(config).changed:
        record_property("dlgbench", {"stop": changed})
        pytest.fail(changed, pytrace=False)


@pytest.fixture
def judge(_runner: Runner, record_property: Any, pytestconfig: pytest.Config) -> Any:
    """`judge(claim)`: the verdict, which is also stored.

    Where `supported` is expected: supported passes, refuted fails, inconclusive is xfail. With a
    baseline, what is as it was there does not fail.
    """

    def judge(of: tuple[Ablation, Claim]) -> Verdict:
        ablation, claim = of
        _refuse_changed(pytestconfig, record_property)
        session, before = session_of(pytestconfig), _runner.trained
        scale = session.scale
        try:
            past = session.past()
            verdict = _runner.judge(ablation, scale)[claim]
        except DlgbenchError as error:
            record_property("dlgbench", _told(_runner, before))
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        from dlgbench.stats import enough

        effect, interval = words.found(verdict, claim.effect.scale)
        fails, note = against(claim, verdict, ablation.name, past)
        row = {
            "ablation": ablation.name,
            "claim": claim.statement,
            "line": verdict.line(claim),
            "expect": claim.expect,
            "effect": effect,
            "interval": interval,
            "wanted": words.wanted(claim),
            "undecided": words.undecided(enough(verdict, claim.threshold)),
            "as_expected": verdict.passes(claim),
            "baseline": note,
            "edges": _runner.edges(ablation, scale),
            "verdict": dataclasses.asdict(verdict),
            **_told(_runner, before),
            **_sources(pytestconfig, ablation),
        }
        record_property("dlgbench", row)
        _set_outcome(claim, verdict, scale, fails=fails, note=note)
        return verdict

    return judge


def _set_outcome(claim: Claim, verdict: Verdict, scale: str, *, fails: bool, note: str) -> None:
    """Turns a verdict into pytest's outcome."""
    line = f"{claim.statement}: {verdict.line(claim)}"
    note = f", {note}" if note else ""
    if scale == "smoke":
        pytest.skip("plumbing only")
    if fails:
        pytest.fail(f"{line}; expected {claim.expect}{note}", pytrace=False)
    if not verdict.passes(claim):
        pytest.xfail(f"{line}; not as expected{note}")
    if verdict.verdict == "inconclusive" and claim.expect != "not supported":
        pytest.xfail(f"{line}{note}")  # an inconclusive claim must not look like a passed one
