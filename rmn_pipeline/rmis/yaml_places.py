"""Where things stand in a YAML text: the line and the key of a part, and the column of a character in a text."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from rmn_pipeline.rmis.errors import MappingProblem

Location = tuple[str | int, ...]
# Far more than any mapping needs; deeper files would exhaust the stack of those who walk them.
MAX_DEPTH = 50


class YamlPlaces:
    """The places of one YAML text."""

    def __init__(self, text: str, root: yaml.Node) -> None:
        self._text = text
        self._root = root

    def find(self, location: Location) -> tuple[int, str]:
        """Line (1-based) and dotted key of the deepest part of `location` that the file really has."""
        _, line, key = self._deepest(location)
        return line + 1, key or "(whole file)"

    def character(self, location: Location, at: int) -> tuple[int, int] | None:
        """Line and column (1-based) of a text's character; None where the text is written in another way."""
        node, _, _ = self._deepest(location)
        if not isinstance(node, yaml.ScalarNode):
            return None
        start = self._text.find(node.value, node.start_mark.index, node.end_mark.index)
        if start < 0 or not node.value:
            return None
        before = self._text[: start + at]
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    def _deepest(self, location: Location) -> tuple[yaml.Node, int, str]:
        node, line, key = self._root, self._root.start_mark.line, ""
        for part in location:
            step = self._child(node, part)
            if step is None:
                # pydantic also names union members on the way; those stand in no file.
                continue
            node, line = step
            key = f"{key}.{part}" if key else str(part)
        return node, line, key

    @staticmethod
    def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, int] | None:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.value == str(part):
                    return value, name.start_mark.line
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            return node.value[part], node.value[part].start_mark.line
        return None


def structural_problems(node: yaml.Node, depth: int = 0) -> Iterator[MappingProblem]:
    """What YAML allows and a mapping does not: keys that stand twice or are no texts, and endless nesting."""
    line = node.start_mark.line + 1
    if depth > MAX_DEPTH:
        yield MappingProblem(line, "(yaml)", f"nested deeper than {MAX_DEPTH} levels, or within itself")
        return
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from structural_problems(item, depth + 1)
    if isinstance(node, yaml.MappingNode):
        yield from _key_problems(node)
        for _, value in node.value:
            yield from structural_problems(value, depth + 1)


def _key_problems(node: yaml.MappingNode) -> Iterator[MappingProblem]:
    """YAML lets the later of two equal keys win silently; here it is a mistake."""
    seen: set[str] = set()
    for name, _ in node.value:
        line = name.start_mark.line + 1
        if not isinstance(name, yaml.ScalarNode):
            yield MappingProblem(line, "(yaml)", "a key must be a text")
            continue
        if name.value in seen:
            yield MappingProblem(line, str(name.value), "stands here a second time")
        seen.add(name.value)
