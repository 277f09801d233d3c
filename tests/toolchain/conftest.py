"""Makes op_frame and its tables importable."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
sys.path.insert(1, str(Path(__file__).parent))
