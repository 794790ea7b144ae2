"""The paper's numbers: its tables 1 and 2 and the accuracies of its section 3."""

from dataclasses import dataclass

METHODS = ("geometric", "cvae", "dcgan", "vaegan")
GENERATORS = ("cvae", "dcgan", "vaegan")
LABELS = {"geometric": "Geometric", "cvae": "CVAE", "dcgan": "DCGAN", "vaegan": "CVAEDCGAN"}


@dataclass(frozen=True)
class PaperRow:
    """What the paper says of one set; shares in percent."""

    title: str
    train: int
    val: int
    test: int
    accuracy: float
    confidence: tuple[float, float, float, float]  # in the order of METHODS


PAPER = {
    "pathmnist": PaperRow("PathMNIST", 89996, 10004, 7180, 80.71, (100.00, 87.07, 88.33, 93.63)),
    "dermamnist": PaperRow("DermaMNIST", 7007, 1003, 2005, 66.93, (46.28, 100.00, 100.00, 100.00)),
    "octmnist": PaperRow("OCTMNIST", 97477, 10832, 1000, 63.20, (97.98, 94.73, 97.32, 97.25)),
    "pneumoniamnist": PaperRow(
        "PneumoniaMNIST", 4708, 524, 624, 85.09, (99.74, 98.46, 99.59, 98.54)
    ),
    "breastmnist": PaperRow("BreastMNIST", 546, 78, 156, 81.41, (57.48, 97.34, 95.37, 92.21)),
    "organamnist": PaperRow(
        "OrganMNIST_Axial", 34581, 6491, 17778, 84.13, (100.00, 91.02, 92.98, 94.86)
    ),
    "organcmnist": PaperRow(
        "OrganMNIST_Coronal", 13000, 2392, 8268, 81.74, (99.85, 88.41, 86.93, 87.54)
    ),
    "organsmnist": PaperRow(
        "OrganMNIST_Sagittal", 13940, 2452, 8829, 71.25, (99.97, 85.78, 90.44, 83.95)
    ),
}
MEAN_CONFIDENCE = (87.66, 92.85, 93.87, 93.50)  # the last row of table 2
