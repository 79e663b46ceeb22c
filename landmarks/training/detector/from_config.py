"""From a config file and photographs with boxes to a detector's weights file."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from landmarks import __version__
from landmarks.config import build, named, override, read_toml
from landmarks.datasets.photographs import Photographs, read_photographs
from landmarks.device import choose_device
from landmarks.errors import DataError, LandmarksError, WeightsError, unknown
from landmarks.models.facegrid import STRIDES, FaceGrid, load_facegrid, save_facegrid
from landmarks.models.files import resolve
from landmarks.training.detector.config import DetectorFile
from landmarks.training.detector.crops.batches import Batches
from landmarks.training.detector.crops.hard import Hard, looked
from landmarks.training.detector.crops.pictures import Pictures, digest
from landmarks.training.detector.crops.store import open_store
from landmarks.training.detector.deepen import deepened
from landmarks.training.detector.loop import fit
from landmarks.training.detector.team import Team, joined

SECTION = "detector"
"""The section of a TOML file that says that it is about a detector."""
WEIGHTS, PICTURES, HARD = "weights.safetensors", "pictures", "hard.safetensors"


def is_detector(config: str | Path) -> bool:
    """Whether a TOML file is about a detector, not a landmark network. Raises LandmarksError."""
    return SECTION in read_toml(config)


def read_detector_config(path: str | Path, settings: Sequence[str] = ()) -> DetectorFile:
    """The sections [detector] and [training] of a TOML file; see `landmarks.training.from_config.read_config`."""
    return build(DetectorFile, override(DetectorFile, read_toml(path), settings), named(path, settings))


def train_detector(
    config: str | Path,
    data: Sequence[str | Path],
    out: str | Path,
    device: str = "auto",
    settings: Sequence[str] = (),
    threads: int = 0,
    start: str | Path | None = None,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Train a face detector as a config file says; write `weights.safetensors` to `out`, return its path.

    data: whatever `read_photographs` reads; settings: `KEY=VALUE` in place of what the file says; start: weights to
    begin with, a shipped name or a file, instead of random ones, of as many further convolutions as the config's or
    fewer; report: gets each row of the log; progress: is told how many pictures are decoded, and how many have been
    looked at for what is hard. They are decoded once, into `out/pictures`. Where torchrun started several processes,
    each learns from its part of every batch. Raises LandmarksError.
    """
    chosen = str(choose_device(device))
    with joined(chosen) as team:
        return _train_detector(config, data, Path(out), chosen, settings, threads, start, report, progress, team)


def _train_detector(
    config: str | Path,
    data: Sequence[str | Path],
    out: Path,
    device: str,
    settings: Sequence[str],
    threads: int,
    start: str | Path | None,
    report: Callable[[dict[str, Any]], None],
    progress: Callable[[int, int], None],
    team: Team,
) -> Path:
    file = read_detector_config(config, settings)
    crops, rest = divmod(file.training.batch_size, team.count)
    if rest:
        told = f"training.batch_size: {team.count} processes cannot share {file.training.batch_size} crops alike"
        raise LandmarksError(f"{named(config, settings)}: {told}")
    if crops == 1 and file.training.side == STRIDES[-1]:
        told = f"training.batch_size: one crop of {STRIDES[-1]} pixels has one cell, of which there is no norm"
        raise LandmarksError(f"{named(config, settings)}: {told}; give more crops or a larger side")
    if threads:
        torch.set_num_threads(threads)
    datasets = [read_photographs(path) for path in data]
    start_path = None if start is None else resolve(start)
    torch.manual_seed(file.training.seed)
    network = FaceGrid(file.detector) if start_path is None else _begin_with(start_path, file)
    if file.training.looks and start_path is None:
        where = named(config, settings)
        raise LandmarksError(f"{where}: `hard` and `decoy` are about weights to start from; give --start")
    names = sorted({photographs.name for photographs in datasets})
    for name in set(file.training.source_weights) - set(names):
        known = unknown("dataset", name, names)
        raise LandmarksError(f"{named(config, settings)}: training.source_weights: {known}; give its photographs too")
    store = team.in_turn(lambda: open_store(datasets, out / PICTURES, progress))
    pictures = Pictures(store, datasets, "train", file.training.source_weights)
    unseen = Pictures(store, datasets, "val")
    held_out = Batches(unseen, file.training) if unseen.count() else None
    about: dict[str, Any] = {"version": __version__, "training": dataclasses.asdict(file.training)}
    identity = {"detector": dataclasses.asdict(file.detector), "training": about["training"], "data": digest(datasets)}
    if start_path is not None:
        about["started_from"] = {"sha256": hashlib.sha256(start_path.read_bytes()).hexdigest()}
        identity["start"] = about["started_from"]["sha256"]
    if team.count > 1:
        about["processes"] = identity["processes"] = team.count
    hard = None
    if file.training.looks:
        seen = f"{identity['data']} {identity['start']}"
        hard = team.in_turn(lambda: looked(out / HARD, network, pictures, seen, progress))
    learnt = _batches(pictures, file, data, hard, team)
    last: dict[str, Any] = {}

    def keep(row: dict[str, Any]) -> None:
        last.update(row.get("val", {}))
        report(row)

    trained = fit(network, learnt, held_out, file.training, out, identity, device, keep, team)
    about |= {"trained_on": [_facts(photographs) for photographs in datasets], "validation": last}
    if team.leads:
        save_facegrid(trained.cpu(), out / WEIGHTS, about)
    return out / WEIGHTS


def _batches(
    pictures: Pictures, file: DetectorFile, data: Sequence[str | Path], hard: Hard | None, team: Team
) -> Batches:
    """Raises DataError naming the data."""
    try:
        return Batches(pictures, file.training, hard, team)
    except DataError as error:
        where = ", ".join(map(str, data))
        raise DataError(f"{where}: {error}; give data with boxes, or let detectors label them first") from error


def _begin_with(path: Path, file: DetectorFile) -> FaceGrid:
    """A network with the weights of a file, deeper where the section says so. Raises WeightsError if it is of other
    widths."""
    network, _ = load_facegrid(path)
    try:
        return deepened(network, file.detector)
    except WeightsError as error:
        raise WeightsError(f"{path}: does not fit the section [{SECTION}]: {error}") from error


def _facts(photographs: Photographs) -> dict[str, Any]:
    """What the weights say of a dataset that they were trained on."""
    train = photographs.table[photographs.table["split"] == "train"]
    faces = int((train["x0"].notna() & ~train["ignore"]).sum())
    return {
        "dataset": photographs.name,
        "terms": photographs.terms,
        "photographs": train["image"].nunique(),
        "faces": faces,
    }
