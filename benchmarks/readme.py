"""Copies the tables of benchmarks/results/*.md into README.md and docs, between their markers.

    <!-- results: geometry -->   …   <!-- end results -->

Run `python benchmarks/readme.py` after a benchmark; `--check` only says whether they agree.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SECTION = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end results -->)", re.DOTALL)


def filled(text: str) -> str:
    def table(match: re.Match[str]) -> str:
        body = (RESULTS / f"{match[2]}.md").read_text().strip()
        return f"{match[1]}{body}\n{match[3]}"

    return SECTION.sub(table, text)


def main() -> int:
    stale = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text()
        new = filled(text)
        if new != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(new)
    if stale:
        print("out of date:" if "--check" in sys.argv else "updated:", ", ".join(stale))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
