"""Makes op_frame, the tables in cases/ and tools/cpu_levels importable."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[2] / "tools"))
