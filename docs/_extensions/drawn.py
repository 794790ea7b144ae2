"""What pages show and nobody wrote: drawn from the built models and the committed results."""

from pathlib import Path

from choices_page import write_choices
from copies_page import write_copies
from flow_training_page import write_flow_training
from generators_page import write_generators, write_sampling
from matplotlib.figure import Figure
from metrics_page import write_directions
from network_diagram import draw_network, layer_table
from reproduction_page import write_tables
from speed_page import write_speed
from sphinx.application import Sphinx
from study_page import write_studies
from vaegan_diagram import draw_vaegan

import keras_medaug as kma

# The paper draws its networks for PathMNIST: 28x28 pixels in colour, nine classes.
IMAGE_SHAPE, NUM_CLASSES = (28, 28, 3), 9


def draw(app: Sphinx) -> None:
    """Write all pictures and tables into the folder that the pages include them from."""
    out = Path(app.srcdir) / "_drawn"
    out.mkdir(exist_ok=True)
    write_tables(Path(app.srcdir) / "results" / "paper", out)
    _save(write_speed(Path(app.srcdir) / "results", out), out / "speed.png")
    for name, figure in write_studies(Path(app.srcdir) / "results", out).items():
        _save(figure, out / name)
    write_directions(Path(app.srcdir) / "results", out)
    write_copies(Path(app.srcdir) / "results", out)
    write_choices(Path(app.srcdir) / "results", out)
    write_generators(Path(app.srcdir) / "results", out)
    write_sampling(Path(app.srcdir) / "results", out)
    figure = write_flow_training(Path(app.srcdir) / "results", out)
    _save(figure, out / "flow_training.png")
    (out / "medmnist.md").write_text(medmnist_table(), encoding="utf-8")
    _save(draw_vaegan(), out / "figure4.png")
    model = kma.models.VAEGAN(IMAGE_SHAPE, seed=0)
    classifier = kma.models.Classifier(IMAGE_SHAPE, NUM_CLASSES, seed=0)
    networks = {
        "figure6": (model.encoder, "Encoder", ()),
        "figure7": (model.decoder, "Decoder, which is the generator", ()),
        "figure8": (model.discriminator, "Discriminator", ("block_2",)),
        "figure9": (classifier.network, "Classifier", ()),
    }
    for name, (network, title, marked) in networks.items():
        _save(draw_network(network, title, marked), out / f"{name}.png")
        (out / f"{name}.md").write_text(layer_table(network), encoding="utf-8")


def medmnist_table() -> str:
    """Return what is known of the MedMNIST sets as a Markdown table."""
    lines = ["| name | task | classes | channels | train / val / test | licence |"]
    lines.append("|---|---|---:|---:|---:|---|")
    for info in kma.datasets.MEDMNIST.values():
        counts = " / ".join(f"{info.counts[split]:,}" for split in ("train", "val", "test"))
        facts = [info.name, info.task, len(info.class_names), info.channels, counts, info.license]
        lines.append(f"| {' | '.join(map(str, facts))} |")
    return "\n".join([*lines, ""])


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=160, metadata={"Software": None})


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the extension."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}
