"""The sizes of every data set, known without loading it: what a plan needs of it.

The suite's own are in `data_table.json`; a test compares the file with the data.
`python -m dlgbench.data_table` writes it again, and keeps the rows of sets that can't be had here.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

from dlgbench.errors import DlgbenchError
from dlgbench.registry import DATA

FILE = Path(__file__).with_suffix(".json")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes of a data set.

    Args:
        input_shape: of one input.
        num_classes: outputs of a network for it.
        pool, test: examples to draw training and validation from, and of the test split.
        bytes: of all inputs and targets, as they are loaded.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    pool: int
    test: int
    bytes: int


def sizes(name: str) -> Sizes:
    """The sizes of a data set; one that is not in the file is loaded.

    Raises:
        DlgbenchError: for one that is not in the file and can't be loaded.
    """
    row = _file().get(name) if FILE.parent in DATA[name].file.parents else None
    return Sizes(**(row | {"input_shape": tuple(row["input_shape"])})) if row else measured(name)


def measured(name: str) -> Sizes:
    """The sizes of a data set that is loaded.

    Raises:
        DlgbenchError: where it can't be loaded.
    """
    from dlgbench.data import load

    arrays = load(name)
    splits = (*arrays.pool, *arrays.test)
    shape = tuple(arrays.pool[0].shape[1:])
    pool, test = len(arrays.pool[0]), len(arrays.test[0])
    return Sizes(shape, arrays.num_classes, pool, test, sum(x.nbytes for x in splits))


@functools.cache
def _file() -> dict[str, Any]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def write() -> None:
    """Measures the suite's own data sets, and writes the file."""
    found = {}
    for name, data in DATA.items():
        if FILE.parent in data.file.parents:
            try:
                found[name] = dataclasses.asdict(measured(name))
            except DlgbenchError as error:
                print(f"{name}: kept as it was: {error}")
                found[name] = _file()[name]
    lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(found.items())]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write()
