"""Look every locked package up among the known vulnerabilities (``make audit``), by pip-audit.

pip-audit passes over packages that its service does not know, and ends well. Here that is a failure: where nobody was
asked, nothing was found out.
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
"""Vulnerabilities that do not touch this project, by their identifier, with the reason (docs/how-to/deploy.md)."""


def main() -> int:
    """Return 0 when all packages of all locks were looked up and none has a vulnerability that is not explained."""
    found = sum(audit(CHECKOUT / name) for name in LOCKS)
    return 1 if found else 0


def audit(lock: Path) -> int:
    """Print what is known of a lock's packages; return how many are vulnerable or could not be looked up."""
    ignored = [word for name in EXPLAINED for word in ("--ignore-vuln", name)]
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", *ignored]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"{lock.name}: not looked up. {done.stderr.strip().splitlines()[-1][:LONGEST] if done.stderr else ''}")
        return 1
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        for flaw in package["vulns"]:
            fixed = ", ".join(flaw["fix_versions"]) or "nothing yet"
            print(f"{lock.name}: {package['name']} {package['version']}: {flaw['id']}, mended in {fixed}")
    print(f"{lock.name}: {len(packages) - len(unknown)} packages looked up, {len(vulnerable)} vulnerable")
    if unknown:
        print(f"{lock.name}: {len(unknown)} could not be looked up, among them {', '.join(unknown[:5])}")
    return len(vulnerable) + len(unknown)


if __name__ == "__main__":
    sys.exit(main())
