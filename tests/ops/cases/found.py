"""What random graphs (tests/graphs) found."""
from op_frame import rand, row

ROWS = [
    *(row("Shrink", rand(3, 4, dtype=d, low=-5, high=6), lambd=1.5, bias=0.5) for d in ("int8", "int64", "uint8")),
]
