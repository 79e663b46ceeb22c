"""`landmarks review` and `landmarks corrections`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated, Optional

import typer

from landmarks.cli.drawn import DrawnCommand, DrawnGroup
from landmarks.cli.logs import say
from landmarks.cli.shared import counted, output, split_names

RUN_HELP = "The folder that was given to `landmarks annotate --out`."

app = typer.Typer(
    cls=DrawnGroup, no_args_is_help=True, help="Bring corrections of a run back from other tools, and count them."
)


def review(
    run: Annotated[Path, typer.Argument(help=RUN_HELP)],
    images: Annotated[
        Optional[list[str]],
        typer.Option(
            help="Where the images are, if not where the run found them: what was annotated, in its new place. "
            "Give it again for more."
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="The network that proposes landmarks for faces that are added or turned.")
    ] = "compact",
    networks: Annotated[
        Optional[str],
        typer.Option(
            help="Also serve a page that annotates dropped pictures with these networks side by side, such as "
            "compact,accurate."
        ),
    ] = None,
    tasks: Annotated[
        Optional[str],
        typer.Option(
            help="Attributes and numbers to show and to correct, comma-separated; by default all of the run but "
            "gender. Of others nothing is said."
        ),
    ] = None,
    who: Annotated[
        Optional[str], typer.Option(help="Name to write down with each correction; by default that of the login.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Listen on this address. Others than loopback are reached by other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen on this port; 0 takes a free one.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Look through the faces of a run in the browser, the most doubtful first, and correct them.

    Prints the address of the page, which only those who have it can open. Every correction is on the disk before the
    page says so, in corrections.jsonl in the run's folder. Ctrl-C ends it.
    """
    from landmarks.review.open import open_review

    def tell(address: str) -> None:
        say("open this address in a browser; Ctrl-C ends the server, and no correction is lost")
        output.print(address)
        if open_page:
            webbrowser.open(address)

    chosen = None if networks is None else split_names(networks)
    shown = None if tasks is None else split_names(tasks)
    open_review(run, images or (), weights, chosen, shown, who, host, port, tell)


@app.command("import", cls=DrawnCommand, epilog="Example: landmarks corrections import results export.json")
def corrections_import(
    run: Annotated[Path, typer.Argument(help=RUN_HELP)],
    file: Annotated[
        Path,
        typer.Argument(
            help="Label Studio's JSON export, CVAT's `CVAT for images` XML, or COCO keypoints (FiftyOne, CVAT)."
        ),
    ],
    accept_unchanged: Annotated[
        bool,
        typer.Option(
            "--accept-unchanged",
            help="Take faces that the file leaves as they were for looked at. Of Label Studio's export this holds "
            "anyway: it says which images a person has submitted.",
        ),
    ] = False,
    who: Annotated[
        Optional[str], typer.Option(help="Name to write down with each correction; by default that of the login.")
    ] = None,
) -> None:
    """Bring back what was corrected in another tool: faces moved, relabelled, deleted, added.

    Faces are known by the image's name and by where they are, not by their order. What was changed here, too, is left
    as it is and told.
    """
    from landmarks.review.importing import import_corrections

    told = import_corrections(run, file, accept_unchanged, who)
    for line in told.lines():
        output.print(line)


@app.command("info", cls=DrawnCommand, epilog="Example: landmarks corrections info results")
def corrections_info(run: Annotated[Path, typer.Argument(help=RUN_HELP)]) -> None:
    """Count what people have said of the faces of a run."""
    from collections import Counter

    from landmarks.corrections import fold, read_corrections
    from landmarks.corrections.fold import told

    lines = read_corrections(run)
    faces = fold(lines).values()
    statuses = Counter(face.status or "taken back" for face in faces)
    output.print(
        f"{counted(len(lines), 'line')}; faces: {', '.join(f'{n} {s}' for s, n in statuses.items()) or 'none'}"
    )
    if counts := told(faces):
        output.print(f"labels and numbers that people vouch for: {', '.join(f'{s} {n}' for s, n in counts.items())}")
