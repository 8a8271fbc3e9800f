"""Who has the machine: many at once, or one alone; nobody waits for who is gone."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from dlgbench import DlgbenchError, machine, spool

HANGING = 60  # seconds after which a test is taken to hang


@pytest.fixture(autouse=True)
def _own_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@contextlib.contextmanager
def another(how):
    """A thread that has the machine in the block; and an event that says whether it has it yet."""
    has, leave = threading.Event(), threading.Event()

    def hold():
        with how():
            has.set()
            leave.wait(HANGING)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield has
    finally:
        leave.set()
        thread.join(HANGING)
        assert not thread.is_alive()


def test_many_share_it():
    with machine.shared(), another(machine.shared) as one, another(machine.shared) as other:
        assert one.wait(HANGING)
        assert other.wait(HANGING)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (machine.alone, machine.shared),
        (machine.shared, machine.alone),
        (machine.alone, machine.alone),
    ],
)
def test_one_alone_waits_for_all_and_all_wait_for_it(first, second):
    with contextlib.ExitStack() as later:
        with first():
            waiting = later.enter_context(another(second))
            assert not waiting.wait(0.2)
        assert waiting.wait(HANGING)


def test_who_waits_to_be_alone_is_overtaken_by_nobody():
    with contextlib.ExitStack() as last:
        with contextlib.ExitStack() as next_, machine.shared():
            waiting = next_.enter_context(another(machine.alone))
            assert not waiting.wait(0.2)
            late = last.enter_context(another(machine.shared))
            assert not late.wait(0.2)
        assert waiting.is_set()
        assert late.wait(HANGING)


@pytest.mark.parametrize("session", ["mine", "another"])
@pytest.mark.parametrize("has", [machine.alone, machine.shared])
def test_who_waits_for_another_session_says_for_which_process(monkeypatch, has, session):
    said = []
    monkeypatch.setattr(spool, "PATIENCE", 0.01)
    monkeypatch.setattr(spool, "say", said.append)
    with contextlib.ExitStack() as later:
        with has("mine"):
            waiting = later.enter_context(another(lambda: machine.alone(session)))
            assert not waiting.wait(0.5)
        assert waiting.wait(HANGING)
    told = f"waiting for process {os.getpid()}, busy or stopped, that has the machine"
    assert said == ([told] if session == "another" else [])


@pytest.mark.parametrize("has", [machine.alone, machine.shared])
@pytest.mark.parametrize("folder", [True, False])
def test_a_folder_that_takes_no_locks_is_one_message(tmp_path, has, folder):
    place = tmp_path / f"dlgbench-{os.getuid()}"
    if folder:
        (place / "gate.lock").mkdir(parents=True)
    else:
        place.touch()
    told = r"expected a folder that can be written at .*dlgbench-\d+, got: "
    with pytest.raises(DlgbenchError, match=told), has():
        pass


@pytest.mark.parametrize("how", ["alone", "shared"])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_who_is_gone_has_it_no_more(how, sign):
    code = f"from dlgbench import machine\nwith machine.{how}():\n print(1, flush=True)\n input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdout.readline() == b"1\n"
        with another(machine.alone) as mine:
            assert not mine.wait(0.2)
            os.kill(process.pid, sign)
            assert mine.wait(HANGING)
