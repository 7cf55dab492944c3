import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_wrap_your_generator_writes_a_smaller_net(tmp_path: Path) -> None:
    file = tmp_path / "small.onnx"
    words = [sys.executable, str(EXAMPLES / "wrap_your_generator.py"), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"([\d,]+) MACs became ([\d,]+)", done.stdout)
    assert found
    before, after = (int(text.replace(",", "")) for text in found.groups())
    assert 4 * after <= before
    assert file.stat().st_size > 0
