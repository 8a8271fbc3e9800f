"""A recipe: everything that determines a training but the seed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.metrics import recorded

if TYPE_CHECKING:
    from dlgbench.ablation import Cell, Run


class Frozen(Mapping[str, Any]):
    """A dict that can't be changed, and so can be hashed."""

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items = {str(key): frozen(item) for key, item in items.items()}

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


FROZEN = {Frozen, str, int, float, bool, type(None)}


def frozen(value: Any) -> Any:
    """The value with every list as a tuple and every dict as a read-only mapping.

    Numbers and arrays of numpy become the same ones of Python, exactly: np.float32(0.1) is
    0.10000000149011612. Writing the result to JSON and reading it back changes nothing.

    Raises:
        DlgbenchError: for a value that JSON does not have.
    """
    if type(value) in FROZEN:
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return Frozen(value)
    if isinstance(value, (list, tuple)):
        return tuple(frozen(item) for item in value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise DlgbenchError(
        f"expected a number, string, list or dict, got {value!r}, a {type(value).__name__}"
    )


def plain(value: Any) -> Any:
    """The inverse of `frozen`: dicts and lists, ready for JSON."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that determines a training but the seed; it is the work of a cell.

    Frozen; reads and writes JSON; `override` gives a changed copy.

    Args:
        model: a name that `dlgbench models` lists, or one of your own (`dlgbench.register_model`).
        data: a data set's name, or None for a recipe that needs no data.
        model_args, data_args, optimizer_args: keyword arguments of model, data and optimizer.
        task: what is learnt: `classification`, `regression`, `image_to_image`, `segmentation`, one
            of your own (`dlgbench.register_task`), or `minimization`, which needs no data.
        loss: one of the task's losses (`dlgbench.tasks`), or None for its default: cross-entropy
            for classes, squared error for numbers.
        init: the initialization (`dlgbench.layers.initialization`, or your own), or None for the
            model's default (`he` for most).
        optimizer, lr, weight_decay, schedule: the update rule (`dlgbench.tasks.optimization`, or
            your own). `weight_decay` is torch's: gradient + weight_decay * w.
        max_norm: the largest l2 norm of each unit's incoming weights; None for no constraint.
        batch_size, steps: `steps` optimizer steps on minibatches of `batch_size`. With `steps=0`
            nothing is trained, and only the probes measure the network as it was initialized.
        evaluations: how many points the learning curves have.
        target: `{"val/error": 0.1}`: record the first evaluation at which the metric is at or below
            this value.
        probes: what is measured in addition (`dlgbench.probes`, or your own).
        identity: names of torch.nn classes whose instances are replaced by the identity, as a
            sabotage in a control.
        random_stream: number of the random stream for weights, order and noise. Recipes that differ
            in nothing else share the data split.

    Raises:
        DlgbenchError: for a field that does not exist or a value that makes no sense.
    """

    model: str
    data: str | None = None
    model_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    task: str = "classification"
    loss: str | None = None
    init: str | None = None
    optimizer: str = "sgd"
    optimizer_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    lr: float = 0.1
    weight_decay: float = 0.0
    schedule: str = "constant"
    max_norm: float | None = None
    batch_size: int = 100
    steps: int = 1000
    evaluations: int = 20
    target: Mapping[str, float] = dataclasses.field(default_factory=dict)
    probes: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    random_stream: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, frozen(getattr(self, field.name)))
        for name, wanted, fits in CHECKS:
            came = getattr(self, name)
            if not fits(came):
                raise DlgbenchError(f"recipe: {name}: expected {wanted}, got {plain(came)!r}")
        if self.steps and self.data is None and self.task != "minimization":
            raise DlgbenchError(
                f"recipe: expected a data set for {self.steps} steps of training, got none; "
                "name one or set steps=0"
            )

    def run(self, cell: Cell) -> Run:
        """Trains and evaluates (`dlgbench.train`, or `dlgbench.lanes` as the cell says)."""
        if cell.engine == "lanes":
            from dlgbench.lanes.engine import train as train_together

            return train_together([cell])[0]
        from dlgbench.train import train

        return train(cell)

    def recorded(self) -> dict[str, str]:
        """The metrics that a run records, with their meanings (`dlgbench.metrics`).

        Raises:
            DlgbenchError: for an unknown task or probe, or a target that has no learning curve.
        """
        return recorded(self)

    def selectable(self) -> set[str]:
        """The metrics by which a tuning may choose: those on the validation split.

        That includes `steps_to_target` where the target is one of them.
        """
        names = {metric for metric in self.recorded() if metric.startswith("val/")}
        validated = all(metric.startswith("val/") for metric in self.target or ("none",))
        return names | ({"steps_to_target"} if validated else set())

    def override(self, changes: Mapping[str, Any] | None = None, **more: Any) -> Recipe:
        """A copy with `changes` made, itself if there are none; a dotted name reaches inside.

        `recipe.override({"model_args.dropout": 0.5}, lr=0.1)`.
        """
        changes = {**(changes or {}), **more}
        if not changes:
            return self
        touched = {path.partition(".")[0] for path in changes}
        fields = {name: plain(v) if name in touched else v for name, v in vars(self).items()}
        return Recipe(**changed(fields, changes, "field of Recipe"))

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain dicts, lists and numbers."""
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def to_json(self) -> str:
        """The recipe as one line of JSON with sorted names: equal recipes give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe that `to_json` wrote."""
        fields = json.loads(text)
        for name in fields:
            if name not in cls.__dataclass_fields__:
                raise unknown("field of Recipe", name, cls.__dataclass_fields__)
        return cls(**fields)

    def flat(self) -> dict[str, Any]:
        """Dotted names to values, for MLflow's params and for tables.

        `{"model_args.dropout": 0.5, "lr": 0.1, ...}`.
        """
        return flat(self.to_dict())


def flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names to values: `{"a": {"b": 1}, "c": 2}` is `{"a.b": 1, "c": 2}`."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        inner = isinstance(value, dict)
        found |= {f"{name}.{key}": item for key, item in value.items()} if inner else {name: value}
    return found


def changed(fields: dict[str, Any], changes: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """A copy of `fields` with `changes` made, whose dotted names reach inside a dict.

    Raises:
        DlgbenchError: for a name that is no `kind`, or a dotted one that reaches into no dict.
    """
    fields = dict(fields)
    for path, value in changes.items():
        name, _, inner = path.partition(".")
        if name not in fields:
            raise unknown(kind, name, fields)
        if not inner:
            fields[name] = value
        elif isinstance(fields[name], dict):
            fields[name] = {**fields[name], inner: value}
        else:
            raise DlgbenchError(f"{path!r}: expected {name} to be a dict, got {fields[name]!r}")
    return fields


def _whole(least: int) -> tuple[str, Callable[[Any], bool]]:
    return f"a whole number of at least {least}", lambda v: type(v) is int and v >= least


def _number(wanted: str, fits: Callable[[float], bool]) -> tuple[str, Callable[[Any], bool]]:
    return wanted, lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and fits(v)


_name = ("a name", lambda v: isinstance(v, str) and bool(v))
_names = (
    "a tuple of names",
    lambda v: isinstance(v, tuple) and all(isinstance(item, str) for item in v),
)
_mapping = ("a dict", lambda v: isinstance(v, Mapping))

CHECKS: list[tuple[str, str, Callable[[Any], bool]]] = [
    *((name, *_name) for name in ("model", "task", "optimizer", "schedule")),
    *(
        (name, "a name or None", lambda v: v is None or isinstance(v, str))
        for name in ("data", "loss", "init")
    ),
    *((name, *_mapping) for name in ("model_args", "data_args", "optimizer_args", "target")),
    *((name, *_names) for name in ("probes", "identity")),
    ("lr", *_number("a number above 0", lambda v: 0 < v < float("inf"))),
    ("weight_decay", *_number("a number of at least 0", lambda v: 0 <= v < float("inf"))),
    (
        "max_norm",
        "a number above 0 or None",
        lambda v: v is None or (isinstance(v, (int, float)) and v > 0),
    ),
    ("batch_size", *_whole(1)),
    ("steps", *_whole(0)),
    ("evaluations", *_whole(1)),
    ("random_stream", *_whole(0)),
    ("target", "at most one metric and its value", lambda v: len(v) <= 1),
]
