"""Makes op_frame and the tables in cases/ importable."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
