"""With CI=true a test that is skipped for what the machine lacks has failed: its reason starts with `missing: `."""
from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # this_machine
# libraries and programs that lite-opt builds are built once for all tests
os.environ.setdefault("LITE_OPT_CACHE", str(Path(__file__).resolve().parents[1] / "build" / "cache"))
CI = os.environ.get("CI", "").lower() in ("true", "1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if CI and report.skipped and isinstance(report.longrepr, tuple) and "Skipped: missing: " in report.longrepr[2]:
        report.outcome, report.longrepr = "failed", report.longrepr[2]
    return report
