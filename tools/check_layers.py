#!/usr/bin/env python3
"""Fails on an include that goes up or sideways in the house. Rooms stand on layers; a room includes only layers below.

    check_layers.py [ROOT]      ROOT holds src/; default: the repo this file belongs to
"""
import pathlib
import re
import sys

# Bottom to top. Rooms of one layer do not see each other. See docs/architecture.md.
LAYERS = [
    ["base"],
    ["net", "config"],
    ["http"],
    ["route", "upstream", "policy"],
    ["policies"],
    ["gateway"],
    ["control"],
    ["app"],
]
HEIGHT = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def fault(place, target):
    """What is wrong with a file at `place` including `target`, both relative to src/; None when nothing is."""
    if "/" not in target or target.startswith("."):
        return "write the room's name: #include \"room/file.h\""
    room, other = place.parts[0], target.split("/")[0]
    if other not in HEIGHT:
        return f"there is no room '{other}'"
    if room == other == "policies":
        kind, sibling = place.parts[1], target.split("/")[1]
        return f"policies do not include each other ({kind} includes {sibling})" if kind != sibling else None
    if room == other or HEIGHT[other] < HEIGHT[room]:
        return None
    way = "sideways" if HEIGHT[other] == HEIGHT[room] else "up"
    return f"{room} includes {other}, which stands {'above' if way == 'up' else 'beside'} it"


def faults(root):
    source = root / "src"
    for path in sorted([*source.rglob("*.h"), *source.rglob("*.cc")]):
        place = path.relative_to(source)
        if place.parts[0] not in HEIGHT or len(place.parts) == 1:
            yield f"src/{place}: belongs to no room"
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            wrong = match and fault(place, match.group(1))
            if wrong:
                yield f"src/{place}:{number}: {wrong}"


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    found = list(faults(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
