"""Injects faults into sessions: is a run lost, doubled or wrong, does one hang, is it told clearly?

    nox -s faults -- --trials 60 --seed 1

A trial is a session over 32 cells in a folder of its own, which one fault hits at a random moment;
then come sessions without faults until one ends well. The truth is what a session without faults
stored. The fault's kind, moment and target follow from the seed. A trial takes 20 to 60 seconds of
a job; what each printed is kept, to be read: whether a message is clear, no program can tell.
Linux alone; the full disk needs root, and is left out without.
"""

import argparse
import contextlib
import dataclasses
import http.client
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

LANES = '''
"""Does a smaller step learn? Small networks, which are trained together."""

from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Does a smaller step learn?",
    recipe=Recipe(model="mlp", model_args={"hidden": (16,)}, data="digits", steps=60),
    arms={"one": {}, "two": {"batch_size": 20}},
    tune={"lr": (0.1, 0.2)},
    scales={"cpu": {"seeds": 6, "tuning_seeds": 1}, "gpu": {}},
    claims=[Claim("It does", difference("test/error", "one", "two"), at_least(-1))],
)
'''
OWN = '''
"""Does training code of one's own work? Cells that are trained one by one."""

import random
import time

from dlgbench import Ablation, Claim, at_least, difference


def train(config, seed, log):
    time.sleep(0.3)
    error = config["error"] + random.random() / 100
    log("test/error", error, 0)
    return {"test/error": error}


ABLATION = Ablation(
    question="Does training code of one's own work?",
    train=train,
    config={"error": 0.1},
    metrics={"test/error": "share"},
    arms={"one": {}, "two": {"error": 0.2}},
    scales={"cpu": {"seeds": 8}, "gpu": {}},
    claims=[Claim("It does", difference("test/error", "two", "one"), at_least(-1))],
)
'''
CELLS = 32
PATIENCE = 240  # seconds after which a session hangs
CALLS = 3  # of sessions without a fault, by which all must be well
GARBAGE = ("{}", "[]", "null", '{"cell": ', "folder", "")
Point = tuple[str, int, float]


@dataclasses.dataclass
class Seen:
    """What a store holds: run id -> fingerprint and values of its finished runs; and verdicts."""

    runs: dict[str, tuple[str, tuple[Point, ...]]]
    verdicts: list[str]

    @property
    def values(self) -> dict[str, tuple[Point, ...]]:
        return dict(self.runs.values())


def look(file: Path) -> Seen:
    """Reads a store's file; what can't be read holds nothing."""
    if not file.exists():
        return Seen({}, [])
    runs, verdicts = {}, []
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as store:
        try:
            tags: dict[str, dict[str, str]] = {}
            which = "status = 'FINISHED' and lifecycle_stage = 'active'"
            asked = (
                f"select run_uuid, key, value from tags join runs using (run_uuid) where {which}"
            )
            for run, key, value in store.execute(asked):
                tags.setdefault(run, {})[key] = value
            for run, own in tags.items():
                if own.get("dlgbench.kind") == "cell":
                    asked = "select key, step, value from metrics where run_uuid = ?"
                    points = [row for row in store.execute(asked, (run,)) if "second" not in row[0]]
                    runs[run] = own["dlgbench.fingerprint"], tuple(sorted(points))
                elif own.get("dlgbench.kind") == "verdict":
                    verdicts.append(own["dlgbench.line"])
        except sqlite3.DatabaseError:
            return Seen({}, [])
    return Seen(runs, sorted(verdicts))


class Session:
    """A `dlgbench run` as a process group of its own."""

    def __init__(self, trial: "Trial", folder: Path, *arguments: str) -> None:
        self.trial = trial
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "dlgbench", "run", "--scale", "cpu", "--no-report"]
        command += ["-n", str(trial.workers), *trial.arguments, *arguments]
        self.out = trial.logs.open("ab")
        self.from_here = self.out.tell()
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=self.out, stderr=self.out,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def signal(self, number: int, *, to: str = "group") -> None:
        """Sends a signal to the group, to the controller, or to one of its workers."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if to == "group":
                os.killpg(self.process.pid, number)
            elif to == "controller":
                self.process.send_signal(number)
            elif workers := children(self.process.pid):
                os.kill(self.trial.chance.choice(workers), number)

    def wait(self) -> int:
        """The exit code; a session that hangs is noted and killed."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.trial.faults.append("stuck")
            self.signal(signal.SIGKILL)
            self.process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # workers that a kill left behind
        self.out.close()
        return self.process.returncode

    def wait_for_moment(self) -> None:
        """Waits for the moment of the trial's fault."""
        if self.trial.trains:
            while self.process.poll() is None and "begun" not in self.text():
                time.sleep(0.1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.trial.moment)

    def text(self) -> str:
        return self.trial.logs.read_bytes()[self.from_here :].decode(errors="replace")


def children(process: int) -> list[int]:
    """The processes that a process began: of a session, xdist's workers."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == process:
                found.append(int(stat.parent.name))
    return sorted(found)


class Trial:
    """One fault, and what came of it in `faults`: nothing, if all is well."""

    def __init__(self, kind: str, seed: int, folder: Path, truth: Seen, span: float) -> None:
        self.kind, self.truth = kind, truth
        self.chance = random.Random(f"{kind} {seed}")
        self.folder = folder / f"{kind}-{seed}"
        self.folder.mkdir()
        self.logs = folder / f"{kind}-{seed}.log"
        self.workers = self.chance.choice((0, 2, 2))
        # while it begins, which takes most of the time, or while it trains
        self.trains = self.chance.random() < 0.7
        self.moment = self.chance.uniform(0, 10 if self.trains else span)
        self.arguments: list[str] = []
        self.store = self.folder / "mlflow.db"
        self.faults: list[str] = []
        self.before: Seen | None = None  # what was stored, where the fault destroys the store
        self.is_new = False  # whether the code is another one than the truth's: its runs are new

    def note(self, text: str) -> None:
        """Writes a line into the log."""
        with self.logs.open("a") as log:
            log.write(f"--- {text}\n")

    def run(self, migrated: Path | None) -> None:
        """Makes the folder, the faulty session, and the ones that follow, and compares."""
        since = "training" if self.trains else "the start"
        self.note(f"{self.kind} {self.moment:.1f} s after {since}, {self.workers} workers")
        (self.folder / "test_lanes.py").write_text(LANES)
        (self.folder / "test_own.py").write_text(OWN)
        if migrated and self.kind != "kill_fresh":
            shutil.copy(migrated, self.store)
        with KINDS[self.kind](self) as after:
            before = self.before or look(self.store)
            waiting = self.spooled()
            after()
            said = f"{len(before.runs)} runs stored, {len(waiting)} in the spool"
            self.note(f"{said}; now without a fault")
            for _call in range(CALLS):
                last = Session(self, self.folder)
                if last.wait() == 0:
                    break
            else:
                self.faults.append(f"exit code {last.process.returncode} at last")
            self.compare(before, waiting, last.text())

    def spooled(self) -> set[str]:
        """The fingerprints of the runs in the spool."""
        found = set()
        for file in self.folder.glob(".dlgbench/*/spool/*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                found.add(json.loads(file.read_text())["fingerprint"])
        return found

    def compare(self, before: Seen, waiting: set[str], said: str) -> None:
        """Notes what is lost, doubled, wrong, or a traceback."""
        now, text = look(self.store), self.logs.read_text(errors="replace")
        ours = set(now.values) if self.is_new else set(self.truth.values)
        counts = Counter(fingerprint for fingerprint, _ in now.runs.values())
        missing = CELLS - len(ours & set(now.values))
        wrong = [one for one in ours & set(self.truth.values) if now.values.get(one) not in
                 (None, self.truth.values[one])]  # fmt: skip
        gone = [run for run in before.runs if now.runs.get(run) != before.runs[run]]
        doubled = sum(counts.values()) - len(counts)
        trained = [int(one) for one in re.findall(r"cells \d+ of \d+, (\d+) trained", said)]
        known = len((set(before.values) | waiting) & ours)
        found = {
            "missing": max(missing, 0) if not self.is_new else 0,
            "wrong": len(wrong),
            "lost": 0 if self.before else len(gone),  # runs from copies have new ids
            "doubled": doubled,
            "trained again": max(0, max(trained, default=0) - (CELLS - known)) * (not self.is_new),
            "verdicts wrong": int(sorted(set(now.verdicts)) != self.truth.verdicts),
            "tracebacks": text.count("Traceback (most recent") + text.count("INTERNALERROR>"),
        }
        self.faults += [f"{count} {what}" for what, count in found.items() if count]


# kinds of faults ----------------------------------------------------------------------------------

Fault = Callable[[Trial], contextlib.AbstractContextManager[Callable[[], Any]]]
KINDS: dict[str, Fault] = {}


def fault(function: Callable[[Trial], Iterator[Any]]) -> Fault:
    """Registers what happens to a session; it yields what is done before the next one begins."""
    KINDS[function.__name__] = contextlib.contextmanager(function)
    return KINDS[function.__name__]


def nothing() -> None:
    """What is to be done before the next session."""


def hit(trial: Trial, *numbers: int, to: str) -> None:
    """A session that gets one signal after another."""
    session = Session(trial, trial.folder)
    session.wait_for_moment()
    for number in numbers:
        session.signal(number, to=to)
        time.sleep(trial.chance.uniform(0.05, 2) if len(numbers) > 1 else 0)
    session.wait()


SIGNALS = {  # kind -> signals, and who gets them
    "kill": ((signal.SIGKILL,), "group"),
    "kill_controller": ((signal.SIGKILL,), "controller"),
    "kill_worker": ((signal.SIGKILL,), "worker"),
    "kill_two_workers": ((signal.SIGKILL, signal.SIGKILL), "worker"),
    "interrupt": ((signal.SIGINT,), "group"),
    "interrupt_twice": ((signal.SIGINT, signal.SIGINT), "group"),
    "terminate": ((signal.SIGTERM,), "controller"),
}


def signalled(trial):
    numbers, to = SIGNALS[trial.kind]
    if to == "worker":
        trial.workers = 2
    hit(trial, *numbers, to=to)
    yield nothing


KINDS |= dict.fromkeys(SIGNALS, contextlib.contextmanager(signalled))


@fault
def kill_fresh(trial):
    trial.trains, trial.moment = False, trial.chance.uniform(4, 20)  # where a fresh store is made
    hit(trial, signal.SIGKILL, to="group")
    yield nothing


@fault
def two_sessions(trial):
    """One store by two spellings, one of them through a link, at the same time."""
    link = trial.folder.with_name(f"{trial.folder.name}-link")
    link.symlink_to(trial.folder)
    uri = trial.chance.choice(
        (f"sqlite:///{link}/mlflow.db", f"sqlite:///{trial.folder}/./mlflow.db")
    )
    first = Session(trial, trial.folder)
    time.sleep(trial.chance.uniform(0, 10))
    second = Session(trial, trial.chance.choice((link, trial.folder)), "--tracking-uri", uri)
    for session in (first, second):
        if code := session.wait():
            trial.faults.append(f"exit code {code} of two sessions")
    yield nothing


@fault
def stopped(trial):
    """One session is stopped, and another one waits for it, or goes on without."""
    first = Session(trial, trial.folder)
    first.wait_for_moment()
    first.signal(signal.SIGSTOP)
    second = Session(trial, trial.folder)
    time.sleep(trial.chance.uniform(15, 30))
    first.signal(signal.SIGCONT)
    for session in (first, second):
        if code := session.wait():
            trial.faults.append(f"exit code {code} of two sessions")
    yield nothing


@fault
def full_disk(trial):
    """Store, spool and locks lie on one disk with little room, which is made larger afterwards."""
    store = trial.store.read_bytes() if trial.store.exists() else b""
    files = {file.name: file.read_bytes() for file in trial.folder.glob("*.py")}
    size = len(store) // 1024 + int(trial.chance.uniform(50, 800))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(trial.folder)]
    subprocess.run(mount, check=True)
    try:
        for name, content in {**files, "mlflow.db": store}.items():
            (trial.folder / name).write_bytes(content)
        trial.note(f"a disk of {size} KiB")
        Session(trial, trial.folder).wait()
        mount = ["mount", "-o", "remount,size=200m", str(trial.folder)]
        yield lambda: subprocess.run(mount, check=True)
    finally:
        subprocess.run(["umount", "-l", str(trial.folder)], check=False)


@fault
def garbage_in_spool(trial):
    """A session is killed, and files in its spool are replaced, or garbage is added."""
    hit(trial, signal.SIGKILL, to="group")
    content = trial.chance.choice(GARBAGE)
    for spool in {*trial.folder.glob(".dlgbench/*/spool")}:
        file = spool / "mine-0123456789abcdef.json"
        file.mkdir() if content == "folder" else file.write_text(content)
    trial.note(f"spooled: {content!r}")
    yield nothing


@fault
def cut_store(trial):
    """A store is cut, or overwritten: the next session refuses it; without it, copies serve."""
    hit(trial, signal.SIGKILL, to="group")
    trial.before = look(trial.store)
    size = trial.store.stat().st_size
    with trial.store.open("r+b") as file:
        if trial.chance.random() < 0.5:
            file.truncate(int(trial.chance.uniform(1, size)))
        else:
            file.write(trial.chance.randbytes(min(size, 65536)))
    Session(trial, trial.folder).wait()
    for file in trial.folder.glob("mlflow.db*"):
        if file.is_file() and file.suffix != ".lock":
            file.unlink()
    yield nothing


@fault
def clock_back(trial):
    """The clock goes back: all that is stored seems to be of tomorrow."""
    hit(trial, signal.SIGKILL, to="group")
    with contextlib.closing(sqlite3.connect(trial.store)) as store:
        day = 24 * 3600 * 1000
        store.execute(
            f"update runs set start_time = start_time + {day}, end_time = end_time + {day}"
        )
        store.commit()
    yield nothing


@fault
def edited(trial):
    """The user's file is edited while the session runs, and a worker dies and is replaced."""
    trial.workers = 2
    session, file = Session(trial, trial.folder), trial.folder / "test_own.py"
    session.wait_for_moment()
    file.write_text(OWN.replace("time.sleep(0.3)", "time.sleep(0.3 + 0)"))
    session.signal(signal.SIGKILL, to="worker")
    session.wait()
    trial.is_new = True
    yield nothing


@fault
def server(trial):
    """An MLflow server, some of whose answers do not come, or are wrong."""
    how = trial.chance.choice(("hang", "500", "empty", "{}", "close", "unanswered"))
    begin, many = trial.chance.randrange(400), trial.chance.choice((1, 3, 20, 100))
    trial.note(f"server: {how}, requests {begin} to {begin + many}")
    trial.store = trial.folder / "server" / "mlflow.db"
    trial.store.parent.mkdir()
    if (own := trial.folder / "mlflow.db").exists():
        shutil.move(own, trial.store)
    port, front = free_port(), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{trial.store}"]
    command += ["--artifacts-destination", str(trial.folder / "server" / "artifacts")]
    with subprocess.Popen(
        command, cwd=trial.folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as mlflow:  # fmt: skip
        try:
            wait_for(port)
            proxy = Proxy(front, port, how, range(begin, begin + many))
            trial.arguments = ["--tracking-uri", f"http://127.0.0.1:{front}"]
            Session(trial, trial.folder).wait()
            trial.note(f"{proxy.asked} requests")
            yield proxy.heal
            proxy.shutdown()
        finally:
            os.killpg(mlflow.pid, signal.SIGKILL)


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on, but those of some numbers."""

    daemon_threads = True

    def __init__(self, front: int, port: int, how: str, faulty: range) -> None:
        self.port, self.how, self.faulty, self.asked = port, how, faulty, 0
        self.counting = threading.Lock()
        super().__init__(("127.0.0.1", front), Pass)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def heal(self) -> None:
        """From now on all requests are answered."""
        self.faulty = range(0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked waits no longer."""


class Pass(http.server.BaseHTTPRequestHandler):
    """A request of the proxy."""

    server: Proxy

    def handle_any(self) -> None:
        with self.server.counting:
            is_faulty = self.server.asked in self.server.faulty
            self.server.asked += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        how = self.server.how if is_faulty else ""
        if how == "hang":
            time.sleep(15)
        if how in ("hang", "close"):
            return
        if how in ("500", "empty", "{}"):
            self.answer(500 if how == "500" else 200, b"{}" if how == "{}" else b"", {})
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if how != "unanswered":
            kind = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
            self.answer(answer.status, content, kind)

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815  (http.server's)

    def log_message(self, *_args: Any) -> None:
        pass


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    """Waits until a server listens."""
    for _try in range(1200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError("mlflow server does not listen")


# the main program ---------------------------------------------------------------------------------


def main() -> int:
    """Runs the trials; 1 where one did not end well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first trial")
    parser.add_argument("--jobs", type=int, default=2, help="trials at the same time")
    kinds = [kind for kind in KINDS if kind != "full_disk" or os.geteuid() == 0]  # it mounts one
    parser.add_argument("--kinds", nargs="*", default=kinds, choices=kinds)
    parser.add_argument("--keep", type=Path, help="where folders and logs are kept")
    asked = parser.parse_args()
    console = Console(width=110)
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="dlgbench-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    truth, migrated, span = find_truth(folder)
    console.print(f"without a fault: {len(truth.runs)} runs in {span:.0f} s; logs in {folder}")
    trials = [
        Trial(asked.kinds[at % len(asked.kinds)], asked.seed + at, folder, truth, span)
        for at in range(asked.trials)
    ]

    def one(trial: Trial) -> Trial:
        try:
            trial.run(migrated)
        except Exception as error:  # noqa: BLE001  (the harness itself failed: shown as such)
            trial.faults.append(f"no trial: {error!r}")
        console.print(f"{trial.folder.name}: {', '.join(trial.faults) or 'well'}", highlight=False)
        if not trial.faults:
            shutil.rmtree(trial.folder, ignore_errors=True)
        return trial

    with ThreadPoolExecutor(asked.jobs) as pool:
        done = list(pool.map(one, trials))
    table = Table("fault", "trials", "not well")
    for kind in asked.kinds:
        of = [trial for trial in done if trial.kind == kind]
        table.add_row(kind, str(len(of)), str(sum(bool(trial.faults) for trial in of)))
    console.print(table)
    return int(any(trial.faults for trial in done))


def find_truth(folder: Path) -> tuple[Seen, Path, float]:
    """What a session without faults stores; an empty store; and how long such a session takes."""
    KINDS["none"] = contextlib.contextmanager(lambda _trial: iter([nothing]))
    trial = Trial("none", 0, folder, Seen({}, []), 1.0)
    trial.workers = 2
    trial.run(None)
    truth = look(trial.store)
    if len(truth.runs) != CELLS:
        raise SystemExit(
            f"expected {CELLS} runs without a fault, got {len(truth.runs)}: {trial.logs}"
        )
    migrated = folder / "empty.db"
    shutil.copy(trial.store, migrated)
    with contextlib.closing(sqlite3.connect(migrated)) as store:
        for table in ("tags", "metrics", "latest_metrics", "params", "experiment_tags", "runs"):
            store.execute(f"delete from {table}")
        store.execute("delete from experiments where experiment_id <> 0")
        store.commit()
        store.execute("vacuum")
    del KINDS["none"]
    trial = Trial("kill", -1, folder, truth, 1.0)  # the time with a store that is made already
    shutil.copy(migrated, trial.store)
    for name, text in (("test_lanes.py", LANES), ("test_own.py", OWN)):
        (trial.folder / name).write_text(text)
    begun = time.monotonic()
    trial.workers = 2
    Session(trial, trial.folder).wait()
    return truth, migrated, time.monotonic() - begun


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
