"""Every mutant can still be made: its text is there, once. `nox -s mutants` tries them."""

import ast

import pytest

from gradient_oracle.mutants import MUTANTS, ROOT, mutated

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_another_program(name):
    mutant = MUTANTS[name]
    source = (ROOT / "keras_medaug" / mutant.file).read_text(encoding="utf-8")
    assert ast.dump(ast.parse(mutated(mutant, source))) != ast.dump(ast.parse(source))
