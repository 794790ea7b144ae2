"""Check that a built site has every public name: python docs/check_reference.py HTML_FOLDER."""

import sys
from pathlib import Path

from sphinx.util.inventory import InventoryFile

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from reference import public_names


def undocumented(site: Path) -> list[str]:
    """Return the public names that the site's inventory lacks."""
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    documented = {name for kind, names in inventory.items() if kind[:3] == "py:" for name in names}
    return [name for name, _ in public_names() if name not in documented]


if __name__ == "__main__":
    missing = undocumented(Path(sys.argv[1]))
    if missing:
        sys.exit(f"Public, but not in the reference: {', '.join(missing)}")
    print(f"The reference has all {sum(1 for _ in public_names())} public names.")
