"""A whole study of one data set: every arm, with statistics.

    KERAS_BACKEND=jax python examples/study.py --dataset breastmnist --workers 2
    KERAS_BACKEND=jax python examples/study.py --dataset pneumoniamnist --train-fraction 0.1
    KERAS_BACKEND=jax python examples/study.py --train-fraction 0.1 0.25 0.5 1

With several fractions there is a study for each, and a figure of learning curves. Results go to
`--out`. A run that was killed goes on where it was when it is started again.
"""

import argparse
import sys
from pathlib import Path

try:
    import keras_medaug as kma
except ImportError as error:  # which says what to install and to set
    sys.exit(str(error))
except KeyboardInterrupt:  # an import takes seconds
    sys.exit(130)
from script_arguments import parse_arguments

from keras_medaug.study.arm import ARMS, DIAGNOSTICS
from keras_medaug.study.command import before_work, chosen_executor, end_script, exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run the study that the arguments describe; return the exit code."""
    options = parse(arguments)
    out = options.out or Path("results") / options.dataset
    return exit_code(lambda: run(options, out), out)


def run(options: argparse.Namespace, out: Path) -> int:
    """Run one study, or one for each fraction of the training images."""
    with before_work():
        data = kma.datasets.load(options.dataset, root=options.root)
    with chosen_executor(options.workers, options.scheduler, options.threads) as executor:
        settings = {
            "arms": options.arms,
            "seeds": options.seeds,
            "ratio": options.ratio,
            "steps": options.steps,
            "generator_steps": options.generator_steps,
            "executor": executor,
            "out": out,
        }
        if len(options.train_fraction) == 1:
            kma.study.run(data, train_fraction=options.train_fraction[0], **settings)
        else:
            kma.study.sweep(data, options.train_fraction, **settings)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--dataset", default="phantom", help="a MedMNIST set, or 'phantom'")
    parser.add_argument("--arms", nargs="+", default=[*ARMS, *DIAGNOSTICS], help="default: all")
    parser.add_argument(
        "--train-fraction", type=float, nargs="+", default=[1.0], help="of the training images"
    )
    parser.add_argument("--ratio", type=float, default=1.0, help="synthetic images per real one")
    parser.add_argument("--steps", type=int, default=1000, help="of each classifier")
    parser.add_argument("--generator-steps", type=int, default=2000, help="of each generator")
    return parse_arguments(parser, arguments, seeds=10, out="results/DATASET")


if __name__ == "__main__":
    end_script(main())
