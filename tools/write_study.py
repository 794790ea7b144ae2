"""Write a finished study's results, report and figure anew from its cells, without training.

    python tools/write_study.py docs/results/studies/breastmnist --dataset breastmnist --root DIR

After a change of rules or words of the report. Cells stay as they are, those of older versions of
the package too; the data are audited anew.
"""

import argparse
from pathlib import Path

import keras_medaug as kma
from keras_medaug.study.stored import write_anew


def main() -> None:
    """Write the study that the arguments name."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path, help="with results.json and cells")
    parser.add_argument("--dataset", required=True, help="a MedMNIST set, or 'phantom'")
    parser.add_argument("--root", type=Path, help="folder of the MedMNIST files")
    options = parser.parse_args()
    data = kma.datasets.load(options.dataset, root=options.root, download=False)
    results = write_anew(options.folder, data)
    for warning in results["warnings"]:
        print(f"{warning['guard']}: {warning['message']}")


if __name__ == "__main__":
    main()
