"""Runs on their way to the store: none is lost and none is sent twice."""

import json
import math
import os
import re
import threading
from pathlib import Path

import pytest

from dlgbench import DlgbenchError
from dlgbench import spool as module
from dlgbench.spool import NotARecord, Spool

NAMES = ("slide", "arm", "seed", "scale", "purpose", "precision", "id", "recipe")
RECORD = {
    "cell": {"ablation": "x/y", "setting": [], "params": {}, **dict.fromkeys(NAMES, "")},
    "fingerprint": "f1",
    "run": {"status": "finished", "summary": {}, "history": [], "provenance": {}},
    "ended": 100.0,
}
HANGING = 300  # seconds after which a test is taken to hang


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "state")


def test_a_record_waits_until_it_is_sent(spool):
    file = spool.keep(RECORD)
    assert (spool.waiting(), file.name) == ([file], "x.y-f1.json")
    assert spool.find_waiting("f1", 0.0) == RECORD
    assert spool.find_sent("f1", 0.0) is None
    pushed = []
    assert spool.send(file, pushed.append)
    assert (pushed, spool.waiting()) == ([RECORD], [])
    assert spool.find_waiting("f1", 0.0) is None
    assert spool.find_sent("f1", 0.0) == RECORD  # for a time when the store is out of reach
    assert not spool.send(file, pushed.append)
    assert len(pushed) == 1


def test_a_record_appears_whole(spool, monkeypatch):
    """Others send what lies there, and a kill may come in the middle of its writing."""
    seen, write = [], Path.write_text

    def in_two(file, text):
        write(file, text[:9])
        seen.append(spool.waiting())
        return write(file, text)

    monkeypatch.setattr(Path, "write_text", in_two)
    file = spool.keep(RECORD)
    assert (seen, spool.waiting()) == ([[]], [file])


def test_what_ended_before_does_not_count(spool):
    spool.keep(RECORD)
    assert spool.find_waiting("f1", 100.0) == RECORD
    assert spool.find_waiting("f1", 100.5) is None
    assert spool.find_waiting("f2", 0.0) is None


def test_a_record_that_can_not_be_sent_goes_on_waiting(spool):
    def refuse(_record):
        raise ConnectionError

    file = spool.keep(RECORD)
    with pytest.raises(ConnectionError):
        spool.send(file, refuse)
    assert spool.waiting() == [file]
    assert spool.find_sent("f1", 0.0) is None


def test_of_two_senders_one_sends(spool, tmp_path, monkeypatch):
    file, pushed, entered, go = spool.keep(RECORD), [], threading.Event(), threading.Event()

    def slowly(record):
        entered.set()
        assert go.wait(HANGING)
        pushed.append(record)

    def send_too():
        done.append(Spool(tmp_path / "state").send(file, pushed.append))  # as another process
        go.set()

    done = []
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    monkeypatch.setattr(module, "say", lambda _text: go.set())  # the second waits for the first
    first = threading.Thread(target=lambda: done.append(spool.send(file, slowly)))
    first.start()
    assert entered.wait(HANGING)
    second = threading.Thread(target=send_too)
    second.start()
    for thread in (first, second):
        thread.join(HANGING)
    assert (pushed, sorted(done)) == ([RECORD], [False, True])


def with_(part, name, value):
    """The record's text with another value in one part, or in itself."""
    record = json.loads(json.dumps(RECORD))
    (record[part] if part else record)[name] = value
    return json.dumps(record)


@pytest.mark.parametrize(
    "content",
    [
        *('{"cell": ', "{}", "[]", "null", "3", '{"cell": {}, "ended": 1.0}', b"\xff"),
        with_("run", "provenance", {"wall": None}),
        with_("run", "arrays", 5),
        with_("run", "arrays", "bm8gbnB6"),
        with_("cell", "id", None),
        with_("", "ended", math.nan),
        with_("", "since", None),
        *(Path.mkdir, lambda file: file.symlink_to(file), lambda file: file.symlink_to("none")),
    ],
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_what_is_no_run_is_set_aside_and_told(spool, content, is_folder):
    file = spool.folder / "x.y-f1.json"
    if callable(content):
        content(file)
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    if is_folder:  # of a user's, where the file is to go
        file.with_suffix(".corrupt").mkdir()
    assert spool.find_waiting("f1", 0.0) is None
    aside = "x.y-f1.corrupt.1" if is_folder else "x.y-f1.corrupt"
    told = rf"x\.y-f1\.json is no run, and was set aside as {aside}$"
    with pytest.raises(NotARecord, match=told):
        spool.send(file, json.dumps)
    names = [path.name for path in spool.folder.iterdir()]
    assert sorted(names) == ["x.y-f1.corrupt", "x.y-f1.corrupt.1"][: 1 + is_folder]
    assert spool.waiting() == []


def test_a_run_that_can_not_be_read_now_stays(spool, monkeypatch):
    """Too many open files, say: it may be read in a moment."""
    file = spool.keep(RECORD)

    def fails(_file):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "read_text", fails)
    with pytest.raises(DlgbenchError, match=r"can't be read: .* Too many open files"):
        spool.send(file, json.dumps)
    assert spool.waiting() == [file]


def test_of_a_run_that_the_store_does_not_take_no_copy_is_kept(spool):
    """The store has another one, which counts."""
    assert spool.send(spool.keep(RECORD), lambda _record: False)
    assert (spool.waiting(), list(spool.sent.iterdir())) == ([], [])


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "state").touch()
    with pytest.raises(DlgbenchError, match=r"expected a folder that can be written at .*state"):
        Spool(tmp_path / "state").lock("a", 0.0)


def test_who_waits_for_long_says_for_what(spool, monkeypatch):
    said, free = [], threading.Event()
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    monkeypatch.setattr(module, "say", lambda text: (said.append(text), free.set()))
    done = []

    def wait():
        with spool.held("push"):
            done.append(1)

    waiting = threading.Thread(target=wait)
    with spool.held("push"):
        waiting.start()
        assert free.wait(HANGING)
        assert (done, len(said)) == ([], 1)
    wanted = rf"waiting for process {os.getpid()}, busy or stopped, that has .*locks/push\.lock"
    assert re.fullmatch(wanted, said[0])
    waiting.join(HANGING)
    assert done == [1]


def test_a_full_disk_leaves_no_half_of_a_record(spool, monkeypatch):
    def full(self, _text):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space"):
        spool.keep(RECORD)
    assert not list(spool.folder.iterdir())
