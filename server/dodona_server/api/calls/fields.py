"""Names of fields in Vertex's dialect, for errors, which have the names in Python."""

from __future__ import annotations

import re

# Fields of the domain with another name on the wire; "" for those whose content belongs to the parent message there.
_NAMES = {
    "space": "",
    "kind": "",
    "noise": "observationNoise",
    "selection": "measurementSelectionType",
    "stopping": "studyStoppingConfig",
    "branches": "conditionalParameterSpecs",
}
# What stands between dots: a name, maybe with an index or a quoted key, which may contain dots itself.
_PART = re.compile(r"""(\w*)((?:\[(?:\d+|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\])*)(?:\.|$)""")
# The names of options are the algorithm's own.
_MAPS = ("algorithm_options.", "algorithmOptions.")


def vertex_field(path: str) -> str:
    """Return Vertex's path of a field: "studySpec.metrics[0].metricId"; a path that is Vertex's stays as it is."""
    for map_name in _MAPS:
        if map_name in path:
            head, _, key = path.partition(map_name)
            return f"{vertex_field(head + map_name.rstrip('.'))}.{key}"
    if _PART.sub("", path):
        return path
    named = [_NAMES.get(name, _camel_case(name)) + index for name, index in _PART.findall(path)]
    return ".".join(part for part in named if part)


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
