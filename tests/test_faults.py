"""What `nox -s faults` would notice: the comparison of a trial with the truth, by hand."""

import importlib.util
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("faults", Path(__file__).with_name("faults.py"))
faults = sys.modules["faults"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(faults)

VALUES = {f"f{k}": (("test/error", 1, k / 10),) for k in range(faults.CELLS)}
TRUTH = {f"run{k}": (f"f{k}", VALUES[f"f{k}"]) for k in range(faults.CELLS)}
SAID = f"cells {faults.CELLS} of {faults.CELLS}, {faults.CELLS - 5} trained, 9 s gone"


@pytest.mark.parametrize(
    ("now", "verdicts", "said", "found"),
    [
        (TRUTH, ["yes"], SAID, []),
        ({**TRUTH, "run9": ("f9", (("test/error", 1, 0.0),))}, ["yes"], SAID, ["1 wrong"]),
        ({**TRUTH, "again": TRUTH["run9"]}, ["yes"], SAID, ["1 doubled"]),
        ({**TRUTH, "run9": TRUTH["run8"]}, ["yes"], SAID, ["1 missing", "1 doubled"]),
        ({("new" if k == "run3" else k): v for k, v in TRUTH.items()}, ["yes"], SAID, ["1 lost"]),
        (TRUTH, ["no"], SAID, ["1 verdicts wrong"]),
        (TRUTH, ["yes"], SAID.replace("27 trained", "28 trained"), ["1 trained again"]),
        (TRUTH, ["yes"], f"{SAID}\nTraceback (most recent call last)", ["1 tracebacks"]),
    ],
)
def test_a_trial_notes_what_differs_from_the_truth(
    monkeypatch, tmp_path, now, verdicts, said, found
):
    trial = faults.Trial("kill", 0, tmp_path, faults.Seen(TRUTH, ["yes"]), 1.0)
    monkeypatch.setattr(faults, "look", lambda _: faults.Seen(now, verdicts))
    trial.note(said)
    before = faults.Seen({run: TRUTH[run] for run in list(TRUTH)[:4]}, [])
    # 4 runs were stored; of two in the spool, one was among them
    trial.compare(before, {"f3", "f4"}, said)
    assert trial.faults == found


def test_runs_that_copies_could_give_back_are_not_trained_again(monkeypatch, tmp_path):
    trial = faults.Trial("cut_store", 0, tmp_path, faults.Seen(TRUTH, ["yes"]), 1.0)
    trial.before = faults.Seen({run: TRUTH[run] for run in list(TRUTH)[:5]}, [])
    anew = {f"new-{run}": row for run, row in TRUTH.items()}  # with new ids
    monkeypatch.setattr(faults, "look", lambda _: faults.Seen(anew, ["yes"]))
    trial.note(SAID)
    trial.compare(trial.before, set(), SAID)
    assert trial.faults == []
    trial.compare(trial.before, set(), SAID.replace("27 trained", "32 trained"))
    assert trial.faults == ["5 trained again"]
