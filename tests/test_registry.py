"""Parts by name: duplicates, re-executed files, unknown names, plugins, lazy targets."""

import importlib
import re
import sys
from importlib import metadata

import pytest

import dlgbench
from dlgbench import DlgbenchError, cli, registry
from dlgbench.discovery import load

NUMBERS = {"metrics": {}}
KINDS = {  # registry, what an error calls a part, how one is registered
    "MODELS": ("model", dlgbench.register_model, {}),
    "DATA": ("data set", dlgbench.register_data, {}),
    "TASKS": ("task", dlgbench.register_task, NUMBERS),
    "PROBES": ("probe", dlgbench.register_probe, {"when": "end", **NUMBERS}),
    "OPTIMIZERS": ("optimizer", dlgbench.register_optimizer, {}),
    "SCHEDULES": ("schedule", dlgbench.register_schedule, {}),
    "INITIALIZATIONS": ("initialization", dlgbench.register_initialization, {}),
    "ACTIVATIONS": ("activation", dlgbench.register_activation, {}),
    "FIGURES": ("figure", dlgbench.register_figure, {}),
}


@pytest.fixture(autouse=True)
def _registries(monkeypatch):
    """Leaves every registry as it was."""
    for name in KINDS:
        parts = getattr(registry, name)
        monkeypatch.setattr(parts, "_parts", dict(parts))


@pytest.fixture
def install(monkeypatch, tmp_path):
    """`install(name=text)`: modules that an installed package names as plugins, not loaded yet."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(**modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        entries = [metadata.EntryPoint(name, name, registry.GROUP) for name in modules]
        monkeypatch.setattr(registry.metadata, "entry_points", lambda **_: entries)
        registry.load_plugins.cache_clear()

    yield install
    registry.load_plugins.cache_clear()


@pytest.mark.parametrize("kind", KINDS)
def test_a_registry_holds_parts_by_name_and_says_where_each_is(kind):
    parts, (word, register, needs) = getattr(registry, kind), KINDS[kind]
    assert len(parts) == len(list(parts)) > 0
    assert "mine" not in parts
    target = register("mine", **needs)(lambda: None)
    assert parts["mine"].make is target
    assert parts["mine"].where.rpartition(":")[0] == __file__
    with pytest.raises(DlgbenchError) as raised:
        register("mine", **needs)(target)
    first, again = re.findall(rf"{re.escape(__file__)}:\d+", str(raised.value))
    assert str(raised.value).startswith(f"{word} 'mine' is registered twice: first in {first}")
    assert first == parts["mine"].where != again
    with pytest.raises(DlgbenchError, match=f"no {word} is called 'mien'; did you mean 'mine'"):
        parts["mien"]


def test_a_name_of_the_suites_own_is_taken_too():
    with pytest.raises(DlgbenchError, match=r"'mlp' is registered twice: first in .*mlp\.py:\d+"):
        dlgbench.register_model("mlp")(lambda: None)


FILE = """
from dlgbench import Ablation, Recipe, register_data, register_probe

@register_data("mine")
def mine():
    raise AssertionError("only when it is used")

@register_probe("glance", when="start", metrics={"glance": "one"})
def glance(subject):
    return {"glance": 1.0}

SCALES = {"cpu": {}, "gpu": {}}
RECIPE = Recipe(model="mlp", steps=0, probes=("glance",))
ABLATION = Ablation(question="Q?", recipe=RECIPE, arms={"a": {}}, scales=SCALES)
"""


def test_a_file_may_be_executed_again_and_another_may_not_take_its_names(tmp_path):
    file, link = tmp_path / "test_it.py", tmp_path / "link"
    file.write_text(FILE)
    assert load(file).work.probes == ("glance",)
    for place in (file, link / "test_it.py"):  # pytest executes it too, under the name it is given
        link.exists() or link.symlink_to(tmp_path, target_is_directory=True)
        spec = importlib.util.spec_from_file_location("again", place)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert registry.DATA["mine"].file == file
    (tmp_path / "test_other.py").write_text(FILE)
    twice = rf"data set 'mine' is registered twice: first in {file}:4, again in .*test_other.py:4"
    with pytest.raises(DlgbenchError, match=twice):
        load(tmp_path / "test_other.py")


def test_another_moment_is_refused():
    with pytest.raises(DlgbenchError, match="probe x: no moment is called 'before'"):
        dlgbench.register_probe("x", when="before", metrics={})


def test_a_part_named_as_text_is_imported_when_it_is_used(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lazy_parts.py").write_text("def look(subject):\n    return {'a': 1.0}\n")
    dlgbench.register_probe("lazy", when="end", metrics={"a": "one"})("lazy_parts:look")
    dlgbench.register_data("later")("lazy_parts:look")
    probe = registry.PROBES["lazy"]
    assert (probe.metrics, probe.when) == ({"a": "one"}, "end")
    assert probe.source == tmp_path / "lazy_parts.py"
    assert "lazy_parts" not in sys.modules
    assert probe.make("subject") == registry.DATA["later"].make("subject") == {"a": 1.0}
    monkeypatch.delitem(sys.modules, "lazy_parts")


def test_a_data_sets_kind_says_what_it_can_stand_in_for():
    dlgbench.register_data("mine", kind="labelled images", overrides={"data_args.val": 9})(FILE)
    dlgbench.register_data("numbers")(FILE)
    assert registry.is_interchangeable("mine")
    assert not registry.is_interchangeable("numbers")
    assert not registry.is_interchangeable("nowhere")
    assert {"mine", "mnist5k", "digits"} <= set(registry.interchangeable())
    assert registry.DATA["mine"].overrides == {"data_args.val": 9}


def test_a_plugin_is_loaded_when_a_name_is_unknown_or_all_are_listed(install):
    probe = "from dlgbench import register_probe as r\nr('{0}', when='end', metrics={{}})(print)\n"
    install(plugin_parts=probe.format("plugged"))
    assert "gradients" in registry.PROBES
    assert "plugin_parts" not in sys.modules  # what is known needs no plugin
    assert registry.PROBES["plugged"].make is print
    install(plugin_more=probe.format("listed"))
    assert "listed" in list(registry.PROBES)


def test_a_plugin_that_can_not_be_imported_is_one_message(install, capsys):
    install(broken_plugin="import not_there_at_all\n")
    message = (
        "plugin broken_plugin (broken_plugin) can't be imported: ModuleNotFoundError: No module"
    )
    for look in (lambda: registry.PROBES["nope"], lambda: list(registry.MODELS)):
        with pytest.raises(DlgbenchError, match=re.escape(message)):
            look()
    assert cli.main(["models"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"dlgbench: {message}")
    assert "Traceback" not in error
    taken = "from dlgbench import register_model\nregister_model('mlp')(print)\n"
    install(greedy_plugin=taken)
    with pytest.raises(DlgbenchError, match=r"plugin greedy_plugin .*: model 'mlp' is registered"):
        list(registry.MODELS)


def test_all_registrations_are_public():
    names = {name for name in vars(registry) if name.startswith("register_")}
    assert len(names) == len(KINDS)
    assert names <= set(dlgbench.__all__)
