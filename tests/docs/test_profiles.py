"""What JAX's profiler names is looked up in the program that ran."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.backend_free

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DUMPED = """
%fused_computation (a: f32[8]) -> f32[8] {{
  %a = f32[8] parameter(0)
  ROOT %it = f32[8] {operation}(%a, %a)
}}

ENTRY %main (a: f32[8]) -> f32[8] {{
  ROOT %fusion.8 = f32[8] fusion(%a), kind=kLoop, calls=%fused_computation
}}
"""
# In a process of its own: the script is no module of a package, and reads the environment.
ASK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from profiles import kind_of, what_is_fused
found = what_is_fused(Path(sys.argv[2]))
print({key: kind_of(name) for key, name in sorted(found.items())})
"""


def test_fusions_of_programs_of_the_same_name_are_told_apart(tmp_path):
    for number, operation in ((7, "convolution"), (42, "dot")):
        name = f"module_{number:04}.jit_train_step.cpu_after_optimizations.txt"
        (tmp_path / name).write_text(DUMPED.format(operation=operation), encoding="utf-8")
    command = [sys.executable, "-c", ASK, str(BENCHMARKS), str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = {(7, "fusion.8"): "convolution", (42, "fusion.8"): "product"}
    assert answer.strip() == str(expected)
