"""A dense task: image, labels, and what each network makes of every pixel (slide "Dilated Convolution")."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns

from dlgbench.reports import style
from dlgbench.reports.captions import sources
from dlgbench.reports.study import Study

PARTS = ("input", "label", "class")


def draw(study: Study) -> list[style.Drawing]:
    """A column for the image, one for its labels, and one for each arm, a row for each image; the wrong pixels are counted in the title."""
    maps = {part: study.picture(f"predictions/{part}") for part in PARTS}
    arms = [arm for arm in maps["class"] if arm in maps["input"] and arm in maps["label"]]
    if not arms:
        return []
    count, height, width = (
        round(study.mean(f"predictions/{name}", arms[0])) for name in ("count", "height", "width")
    )
    found = {
        part: {arm: maps[part][arm].reshape(count, height, width) for arm in arms} for part in PARTS
    }
    labels = found["label"][arms[0]]
    classes = int(max(labels.max(), *(found["class"][arm].max() for arm in arms))) + 1
    colours = mpl.colors.ListedColormap(sns.color_palette("colorblind", classes).as_hex())
    columns = 2 + len(arms)
    with style.styled():
        figure, axes = style.grid(count * columns, columns, 9.2 / columns * height / width + 0.35)
        for place, ax in enumerate(axes):
            row, column = divmod(place, columns)
            if column == 0:
                ax.imshow(found["input"][arms[0]][row], cmap="gray")
                title = "image"
            else:
                given = labels if column == 1 else found["class"][arms[column - 2]]
                ax.imshow(
                    np.ma.masked_where(labels[row] < 0, given[row]),
                    cmap=colours,
                    vmin=-0.5,
                    vmax=classes - 0.5,
                    interpolation="nearest",
                )
                wanted = labels[row] >= 0
                wrong = float((given[row] != labels[row])[wanted].mean()) if wanted.any() else 0.0
                title = (
                    "labels" if column == 1 else f"{arms[column - 2]}: {100 * wrong:.0f} % wrong"
                )
            ax.set_title(title)
            style.bare(ax)
    pixels = range(count * height * width)
    tables = [
        pd.DataFrame({"arm": arm, "map": part, "pixel": pixels, "value": maps[part][arm]})
        for part in PARTS
        for arm in arms
    ]
    caption = (
        "The first images of the test split, the classes that are wanted (unlabelled pixels left out), and the class that each network gives, "
        f"one colour a class. Drawn: n = 1, the first seed. {sources(study)}"
    )
    return [
        style.Drawing(
            "predictions",
            "Predictions, pixel by pixel",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]
