"""Check every locked package for known vulnerabilities with pip-audit (``make audit``).

pip-audit skips packages that its service does not know and still succeeds. Here, a skipped package is a failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.txt", "requirements/gpu.txt", "requirements/control-plane.txt", "requirements/dev.txt")
LONGEST = 120
EXPLAINED: dict[str, str] = {}
"""Vulnerabilities that do not affect this project, with the reason by identifier (docs/how-to/deploy.md)."""


def main() -> int:
    """Return 0 if all packages of all locks were checked, and none has an unexplained vulnerability."""
    found = sum(audit(CHECKOUT / name) for name in LOCKS)
    return 1 if found else 0


def audit(lock: Path) -> int:
    """Print the vulnerabilities of a lock; return how many packages are vulnerable or were not checked."""
    ignored = [word for name in EXPLAINED for word in ("--ignore-vuln", name)]
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", *ignored]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"{lock.name}: not checked. {done.stderr.strip().splitlines()[-1][:LONGEST] if done.stderr else ''}")
        return 1
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        for flaw in package["vulns"]:
            fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
            print(f"{lock.name}: {package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    print(f"{lock.name}: {len(packages) - len(unknown)} packages checked, {len(vulnerable)} vulnerable")
    if unknown:
        print(f"{lock.name}: {len(unknown)} could not be checked, e.g. {', '.join(unknown[:5])}")
    return len(vulnerable) + len(unknown)


if __name__ == "__main__":
    sys.exit(main())
