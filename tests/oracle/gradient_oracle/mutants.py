"""Break the training in one place at a time, and see whether the oracle says so.

    KERAS_BACKEND=torch python tests/oracle/gradient_oracle/mutants.py

Each mutant is made in a copy of the package, in a temporary folder; nothing here is touched. It is
killed where a test of the oracle, or of the gate, goes red. Arguments choose mutants by name.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
# What the copy is made of, and what is run in it.
PARTS = (
    "keras_medaug", "tests/oracle", "tests/networks", "tests/harness", "tests/conftest.py",
    "tests/helpers", "tests/backend_free.py", "pyproject.toml",
)  # fmt: skip
ORACLE = ("gradients", "isolation", "direction")
WITNESSES = (*(f"tests/oracle/test_{name}.py" for name in ORACLE), "tests/networks/test_gate.py")


class Mutant(NamedTuple):
    """One text of one file, and what takes its place."""

    file: str
    old: str
    new: str


DCGAN, VAEGAN, CVAE = (f"models/{name}.py" for name in ("dcgan", "vaegan", "cvae"))
GATE, OPTIMIZER = "networks/gate.py", "networks/network_optimizer.py"
LIVE_FAKE = ' + losses.fake_cross_entropy(\n            fake["logit"]\n        )'
MUTANTS = {
    # ---- signs and weights of the terms
    "the generator seeks to be found out": Mutant(
        "losses.py", "return real_cross_entropy(logits)", "return -real_cross_entropy(logits)"
    ),
    "so it does in minimax": Mutant(
        "losses.py", "return -fake_cross_entropy(logits)", "return fake_cross_entropy(logits)"
    ),
    "real images are to be called generated": Mutant(
        "losses.py", 'ops.softplus(-ops.cast(logits, "float32"))', "ops.softplus(logits)"
    ),
    "generated images are to be called real": Mutant(
        "losses.py", 'ops.softplus(ops.cast(logits, "float32"))', "ops.softplus(-logits)"
    ),
    "the divergence rewards small variances": Mutant(
        "losses.py", "ops.exp(z_log_var) - 1.0 - z_log_var", "ops.exp(z_log_var) - 1.0 + z_log_var"
    ),
    "the sampled divergence adds the prior": Mutant("losses.py", "log_q - log_p", "log_q + log_p"),
    "the Bernoulli likelihood wants the negative": Mutant(
        "losses.py", "ops.softplus(logits) - images", "ops.softplus(logits) + images"
    ),
    "the Gaussian likelihood is descended": Mutant(
        "losses.py", "squares = 0.5 * ops.square", "squares = -0.5 * ops.square"
    ),
    "the similarity lacks its half": Mutant(
        "losses.py", "0.5 * ops.sum(ops.square(target", "ops.sum(ops.square(target"
    ),
    "the CVAE ignores beta": Mutant(CVAE, "self.beta * kl", "kl"),
    "the CVAE flees the prior": Mutant(CVAE, "+ self.beta * kl", "- self.beta * kl"),
    "the encoder ignores beta": Mutant(VAEGAN, "self.beta * kl", "kl"),
    "the encoder seeks dissimilar images": Mutant(
        VAEGAN, "= self.beta * kl + similarity", "= self.beta * kl - similarity"
    ),
    "the decoder ignores gamma": Mutant(
        VAEGAN, "self._gamma(target) * decoder_similarity", "decoder_similarity"
    ),
    "gamma's mean is a sum": Mutant(VAEGAN, "return self.gamma / size", "return self.gamma"),
    # ---- frozen passes, thawed
    "frozen passes are live": Mutant(
        "networks/frozen.py", "ops.stop_gradient(variable.value)", "variable.value"
    ),
    "the DCGAN's frozen discriminator learns": Mutant(
        DCGAN, "frozen(self.discriminator, self.generated_statistics)", "self.discriminator"
    ),
    "the VAE/GAN's frozen discriminator learns": Mutant(
        VAEGAN, "frozen(self.discriminator, statistics)(inputs", "self.discriminator(inputs"
    ),
    "the encoder's objective reaches the decoder": Mutant(
        VAEGAN, "frozen(self.decoder, self.reconstruction_statistics)", "self.decoder"
    ),
    # ---- stopped gradients, let through
    "the DCGAN's generator learns to be found out": Mutant(
        DCGAN, "ops.stop_gradient(generated)", "generated"
    ),
    "the VAE/GAN's decoder learns to be found out": Mutant(
        VAEGAN, "self._with_labels(ops.stop_gradient(pictures)", "self._with_labels(pictures"
    ),
    "the decoder's objective reaches the encoder": Mutant(
        VAEGAN, "self._with_labels(ops.stop_gradient(z)", "self._with_labels(z"
    ),
    "the similarity reaches the discriminator": Mutant(
        VAEGAN, 'ops.stop_gradient(real["features"])', 'real["features"]'
    ),
    "the decoder does not see how its reconstructions are judged": Mutant(
        VAEGAN, "frozen_discriminator(reconstructed, ",
        "frozen_discriminator(ops.stop_gradient(reconstructed), ",
    ),
    "the variance is not learned": Mutant(
        "layers/sampling.py", "ops.exp(0.5 * z_log_var)", "ops.exp(0.5 * ops.stop_gradient("
        "z_log_var))",
    ),
    # ---- what the terms are of
    "the noise has the variance for its deviation": Mutant(
        "layers/sampling.py", "ops.exp(0.5 * z_log_var)", "ops.exp(z_log_var)"
    ),
    "the DCGAN's answers are swapped": Mutant(
        DCGAN, 'real_cross_entropy(real["logit"])', 'fake_cross_entropy(real["logit"])'
    ),
    "the DCGAN's discriminator sees no generated image": Mutant(DCGAN, LIVE_FAKE, ""),
    "the VAE/GAN's discriminator sees reconstructions alone": Mutant(
        VAEGAN, '{"reconstructed": reconstructed, "sampled": sampled}',
        '{"reconstructed": reconstructed}',
    ),
    "the decoder is judged by its reconstructions alone": Mutant(
        VAEGAN, 'scored_sample["logit"], self', 'scored["logit"], self'
    ),
    "images from the prior are reconstructions": Mutant(
        VAEGAN, "self.decoder(self._with_labels(self._noise(count), y)", "self.decoder(latent"
    ),
    "the generator is normalised as in use": Mutant(
        DCGAN, "self.generator(noise, training=training)", "self.generator(noise, training=False)"
    ),
    "the frozen discriminator is normalised as in use": Mutant(
        VAEGAN, "frozen(self.discriminator, statistics)(inputs, training=training)",
        "frozen(self.discriminator, statistics)(inputs, training=False)",
    ),
    # ---- the gate, and whose optimizer is whose
    "the gate holds nobody back": Mutant(GATE, "trains * (loss - constant)", "(loss - constant)"),
    "the gate holds the other back": Mutant(
        VAEGAN, "discriminator_trains, decoder_trains = self.gate",
        "decoder_trains, discriminator_trains = self.gate",
    ),
    "a skipped step moves by momentum": Mutant(
        OPTIMIZER, "ops.where(idle, value, variable.value)", "variable.value"
    ),
    "a skipped step moves the slots": Mutant(
        OPTIMIZER, " + list(optimizer.variables)", ""
    ),
    "one optimizer has all the weights": Mutant(
        OPTIMIZER, "self._optimizers[self._owner[id(variable)]]",
        "next(iter(self._optimizers.values()))",
    ),
}  # fmt: skip


def mutated(mutant, source):
    """Return the source of a file with the mutant's text in it."""
    if source.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.file} has {mutant.old!r} {source.count(mutant.old)} times")
    return source.replace(mutant.old, mutant.new)


def copy_to(folder):
    """Copy what the oracle needs."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def ask(folder):
    """Run the witnesses in a copy of the package; return the test that went red, or `None`.

    Red is a test whose assertion fails: a copy that breaks down has shown nothing.
    """
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "-rf", *WITNESSES],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "1000"},  # reasons unabridged
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode not in {0, 1}:
        raise SystemExit(f"The tests did not run:\n{run.stdout}{run.stderr}")
    if run.returncode == 0:
        return None
    red = [line for line in run.stdout.splitlines() if line.startswith("FAILED")]
    test, _, reason = "".join(red[:1]).partition(" - ")
    if not reason.startswith(("assert", "AssertionError")):
        raise SystemExit(f"The tests broke down:\n{run.stdout}{run.stderr}")
    return test.rpartition("/")[2]


def main():
    """Try all mutants, or those named; exit with a message where one survives."""
    chosen = sys.argv[1:] or list(MUTANTS)
    survivors = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_to(folder)
        if red := ask(folder):
            raise SystemExit(f"The oracle is red without a mutant: {red}")
        print("without a mutant: all green", flush=True)
        began = time.monotonic()
        for number, name in enumerate(chosen, start=1):
            mutant = MUTANTS[name]
            path = folder / "keras_medaug" / mutant.file
            source = path.read_text(encoding="utf-8")
            path.write_text(mutated(mutant, source), encoding="utf-8")
            red = ask(folder)
            path.write_text(source, encoding="utf-8")
            survivors += [] if red else [name]
            left = (time.monotonic() - began) / number * (len(chosen) - number)
            said = f"killed by {red}" if red else "SURVIVES"
            print(f"{number:2}/{len(chosen)} {name}: {said} ({left:.0f} s left)", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    if survivors:
        raise SystemExit(f"Not seen: {'; '.join(survivors)}")


if __name__ == "__main__":
    main()
