"""Figures of where other tasks pay; without panels where their arms are not there."""

from __future__ import annotations

from matplotlib.figure import Figure

from landmarks.comparison.analysis.gains import errors_of, few_labels, gains, words_of
from landmarks.comparison.analysis.questions import tasks_text
from landmarks.comparison.analysis.statistics import SIGNIFICANCE
from landmarks.comparison.analysis.summary import ERROR, Measured
from landmarks.comparison.analysis.task_measures import measure_of
from landmarks.evaluation.plots import COLOURS, INK, empty_panels

MARKERS = ("s", "o", "^", "D")


def gain_map(measured: Measured, group: str) -> Figure:
    """What other tasks take from the landmarks' error, by training faces, a panel a number of views, with 95 %
    intervals; a full mark where it stays certain once corrected. Below the faces, the error of the landmarks alone."""
    frame = gains(measured, group)
    if len(frame) < 2:
        return Figure()
    arms = measured.results.arms
    views = sorted(set(frame["views"]))
    words = list(dict.fromkeys(tasks_text(arms[str(name)]) for name in frame.index))
    figure, panels = empty_panels(len(views), "mean error gained, points (up: they help)", width=4.2)
    for axes, count in zip(panels, views):
        part = frame[frame["views"] == count]
        sizes = sorted(set(part["faces"]), key=lambda size: size or float("inf"))
        labels = {}
        for name, row in part.iterrows():
            place, kind = sizes.index(row["faces"]), words.index(tasks_text(arms[str(name)]))
            value, low, high = (-row[f"{ERROR}_{part}"] for part in ("difference", "high", "low"))
            certain = row[f"{ERROR}_p_holm"] < SIGNIFICANCE
            colour = COLOURS[kind % len(COLOURS)]
            at = place + 0.16 * (kind - (len(words) - 1) / 2)
            look = {"fmt": MARKERS[kind % len(MARKERS)], "color": colour, "mfc": colour if certain else "white"}
            axes.errorbar(at, value, [[value - low], [high - value]], capsize=3, lw=1.3, ms=6, **look)
            size = f"{row['faces']:,}" if row["faces"] else "all"
            labels[place] = f"{size}\n{errors_of(measured, row['reference'])[0]:.1f} %"
        for kind, text in enumerate(words):
            axes.plot([], [], MARKERS[kind % len(MARKERS)], color=COLOURS[kind % len(COLOURS)], mfc="white", label=text)
        axes.axhline(0, color=INK, lw=1)
        axes.set_xticks(list(labels), labels=list(labels.values()))
        axes.set(
            xlim=(-0.5, len(sizes) - 0.5),
            xlabel="training faces; error of the landmarks alone",
            title="one view of each face" if count == 1 else f"{count} views of each face",
        )
        axes.grid(visible=False, axis="x")
    low, high = min(axes.get_ylim()[0] for axes in panels), max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(low, high)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(words), frameon=False)
    return figure


def accuracy_by_labels(measured: Measured, group: str) -> Figure:
    """Each task's measure by the number of its labels, alone and not, with the spread over seeds; dotted: a guess."""
    frame = few_labels(measured.results, group)
    if frame.empty:
        return Figure()
    arms = measured.results.arms
    tasks = list(dict.fromkeys(frame["task"]))
    measures = {task: measure_of(measured.results, task) for task in tasks}
    figure, panels = empty_panels(len(tasks), measures[tasks[0]].words, width=2.6)
    for axes, task in zip(panels, tasks):
        if measures[task].words != measures[tasks[0]].words:
            axes.set_ylabel(measures[task].words)
        part = frame[frame["task"] == task]
        counts = sorted(set(part["labels"]))
        lines: dict[str, dict[int, tuple[float, float]]] = {}
        for _, row in part.iterrows():
            place = counts.index(row["labels"])
            lines.setdefault("alone", {})[place] = (row["alone"], row["alone_sd"])
            lines.setdefault(words_of(arms[row["arm"]]), {})[place] = (row["accuracy"], row["accuracy_sd"])
        for (words, found), colour, marker in zip(lines.items(), (INK, COLOURS[0], COLOURS[1]), MARKERS):
            middle, spread = zip(*found.values())
            axes.errorbar(
                list(found), middle, spread, color=colour, marker=marker, ms=5, capsize=3, lw=1.3, label=words
            )
        axes.axhline(measures[task].guess, color=INK, lw=0.8, ls=":")
        axes.set_xticks(range(len(counts)), labels=[f"{count:,}" for count in counts])
        axes.set(xlabel=f"faces with a label of {task}", title=task)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure
