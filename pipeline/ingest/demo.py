"""x"""
from pathlib import Path
def write_demo_dump(path: Path) -> None:
    path.write_text("Text,Score\na,5\n")
