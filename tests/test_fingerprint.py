"""What retrains a cell: changed code of a part that it uses, and nothing else."""

import importlib
import importlib.util
import sys

import numpy as np
import pytest

from dlgbench import Arrays, Cell, Recipe, Training, registry
from dlgbench import fingerprint as prints
from dlgbench.data.loading import _read as read_data
from dlgbench.discovery import load
from dlgbench.fingerprint import PACKAGE, code_of, fingerprint, parts_of, with_imports

RECIPE = Recipe(
    model="mlp",
    model_args={"activation": "tanh"},
    data="digits",
    probes=("gradients",),
    init="glorot",
    steps=30,
)
CODE = "\n\ndef added():\n    return 1\n"
pytestmark = pytest.mark.usefixtures("read_anew")
REGISTRIES = ("MODELS", "DATA", "TASKS", "PROBES", "OPTIMIZERS", "SCHEDULES")
REGISTRIES += ("INITIALIZATIONS", "ACTIVATIONS")


@pytest.fixture(autouse=True)
def _registries(monkeypatch):
    """Leaves every registry as it was."""
    for name in REGISTRIES:
        parts = getattr(registry, name)
        monkeypatch.setattr(parts, "_parts", dict(parts))


def cell(work=RECIPE, seed=0, **more):
    return Cell("a", "arm", seed, "cpu", work, **more)


def test_it_changes_with_all_that_determines_a_result_and_with_no_name():
    base = fingerprint(cell())
    others = [
        cell(seed=1),
        cell(RECIPE.override(lr=0.2)),
        cell(RECIPE.override(data="xor")),
        cell(purpose="tune"),
        cell(precision="bf16"),
        Cell("a", "arm", 0, "gpu", RECIPE),
    ]
    assert len({base, *map(fingerprint, others)}) == 1 + len(others)
    assert fingerprint(Cell("other", "name", 0, "cpu", RECIPE, slide="S")) == base
    assert len(base) == 32


OTHER = {  # of each field of `RECIPE`, values that it does not have
    "model": ["linear", "lenet5"],
    "data": ["xor", "mnist5k"],
    "model_args": [
        *({"activation": "relu"}, {"activation": "tanh", "dropout": 0.0}),
        *({"activation": "tanh", "hidden": (8, 9)}, {"activation": "tanh", "hidden": (9, 8)}),
        *({"activation": "tanh", "of": {"deep": [1]}}, {"activation": "tanh", "of": {"deep": [2]}}),
    ],
    "data_args": [{"train": 40}, {"train": 41}, {"label_noise": 1e-9}, {"augment": "crop"}],
    "task": ["regression", "segmentation"],
    "loss": ["cross_entropy", "squared_error"],
    "init": [None, "he", "default"],
    "optimizer": ["momentum", "adam"],
    "optimizer_args": [{"momentum": 0.9}, {"momentum": 0.9 + 1e-15}],
    "lr": [0.1 + 1e-15, 1e-9],
    "weight_decay": [1e-9, 1e-4],
    "schedule": ["cosine", "linear"],
    "max_norm": [1.0, 2.0],
    "batch_size": [1, 101],
    "steps": [0, 29, 31],
    "evaluations": [1, 21],
    "target": [{"val/error": 0.1}, {"val/error": 0.2}, {"val/loss": 0.1}],
    "probes": [(), ("drift",), ("gradients", "drift")],
    "identity": [("Dropout",), ("BatchNorm1d",), ("Dropout", "BatchNorm1d")],
    "random_stream": [1, 2],
}


def test_each_field_of_a_recipe_changes_it():
    assert OTHER.keys() == RECIPE.to_dict().keys()
    seen = {fingerprint(cell()): "unchanged"}
    for field, values in OTHER.items():
        for value in values:
            found = fingerprint(cell(RECIPE.override({field: value})))
            assert found not in seen, f"{field}={value!r} has the fingerprint of {seen[found]}"
            seen[found] = f"{field}={value!r}"


def test_what_measures_time_is_another_on_another_machine_or_by_another_clock(monkeypatch, edit):
    plain, timed = fingerprint(cell()), fingerprint(cell(timing=True))
    assert timed != plain
    monkeypatch.setattr(prints, "machine", lambda: "another processor (64 cores), no GPU")
    assert fingerprint(cell()) == plain
    other = fingerprint(cell(timing=True))
    assert other != timed
    edit("probes/timing.py", lambda text: text + CODE)
    assert fingerprint(cell()) == plain
    assert fingerprint(cell(timing=True)) != other


@pytest.mark.parametrize(
    "file",
    [
        *("train.py", "engine.py", "streams.py", "recipe.py"),
        *("data/module.py", "data/arrays.py", "data/images.py"),
        *("layers/initialization.py", "layers/activations.py", "layers/normalization.py"),
        *("models/mlp.py", "models/common.py", "tasks/base.py", "tasks/classification.py"),
        *("tasks/optimization.py", "probes/measuring.py", "probes/signals.py"),
    ],
)
def test_changed_code_that_a_recipe_uses_retrains_it(file, edit):
    before = fingerprint(cell())
    edit(file, lambda text: text + CODE)
    assert fingerprint(cell()) != before
    edit(file, lambda text: f"# a comment\n{text}\n\n# another\n")
    assert fingerprint(cell()) == before
    edit(file, lambda text: text.replace('"""', '"""Rewritten. ', 1))
    assert fingerprint(cell()) == before


@pytest.mark.parametrize(
    "file",
    [
        *("models/resnet.py", "models/conv_stack.py", "data/toys.py", "data/photographs.py"),
        *("tasks/regression.py", "tasks/dense.py", "probes/noise.py", "probes/cost.py"),
        *("models/__init__.py", "tasks/__init__.py", "probes/__init__.py", "data/__init__.py"),
        *("tracking.py", "connection.py", "runner.py", "judging.py", "preflight.py", "cli.py"),
        *("fingerprint.py", "spool.py", "progress.py", "plan.py", "operations.py"),
        *("stats.py", "claim.py", "discovery.py", "training.py", "layers/pooling.py"),
    ],
)
def test_changed_code_that_it_does_not_use_retrains_nothing(file, edit):
    before = fingerprint(cell())
    edit(file, lambda text: text + CODE)
    assert fingerprint(cell()) == before


# A training runs these files too, and none changes its result: they check, name, and record.
NAMING = {"ablation.py", "errors.py", "fingerprint.py", "grouping.py", "interrupt.py"}
NAMING |= {"metrics.py", "provenance.py", "registry.py", "models/__init__.py"}
# A set that is made of another's images goes by its digest, not by the code that reads them.
DIGESTED = {"segmentation": {"data/images.py", "data/files.py"}}
SMALL = {"steps": 2, "evaluations": 1, "batch_size": 8, "data_args": {"train": 40, "val": 20}}
EVERYTHING = {
    "model_args": {"hidden": (8, 8), "activation": "tanh", "norm": "noisy_batch", "dropout": 0.2},
    "probes": ("updates", "drift", "gradients"),
    "init": "lsuv",
    "schedule": "cosine",
    "max_norm": 2.0,
}
RUN = {  # what is run, on each kind of data, by each engine and task
    "single": {**EVERYTHING, "data_args.augment": "crop", "optimizer": "momentum_ema"},
    "lanes": {**EVERYTHING, "data_args.label_noise": 0.1, "optimizer": "adam"},
    "identity": {"model_args": {"dropout": 0.2}, "identity": ("Dropout",)},
    "regression": {"model": "linear", "task": "regression", "data": "polynomial"},
    "convnet": {"model": "lenet5", "data": "mnist5k", "optimizer": "rprop", "init": "orthogonal"},
    "resnet": {"model": "resnet20", "model_args": {"width": 0.25}, "optimizer": "nag"},
    "densenet": {"model": "densenet_40_12", "model_args": {"width": 0.25}, "data": "mnist5k"},
    "segmentation": {"model": "conv_stack", "task": "segmentation", "data": "dense_cue"},
    "image_to_image": {"model": "unet", "task": "image_to_image", "data": "photographs",
                       "model_args": {"width": 0.125}},
    "minimization": {"model": "function", "task": "minimization", "data": None, "data_args": {}},
}  # fmt: skip


@pytest.mark.parametrize("name", RUN)
def test_the_code_of_each_file_that_runs_in_a_training_retrains_it_and_no_other_does(
    name, edit, executed
):
    work = Recipe(model="mlp", data="digits").override(SMALL).override(RUN[name])
    ours = cell(work, engine="lanes" if name == "lanes" else "single")
    work.run(ours)  # imports what it needs
    read_data.cache_clear()
    with executed() as files:
        work.run(ours)
    before = fingerprint(ours)
    ran = sorted(files)
    assert {"train.py", "engine.py", "recipe.py", "streams.py", "tasks/optimization.py"} <= files
    assert ("lanes/stack.py" in files) == (name == "lanes")
    retrained = set()
    for file in ran:
        edit(file, lambda text: text + CODE)
        if fingerprint(ours) != before:
            retrained.add(file)
    assert files - retrained == files & (NAMING | DIGESTED.get(name, set()))
    others = {str(file.relative_to(PACKAGE)) for file in PACKAGE.glob("*.py")} - files
    for file in sorted(others):
        edit(file, lambda text: text + CODE)
        assert fingerprint(ours) == before, file


def test_other_data_of_the_same_name_are_another_fingerprint(monkeypatch):
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6) % 3
    seen = set()
    for part in range(5):
        arrays = [x.copy(), y.copy(), x.copy(), y.copy()]
        if part < 4:
            arrays[part][0] = 2
        own = Arrays((arrays[0], arrays[1]), (arrays[2], arrays[3]), 3)
        monkeypatch.setattr("dlgbench.data.load", lambda _name, own=own: own)
        seen.add(fingerprint(cell()))
    assert len(seen) == 5


def test_runs_of_two_models_share_the_engine_and_not_the_code(edit):
    convnet = RECIPE.override({"model": "lenet5", "model_args": {}})
    ours, theirs = code_of(RECIPE), code_of(convnet)
    assert ours["engine"] == theirs["engine"]
    assert ours["code"] != theirs["code"]
    edit("train.py", lambda text: text + CODE)
    assert code_of(RECIPE) == {"engine": code_of(convnet)["engine"], "code": ours["code"]}
    assert code_of(RECIPE)["engine"] != ours["engine"]


def test_the_parts_of_a_recipe_are_all_that_it_names():
    names = ["mlp", "classification", "sgd", "constant", "gradients", "digits", "glorot", "tanh"]
    assert [part.name for part in parts_of(RECIPE)] == names
    bare = Recipe(model="mlp", steps=0, init="default")
    assert [part.name for part in parts_of(bare)] == names[:4]
    unnamed = parts_of(bare.override(init=None))
    assert [part.name for part in unnamed] == [*names[:4], "he"]  # the model's own


# a user's parts -----------------------------------------------------------------------------------

DATA = """
@dlgbench.register_data('{0}')
def part():
    from dlgbench.data import load
    return load('xor')
"""
LAZY = "dlgbench.register_probe('{0}', when='end', metrics={{}})('{0}_lazy:part')"
PROBE = "@dlgbench.register_probe('{0}', when='end', metrics={{}})\ndef part(subject): ..."
TASK = "@dlgbench.register_task('{0}', metrics={{}})\nclass Part: ..."
PARTS = {  # kind: its registration, in a module of its own, and where a recipe names it
    "model": ("dlgbench.register_model('{0}')(print)", {"model": "{0}"}),
    "data": (DATA, {"data": "{0}"}),
    "task": (TASK, {"task": "{0}"}),
    "probe": (PROBE, {"probes": ("{0}",)}),
    "lazy probe": (LAZY, {"probes": ("{0}",)}),
    "optimizer": ("dlgbench.register_optimizer('{0}')(print)", {"optimizer": "{0}"}),
    "schedule": ("dlgbench.register_schedule('{0}')(float)", {"schedule": "{0}"}),
    "initialization": ("dlgbench.register_initialization('{0}')(print)", {"init": "{0}"}),
    "activation": ("dlgbench.register_activation('{0}')(object)", {"model_args.g": "{0}"}),
}


def named(changes, name):
    ((field, value),) = changes.items()
    return {field: (name,) if isinstance(value, tuple) else name}


@pytest.fixture
def module(tmp_path, monkeypatch, read_anew):
    """`module(name, text)`: writes a module of the user's; all of it is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def module(name, text):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        importlib.invalidate_caches()
        read_anew()
        return file

    yield module
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("kind", PARTS)
def test_a_users_part_is_its_module_with_the_siblings_that_it_imports(kind, module):
    text, changes = PARTS[kind]
    name = f"my_{kind.replace(' ', '_')}"
    registration = f'"""Mine."""\nimport dlgbench\nimport helpers\n\n{text.format(name)}\n'
    module("deeper", "WIDTH = 3\n")
    module("helpers", "def helper():\n    from deeper import WIDTH\n    return WIDTH\n")
    module("unrelated", "WIDTH = 3\n")
    module(f"{name}_lazy", "import helpers\n\ndef part(subject): ...\n")
    module(name, registration)
    importlib.import_module(name)
    recipe = RECIPE.override(named(changes, name))
    used = f"{name}_lazy" if kind == "lazy probe" else name
    written = registration if used == name else "import helpers\n\ndef part(subject): ...\n"

    first, without = fingerprint(cell(recipe)), fingerprint(cell())
    module(used, f"# a comment\n{written}".replace("Mine.", "My own."))
    module(
        "helpers",
        '"""New."""\n\ndef helper():\n    "One."\n    from deeper import WIDTH\n'
        "    return WIDTH  # three\n",
    )
    module("unrelated", "WIDTH = 4\n")
    assert fingerprint(cell(recipe)) == first
    module(used, f"{written}{CODE}")
    second = fingerprint(cell(recipe))
    module("deeper", "WIDTH = 4\n")
    third = fingerprint(cell(recipe))
    module("helpers", "def helper():\n    from deeper import WIDTH\n    return WIDTH + 1\n")
    assert len({first, second, third, fingerprint(cell(recipe))}) == 4
    assert fingerprint(cell()) == without  # what does not use the part goes on


def test_an_activation_that_a_users_model_has_by_default_retrains_it(module):
    text, _ = PARTS["activation"]
    files = {}
    for name in ("mine", "deep", "other"):
        files[name] = module(f"act_{name}", f"import dlgbench\n{text.format(name)}\n")
    registered = "import dlgbench\n@dlgbench.register_model('{0}')\n{1}"
    builder = "def build(input_shape, g=('relu', ('mine',)), deep={'g': ['deep']}): ...\n"
    module("net", registered.format("net", builder))
    for name in ("net", *(f"act_{each}" for each in files)):
        importlib.import_module(name)
    default = RECIPE.override({"model": "net", "model_args": {}})
    named = default.override({"model_args": {"g": ("other", ("relu",))}})

    def changed(name):
        before = [fingerprint(cell(recipe)) for recipe in (default, named)]
        module(f"act_{name}", files[name].read_text() + CODE)
        after = [fingerprint(cell(recipe)) for recipe in (default, named)]
        return [one != other for one, other in zip(before, after, strict=True)]

    assert changed("mine") == [True, False]
    assert changed("deep") == [True, True]
    assert changed("other") == [False, True]


def test_of_two_parts_of_ones_own_a_recipe_depends_on_that_which_it_uses(module):
    text, _ = PARTS["probe"]
    files = {
        name: module(name, f"import dlgbench\n{text.format(name)}\n") for name in ("one", "two")
    }
    for name in files:
        importlib.import_module(name)
    one, two = (RECIPE.override(probes=(name,)) for name in files)
    before = [fingerprint(cell(recipe)) for recipe in (one, two)]
    module("two", files["two"].read_text() + CODE)
    after = [fingerprint(cell(recipe)) for recipe in (one, two)]
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("declaration", ["ABLATION = ", "ABLATION: Ablation = "])
def test_a_changed_declaration_beside_a_part_retrains_nothing(declaration, module):
    text = (
        "from dlgbench import Ablation, Recipe, register_probe\n\n"
        "@register_probe('mine', when='start', metrics={'m': 'one'})\n"
        "def probe(subject):\n    return {'m': 1.0}\n\n"
        "RECIPE = Recipe(model='mlp', steps=0, probes=('mine',))\n"
    )
    call = "Ablation('Q?', recipe=RECIPE, arms={'a': {}}, scales={'cpu': {}, 'gpu': {}})\n"
    file = module("test_mine", text + declaration + call)
    (work,) = {cell.work for cell in load(file).cells("cpu")}
    before = fingerprint(cell(work))
    module("test_mine", text + declaration + call.replace("Q?", "Why?").replace("'gpu': {}", ""))
    assert fingerprint(cell(work)) == before
    module("test_mine", text.replace("1.0", "2.0") + declaration + call)
    assert fingerprint(cell(work)) != before


TRAIN = '''
"""Mine."""
from helpers import WIDTH

def train(config, seed, log):
    """Trains."""
    return {"val/error": WIDTH}  # a constant
'''


def test_own_training_code_is_its_config_and_its_module_with_imports(module, read_anew):
    module("helpers", "WIDTH = 3\n")
    file = module("mine", TRAIN)
    train = importlib.import_module("mine").train
    work = Training(train, {"lr": 0.1}, {"val/error": "share"})
    first = fingerprint(cell(work))
    assert code_of(work)["code"] == "{}"  # the function is the engine
    assert fingerprint(cell(work.override(lr=0.2))) != first
    assert fingerprint(cell(work, seed=1)) != first
    assert fingerprint(cell(work, purpose="tune")) != first
    renamed = Training(train, {"lr": 0.1}, {"val/error": "the share that is misclassified"})
    assert fingerprint(cell(renamed)) == first
    file.write_text(
        TRAIN.replace("Mine", "My own").replace("Trains.", "Learns.").replace("# a", "#")
    )
    read_anew()
    assert fingerprint(cell(work)) == first
    module("mine", TRAIN.replace("WIDTH}", "WIDTH + 1}"))
    second = fingerprint(cell(work))
    module("helpers", "WIDTH = 4\n")
    assert len({first, second, fingerprint(cell(work))}) == 3


def test_whatever_changes_in_the_code_changes_it(module):
    """Each body of a function is another computation, however little it differs."""
    bodies = [
        *("x * 0.0", "x * 1e-12", "x * 2e-12", "x * 1e-3", "x * 0.05", "x * 0.1", "x * -0.1"),
        *("x * 0", "x * 1", "x * 2", "x * 10**9", "x * True", "x * None", "x * 1j"),
        *("x + 1", "x - 1", "-x", "x < 1", "x <= 1", "x is x", "x == x", "x and 1", "not x"),
        *("x['a']", "x['b']", "x['']", "x[b'a']", "x.a", "x.b", "x(1)", "x(a=1)", "x(*y)"),
        *("y", "x if y else 0", "y if x else 0", "[x, y]", "(x, y)", "(y, x)", "lambda: x"),
    ]
    module("helpers", "WIDTH = 3\n")
    module("mine", TRAIN)
    work = Training(importlib.import_module("mine").train, {}, {"val/error": "share"})
    seen = {}
    for code in [f"def f(x, y=1e-3):\n    return {body}\n" for body in bodies] + [
        *("def f(x, y=2e-3):\n    return x\n", "@cache\ndef f(x, y=1e-3):\n    return x\n"),
        *("def f(x, y=1e-3):\n    x\n", "def g(x, y=1e-3):\n    return x\n", "RATE = 1e-3\n"),
    ]:
        module("mine", f"{TRAIN}\n\n{code}")
        found = fingerprint(cell(work))
        assert found not in seen, f"{code!r} has the fingerprint of {seen[found]!r}"
        seen[found] = code


def test_the_engine_does_not_retrain_own_training_code(edit, module):
    module("helpers", "WIDTH = 3\n")
    module("mine", TRAIN)
    work = Training(importlib.import_module("mine").train, {"lr": 0.1}, {"val/error": "share"})
    before = fingerprint(cell(work))
    edit("train.py", lambda text: text + CODE)
    assert fingerprint(cell(work)) == before


def test_siblings_are_found_however_they_are_imported(module, tmp_path):
    package = {
        "pack/__init__": "",
        "pack/parts": "from . import blocks\nfrom .nets import deep\nfrom pack.tools import T\n",
        "pack/blocks": "import torch\nfrom .layers import *\n",
        "pack/layers": "",
        "pack/tools": "",
        "pack/unused": "",
    }
    for name, text in package.items():
        module(name, text)
    (tmp_path / "pack" / "nets").mkdir()
    for name in ("__init__", "deep", "wide"):
        (tmp_path / "pack" / "nets" / f"{name}.py").write_text("")
    names = {"__init__", "parts", "blocks", "layers", "tools", "nets/__init__", "nets/deep"}
    found = with_imports(tmp_path / "pack" / "parts.py")
    assert found == {tmp_path / "pack" / f"{name}.py" for name in names}


def test_beside_an_installed_module_lie_other_peoples_packages(tmp_path):
    place = tmp_path / "site-packages"
    (place / "torch").mkdir(parents=True)
    for name, text in {
        "mine": "import torch\nimport other\n",
        "other": "",
        "torch/__init__": "",
    }.items():
        (place / f"{name}.py").write_text(text)
    assert with_imports(place / "mine.py") == {place / "mine.py", place / "other.py"}


def test_code_is_found_in_the_package_above_and_in_the_repository(tmp_path):
    files = {
        "pyproject.toml": "",
        "pkg/__init__.py": "",
        "pkg/maths.py": "",
        "pkg/sub/__init__.py": "",
        "pkg/sub/part.py": "from ..maths import f\nfrom pkg.other import g\nimport numpy\n",
        "pkg/other.py": "",
        "abl/test_x.py": "import dlgbench\nfrom dlgbench.layers import pooling\n"
        "from pkg.maths import f\n",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    inside = {"pkg/maths.py", "pkg/other.py", "pkg/sub/part.py", "pkg/__init__.py"}
    part = with_imports(tmp_path / "pkg" / "sub" / "part.py")
    assert part == {tmp_path / name for name in inside}
    question = with_imports(tmp_path / "abl" / "test_x.py")
    ours = {tmp_path / name for name in ("abl/test_x.py", "pkg/__init__.py", "pkg/maths.py")}
    assert question >= ours
    assert PACKAGE / "layers" / "pooling.py" in question
    assert not any(file.name == "__init__.py" and PACKAGE in file.parents for file in question)


def test_code_under_src_is_the_users_and_installed_code_is_not(tmp_path, monkeypatch):
    for name, text in {
        "src/laid_out/__init__.py": "",
        "src/laid_out/net.py": "import numpy\nfrom laid_out import helper\n",
        "src/laid_out/helper.py": "",
        "experiments/test_x.py": "import json\nimport torch\nfrom laid_out.net import f\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "src")
    prints._outside.cache_clear()
    found = with_imports(tmp_path / "experiments" / "test_x.py")
    package = tmp_path / "src" / "laid_out"
    names = ("__init__.py", "net.py", "helper.py")
    assert found == {tmp_path / "experiments" / "test_x.py", *(package / name for name in names)}
