"""The SQLite file of a store: whole or not at all, and found by whatever name it has."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase

from dlgbench import DlgbenchError, Recipe, database, spool
from dlgbench.ablation import Cell, Run
from dlgbench.tracking import Store

HANGING = 300  # seconds after which a test is taken to hang


@pytest.mark.parametrize(
    "uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:"]
)
def test_a_store_in_memory_is_refused(uri, tmp_path):
    with pytest.raises(DlgbenchError, match="got a database in memory, which keeps nothing"):
        Store(uri, tmp_path)


def test_a_folder_is_refused_at_once(tmp_path):
    with pytest.raises(DlgbenchError, match="expected a file, got a folder"):
        Store(f"sqlite:///{tmp_path}", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a b", "a%2Fb", "a#b", "a?b", "a&b", "é", "50%"])
def test_a_store_works_in_every_folder(tmp_path, name, migrated):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(migrated, folder / "mlflow.db")
    store = Store(f"sqlite:///{folder}/mlflow.db", folder)
    store._experiment("x/y")
    with database.reading(folder / "mlflow.db") as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM experiments")}
    assert "x/y" in names
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]  # no stray folder


def test_one_file_by_any_spelling_is_one_store(tmp_path, migrated, monkeypatch):
    shutil.copy(migrated, tmp_path / "mlflow.db")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    spellings = [
        "mlflow.db",
        f"{tmp_path}/mlflow.db",
        f"{tmp_path}/sub/../mlflow.db",
        "link/mlflow.db",
    ]
    roots, schemes = [tmp_path, tmp_path / "sub"], ["sqlite", "sqlite+pysqlite"]
    uris = [f"{scheme}:///{name}" for name in spellings for scheme in schemes]
    stores = [Store(uri, root) for uri in uris for root in roots]
    assert len({store.uri for store in stores}) == 1
    assert len({store.spool.locks for store in stores}) == 1


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """The file of a store whose first migration a kill cut before its last step, long ago."""
    file = tmp_path_factory.mktemp("half") / "mlflow.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    InitialBase.metadata.create_all(engine)
    config = _get_alembic_config(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head-1")
    engine.dispose()
    return file


def test_a_store_that_is_half_migrated_is_set_aside(tmp_path, half, migrated, monkeypatch):
    file = tmp_path / "mlflow.db"
    shutil.copy(half, file)
    os.utime(file, (0, 0))
    monkeypatch.setattr(database, "_make", lambda file, _: shutil.copy(migrated, file))
    store = Store(f"sqlite:///{file}", tmp_path)
    assert (store.last_verdicts(), store.newest_end()) == ({}, 0)  # as of a store that is missing
    store.open()
    assert "half migrated and empty: set aside as mlflow.db.half-migrated-" in store.notice
    assert len(list(tmp_path.glob("mlflow.db.half-migrated-*"))) == 1
    Store(f"sqlite:///{file}", tmp_path).open()


def test_a_store_that_another_process_migrates_at_this_moment_is_waited_for(
    tmp_path, half, migrated, monkeypatch
):
    file, said = tmp_path / "mlflow.db", []
    file.write_bytes(half.read_bytes())
    monkeypatch.setattr(database.time, "sleep", lambda _: shutil.copy(migrated, file))
    monkeypatch.setattr(spool, "say", said.append)
    store = Store(f"sqlite:///{file}", tmp_path)
    store.open()
    assert said == [f"waiting until another process has migrated {file}, or has stopped"]
    assert store.notice == ""
    assert not list(tmp_path.glob("mlflow.db.half-migrated-*"))


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("90e64c465722", r"an older version of MLflow: .*`mlflow db upgrade"),
        ("1234567890ab", r"a newer version of MLflow: .* Upgrade mlflow; or"),
    ],
)
@pytest.mark.parametrize("table", ["experiments", "runs", "registered_models"])
def test_a_store_of_another_version_with_anything_in_it_is_left_alone(
    tmp_path, migrated, version, told, table
):
    file = tmp_path / "mlflow.db"
    shutil.copy(migrated, file)
    key = {"experiments": "name", "runs": "run_uuid", "registered_models": "name"}[table]
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.execute("DELETE FROM experiments")
        connection.execute(f"INSERT INTO {table} ({key}) VALUES ('mine')")
    connection.close()
    os.utime(file, (0, 0))
    before = file.read_bytes()
    with pytest.raises(DlgbenchError, match=told):
        Store(f"sqlite:///{file}", tmp_path).open()
    assert file.read_bytes() == before


def test_a_store_that_was_cut_is_told_with_the_way_out(tmp_path, migrated):
    file = tmp_path / "mlflow.db"
    shutil.copy(migrated, file)
    os.truncate(file, file.stat().st_size // 2)
    store = Store(f"sqlite:///{file}", tmp_path)
    for call in (store.last_verdicts, store.newest_end, store.open, store.ablations):
        with pytest.raises(DlgbenchError, match=r"got a damaged file .*; move it away, and a new"):
            call()


def test_an_empty_file_is_read_as_a_store_that_is_missing(tmp_path):
    (tmp_path / "mlflow.db").touch()
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert (store.last_verdicts(), store.newest_end(), store.seconds("cpu")) == ({}, 0, {})


def test_what_is_no_store_is_named_and_left_alone(tmp_path):
    garbage, other = tmp_path / "garbage.db", tmp_path / "other.db"
    garbage.write_bytes(b"no database" * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    with pytest.raises(DlgbenchError, match="got a damaged file or something else"):
        Store(f"sqlite:///{garbage}", tmp_path).open()
    store = Store(f"sqlite:///{other}", tmp_path)
    for call in (store.last_verdicts, store.newest_end, store.open):
        with pytest.raises(DlgbenchError, match="got a database of something else"):
            call()


def test_who_waits_for_a_store_that_is_made_says_for_whom(tmp_path, migrated, monkeypatch):
    said, told = [], threading.Event()
    monkeypatch.setattr(spool, "PATIENCE", 0.01)
    monkeypatch.setattr(spool, "say", lambda text: (said.append(text), told.set()))
    store = Store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    second = threading.Thread(target=store.open)
    with spool.held(tmp_path / "mlflow.db.lock"):
        second.start()
        assert told.wait(HANGING)
        shutil.copy(migrated, tmp_path / "mlflow.db")
    second.join(HANGING)
    who = f"process {os.getpid()}, busy or stopped"
    assert said == [f"waiting for {who}, that has the new store {tmp_path}/mlflow.db"]


@pytest.mark.slow
def test_a_kill_during_the_first_migration_bricks_nothing(tmp_path):
    """Wherever it comes; and two who open a fresh store together both have it."""
    code = "import sys; from dlgbench.tracking import Store; from pathlib import Path;"
    code += "Store(f'sqlite:///{sys.argv[1]}/mlflow.db', Path(sys.argv[2])).open()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def begin(root):
        command = [sys.executable, "-c", code, str(tmp_path), str(root)]
        return subprocess.Popen(command, env=environment)

    first = begin(tmp_path)
    patience = time.monotonic() + HANGING
    while not list(tmp_path.glob("*.draft*")) and time.monotonic() < patience:
        time.sleep(0.01)
    time.sleep(0.2)  # somewhere in the middle of it
    first.send_signal(signal.SIGKILL)
    first.wait(HANGING)
    assert not (tmp_path / "mlflow.db").exists()
    roots = [tmp_path / "a", tmp_path / "b"]
    for root in roots:
        root.mkdir()
    both = [begin(root) for root in roots]
    assert [one.wait(HANGING) for one in both] == [0, 0]
    assert not list(tmp_path.glob("*.draft*"))


def test_a_hot_journal_is_recovered(tmp_path):
    """As another process leaves it that is killed while it writes."""
    file = tmp_path / "a.db"
    code = (
        "import sqlite3, sys, os; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('CREATE TABLE t (x)');"
        "c.commit(); c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN');"
        "c.executemany('INSERT INTO t VALUES (?)', [('x' * 1000,)] * 5000); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert Path(f"{file}-journal").stat().st_size > 0
    with database.reading(file) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize("lose", [Path.unlink, lambda file: file.write_bytes(b"")])
def test_a_store_that_is_lost_gets_its_runs_again(tmp_path, fresh, lose):
    cell = Cell("x/y", "arm", 0, "cpu", Recipe(model="linear", data="xor"), "evaluate")
    run = Run("finished", {"test/error": 0.25}, (("test/error", 1, 0.25),), {"wall": "1"})
    store = fresh(tmp_path)
    store.save(cell, "abc", run)
    store._client._tracking_client.store.engine.dispose()  # as at the end of a process
    lose(tmp_path / "mlflow.db")
    again = Store(store.uri, tmp_path)
    again.open()
    assert "mlflow.db was gone; 1 run that it had" in again.notice
    assert again.push_spool() == (1, [])
    found, own = again.find("x/y", "abc")
    assert own
    assert found.summary == run.summary
    assert again.spool.waiting() == []
    assert Store(store.uri, tmp_path).find("x/y", "abc") is not None
