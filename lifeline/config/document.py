"""A YAML file as plain data that remembers where everything stood.

Scalars follow YAML 1.2's core schema, as JSON Schema tools do: `no`, `12:30` and `0777` are words, keys are always
words. Positions are looked up in the node tree only when an error needs one, so a good file pays nothing for them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ..i18n import _
from .problems import ConfigError, Finding, KeyPath, Problem, dotted, is_private

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 64
"""The C parser builds nodes recursively; without a bound a line of brackets is a segmentation fault."""
MAX_NODES = 2_000_000
"""Bound on nodes after aliases are expanded: nine lines of nested aliases make a billion."""

_TAG = "tag:yaml.org,2002:"
_STR, _INT, _FLOAT, _BOOL, _NULL = (_TAG + name for name in ("str", "int", "float", "bool", "null"))
_SEQ, _MAP, _MERGE = (_TAG + name for name in ("seq", "map", "merge"))
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _TooDeepError(Exception):
    """Nodes nest deeper than any inventory does."""


class _Loader(yaml.CSafeLoader):
    """The C parser with YAML 1.2 scalars and a bound on depth. PyYAML calls these methods for every node."""

    depth = 0

    def descend_resolver(self, _parent: Node | None, _index: Any) -> None:
        """Count a level down."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _TooDeepError

    def ascend_resolver(self) -> None:
        """Count a level up."""
        self.depth -= 1

    def resolve(self, kind: type[Node], value: str, implicit: tuple[bool, bool]) -> str:
        """Return the tag of a node that has none written; `implicit[0]` says that a scalar is plain, not quoted."""
        if kind is not ScalarNode:
            return _SEQ if kind is SequenceNode else _MAP
        if implicit[0]:
            for tag, pattern in _SCALARS.get(value[:1], ()):
                if pattern.match(value):
                    return tag
        return _STR


def _scalars() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the plain scalars that are no strings, by their first character (YAML 1.2.2, 10.3.2)."""
    table = defaultdict(list)
    for tag, first, pattern in (
        (_NULL, ["~", "n", "N", ""], r"(?:~|null|Null|NULL|)\Z"),
        (_BOOL, "tTfF", r"(?:true|True|TRUE|false|False|FALSE)\Z"),
        (_INT, "-+0123456789", r"[-+]?(?:0|[1-9][0-9]*)\Z"),
        (_FLOAT, "-+.0123456789", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"),
        (_MERGE, "<", r"<<\Z"),
    ):
        for character in first:
            table[character].append((tag, re.compile(pattern)))
    return dict(table)


_SCALARS = _scalars()


class Document:
    """A parsed file: `data` is its value, `problems` what was wrong with its keys.

    Raises:
        ConfigError: the text is not YAML, empty, or without end; the problem has the position.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)  # YAML 1.1's line breaks, as libyaml counts them
        self._nodes = 0
        self._open: set[int] = set()
        self._root = self._compose(text)
        self.data: Any = self._value(self._root, ())

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file.

        Raises:
            ConfigError: unreadable, too large, not UTF-8, not YAML, or empty.
        """
        file = str(path)
        try:
            with path.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigError(
                [Problem(file, None, None, "", _("cannot be read: {reason}").format(reason=reason))]
            ) from error
        if len(raw) > MAX_BYTES:
            raise ConfigError([Problem(file, None, None, "", _("is larger than 64 MiB"))])
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = raw[: error.start].decode("utf-8-sig", "replace").split("\n")
            message = _("is not UTF-8: byte 0x{byte:02x}").format(byte=raw[error.start])
            raise ConfigError([Problem(file, len(before), len(before[-1]) + 1, "", message,
                                       _("save the file as UTF-8"))]) from error  # fmt: skip
        return cls(text, file)

    def problem(self, finding: Finding) -> Problem:
        """Return a finding with its place in the file; a path that does not stand there gets its nearest parent's."""
        node, at_key = self._root, finding.at_key
        mark = node.start_mark
        for depth, step in enumerate(finding.path):
            key_node, child = self._child(node, step)
            if child is None:
                break
            last = depth == len(finding.path) - 1
            mark = key_node.start_mark if key_node is not None and (at_key or not last) else child.start_mark
            node = child
        return self._problem_at(mark, finding.path, finding.message, finding.hint, private=finding.private)

    def _problem_at(self, mark: Any, path: KeyPath, message: str, hint: str = "", *, private: bool = False) -> Problem:
        line, column = mark.line, mark.column
        if line >= len(self._lines):  # libyaml counts the end of a file whose last line does not end as a line more
            line, column = len(self._lines) - 1, len(self._lines[-1])
        source = "" if private else self._lines[line]
        return Problem(self.file, line + 1, column + 1, dotted(path), message, hint, source)

    def _compose(self, text: str) -> Node:
        """Parse the text into nodes."""
        if bad := _UNPRINTABLE.search(text):
            before = text[: bad.start()].split("\n")
            message = _("is not YAML: control character U+{code:04X}").format(code=ord(bad.group()))
            raise ConfigError([Problem(self.file, len(before), len(before[-1]) + 1, "", message)])
        try:
            root = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            raise ConfigError([self._syntax_problem(error)]) from error
        except _TooDeepError:
            message = _("is not an inventory: nested deeper than {n} levels").format(n=MAX_DEPTH)
            raise ConfigError([Problem(self.file, None, None, "", message)]) from None
        if root is None:
            raise ConfigError([Problem(self.file, None, None, "", _("is empty"),
                                       _("an inventory starts with `lifeline: 1`"))])  # fmt: skip
        return root

    def _syntax_problem(self, error: yaml.MarkedYAMLError) -> Problem:
        mark = error.problem_mark or error.context_mark
        if mark is not None and error.context_mark is not None and mark.line >= len(self._lines) - 1:
            mark = error.context_mark  # at the end of the file nobody finds the quote that was never closed
        message = _("is not YAML: {reason}").format(reason=error.problem)
        if error.context:
            message += f" ({error.context})"
        if mark is None:
            return Problem(self.file, None, None, "", message)
        line = self._lines[mark.line] if mark.line < len(self._lines) else ""
        hint = _("indent with spaces, not with tabs") if line[mark.column : mark.column + 1] == "\t" else ""
        return self._problem_at(mark, (), message, hint)

    def _value(self, node: Node, path: KeyPath) -> Any:
        """Return a node's plain value, noting what is wrong with it and below it."""
        self._nodes += 1
        if isinstance(node, ScalarNode):
            return node.value if node.tag == _STR else self._scalar(node, path)
        if id(node) in self._open:
            self._note(node, path, _("an alias inside its own anchor"))
            return None
        if self._nodes > MAX_NODES:
            message = _("aliases expand to more than {n} nodes").format(n=MAX_NODES)
            raise ConfigError([self._problem_at(node.start_mark, path[:2], message)])
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, MappingNode)
            if _is_plain(node):
                return {key.value: self._value(value, (*path, key.value)) for key, value in node.value}
            self._check_keys(node, path)
            return {key: self._value(value, (*path, key)) for key, _key_node, value in _entries(node)}
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        tag, text = node.tag, node.value
        if tag == _INT:
            return int(text) if len(text) < 100 else text
        if tag == _FLOAT:
            number = float(text)
            return number if isfinite(number) else text
        if tag == _BOOL:
            return text in {"true", "True", "TRUE"}
        if tag == _NULL:
            return None
        self._note(node, path, _("tag {tag!r} means nothing here").format(tag=tag.removeprefix(_TAG)))
        return None

    def _check_keys(self, node: MappingNode, path: KeyPath) -> None:
        """Note keys that are no words, keys that stand twice, and merges of what is no mapping."""
        first: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                if not all(isinstance(source, MappingNode) for source in merged):
                    self._note(value_node, (*path, "<<"), _("only mappings can be merged"))
            elif not isinstance(key_node, ScalarNode):
                self._note(key_node, path, _("a key must be a word"))
            elif key_node.value in first:
                line = first[key_node.value].start_mark.line + 1
                self._note(
                    key_node, (*path, key_node.value), _("duplicate key; first on line {line}").format(line=line)
                )
            else:
                first[key_node.value] = key_node

    def _note(self, node: Node, path: KeyPath, message: str) -> None:
        self.problems.append(self._problem_at(node.start_mark, path, message, private=is_private(path)))

    @staticmethod
    def _child(node: Node, step: str | int) -> tuple[Node | None, Node | None]:
        """Return the key node (of a mapping) and the value node one step below a node."""
        if isinstance(node, MappingNode):
            for key, key_node, value in _entries(node):
                if key == step:
                    return key_node, value
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            return None, node.value[step]
        return None, None


def _is_plain(node: MappingNode) -> bool:
    """Tell whether a mapping has words for keys, none twice, and no merge: nearly every mapping, and quick to build."""
    words = {key.value for key, _value in node.value if isinstance(key, ScalarNode) and key.tag != _MERGE}
    return len(words) == len(node.value)


def _entries(node: MappingNode) -> Iterator[tuple[str, Node, Node]]:
    """Yield a mapping's (key, key node, value node), merges (`<<`) resolved: own keys win, then the first merge's."""
    seen: set[str] = set()
    visited: set[int] = set()  # a mapping met again can only repeat itself, and may contain itself
    waiting: list[Node] = [node]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, MappingNode) or id(current) in visited:
            continue
        visited.add(id(current))
        merged: list[Node] = []
        for key_node, value in current.value:
            if key_node.tag == _MERGE:
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif isinstance(key_node, ScalarNode) and key_node.value not in seen:
                seen.add(key_node.value)
                yield key_node.value, key_node, value
        waiting += reversed(merged)
