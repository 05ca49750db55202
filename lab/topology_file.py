"""Reads a containerlab topology file; refuses what the lab cannot carry out, before anything is deployed.

Brief links carry their nature in `vars`: `id`, `media`, `srg`, and the impairment of satellite paths. Of a link's two
endpoints the first is the hub's (the core's), the second the site's. `defaults`, `kinds`, `groups` and `nodes` inherit
as in containerlab: lists add up, mappings merge, of single values the nearest wins.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any

from lifeline.config.document import Document
from lifeline.config.problems import ConfigError, Finding, KeyPath, did_you_mean
from lifeline.i18n import _
from lifeline.model.inventory import Media

from .place import NAME
from .topology import IMPAIRMENT_KEYS, Bind, Endpoint, Impairment, Link, Node, Topology

SERVICES = ("zebra", "staticd", "ospfd", "snmpd", "sshd", "sky", "gpsd", "chronyd", "plant", "devices")
DAEMONS = ("hub", "agent", "fastpath", "netwatch", "time", "power")

_LISTS = ("exec", "binds", "cap-add")
_MAPPINGS = ("labels", "sysctls", "env")
_WORDS = ("kind", "image", "group", "mgmt-ipv4")
_NODE_KEYS = (*_WORDS, *_LISTS, *_MAPPINGS, "privileged")
_LINK_KEYS = ("endpoints", "mtu", "vars")
_VAR_KEYS = ("id", "media", "srg", *IMPAIRMENT_KEYS)
_LABELS = ("lifeline.services", "lifeline.daemons")
_MGMT_INTERFACE = "eth0"
_NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


def load_topology(path: Path, base: Path | None = None) -> Topology:
    """Return the topology of a containerlab file.

    Args:
        path: the file.
        base: the folder that binds are relative to, when it is not the file's.

    Raises:
        ConfigError: the file cannot be read, is wrong, or asks for what the lab does not know; it holds every problem.
    """
    document = Document.read(path)
    reader = _Reader(path, document.data, base or path.resolve().parent)
    topology = reader.read()
    problems = [*document.problems, *map(document.problem, reader.findings)]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
    return topology


class _Reader:
    """One reading of one file; `findings` collects the mistakes."""

    def __init__(self, path: Path, data: Any, base: Path) -> None:
        self._path = path
        self._data = data
        self._base = base
        self.findings: list[Finding] = []

    def read(self) -> Topology:
        top = self._mapping((), self._data, ("name", "mgmt", "topology"), required=("name", "topology"))
        body = self._mapping(
            ("topology",), top.get("topology"), ("defaults", "kinds", "groups", "nodes", "links"), required=("nodes",)
        )
        name = self._name(("name",), top.get("name"), NAME)
        mgmt = self._mapping(("mgmt",), top.get("mgmt"), ("network", "ipv4-subnet"))
        subnet = self._subnet(("mgmt", "ipv4-subnet"), mgmt.get("ipv4-subnet"))
        nodes = self._nodes(body, subnet)
        links = self._links(body.get("links"), nodes)
        return Topology(self._path, name, nodes, links, subnet)

    # Nodes

    def _nodes(self, body: Mapping[str, Any], subnet: str | None) -> dict[str, Node]:
        at: KeyPath = ("topology",)
        defaults = self._layer((*at, "defaults"), body.get("defaults"))
        kinds = self._layers((*at, "kinds"), body.get("kinds"))
        for kind in kinds.keys() - {"linux"}:
            self._unknown((*at, "kinds", kind), _("kind"), kind, ("linux",))
        groups = self._layers((*at, "groups"), body.get("groups"))
        nodes = {}
        for name, own in self._layers((*at, "nodes"), body.get("nodes")).items():
            path = (*at, "nodes", name)
            if not _NODE_NAME.fullmatch(name):
                self._note(path, _("a node's name is lower-case letters, digits and hyphens"), at_key=True)
            group = str(own.get("group", defaults.get("group", "")))
            if group and group not in groups:
                self._unknown((*path, "group"), _("group"), group, groups, at_key=False)
            merged = _inherit(defaults, kinds.get("linux", {}), groups.get(group, {}), own)
            if "kind" not in merged:
                self._note(path, _("has no kind"), _("`kind: linux` in `defaults` is a kind for all"), at_key=True)
            nodes[name] = self._node(path, name, merged, subnet)
        return nodes

    def _layers(self, path: KeyPath, value: Any) -> dict[str, dict[str, Any]]:
        names = self._mapping(path, value, None)
        return {name: self._layer((*path, name), layer) for name, layer in names.items()}

    def _layer(self, path: KeyPath, value: Any) -> dict[str, Any]:
        """Return one layer of node settings, its types checked."""
        layer = self._mapping(path, value, _NODE_KEYS, what=_("node key"))
        for key in tuple(layer):
            wrong = (
                (key in _LISTS and not _is_list_of_words(layer[key]) and _("a list of texts"))
                or (key in _MAPPINGS and not _is_flat_mapping(layer[key]) and _("a mapping of plain values"))
                or (key in _WORDS and not isinstance(layer[key], str) and _("a text"))
                or (key == "privileged" and layer[key] is not False and _("false: the lab's nodes never are"))
            )
            if wrong:
                self._note((*path, key), _("must be {what}").format(what=wrong))
                del layer[key]
        if layer.get("kind", "linux") != "linux":
            self._unknown((*path, "kind"), _("node kind"), layer["kind"], ("linux",), at_key=False)
        labels = layer.get("labels", {})
        for label in labels:
            if label.startswith("lifeline.") and label not in _LABELS:
                self._unknown((*path, "labels", label), _("label"), label, _LABELS)
        for label, known in zip(_LABELS, (SERVICES, DAEMONS), strict=True):
            for word in _words(labels.get(label, "")):
                if word not in known:
                    self._unknown((*path, "labels", label), label.removeprefix("lifeline."), word, known, at_key=False)
        for index, line in enumerate(layer.get("exec", ())):
            try:
                shlex.split(line)
            except ValueError as error:
                self._note((*path, "exec", index), _("cannot be split: {error}").format(error=error))
        binds = [self._bind((*path, "binds", index), text) for index, text in enumerate(layer.get("binds", ()))]
        layer["binds"] = [bind for bind in binds if bind]
        return layer

    def _bind(self, path: KeyPath, text: str) -> Bind | None:
        parts = text.split(":")
        if len(parts) not in (2, 3) or not parts[1].startswith("/") or parts[2:] not in ([], ["ro"], ["rw"]):
            self._note(path, _("must be source:/target, source:/target:ro or source:/target:rw"))
            return None
        source = self._base / parts[0]
        if not source.exists():
            self._note(path, _("there is no {source}").format(source=source))
            return None
        return Bind(source, parts[1], read_only=parts[2:] == ["ro"])

    def _node(self, path: KeyPath, name: str, merged: Mapping[str, Any], subnet: str | None) -> Node:
        address = merged.get("mgmt-ipv4")
        if address is not None and not _is_inside(address, subnet):
            self._note((*path, "mgmt-ipv4"), _("{address!r} is no address of the management network {subnet}").format(
                address=address, subnet=subnet))  # fmt: skip
        labels = merged.get("labels", {})
        return Node(
            name=name,
            image=merged.get("image", ""),
            group=merged.get("group", ""),
            mgmt_ipv4=address,
            exec=tuple(tuple(shlex.split(line)) for line in merged.get("exec", ())) if not self.findings else (),
            binds=tuple(merged.get("binds", ())),
            sysctls={key: str(value) for key, value in merged.get("sysctls", {}).items()},
            env={key: str(value) for key, value in merged.get("env", {}).items()},
            services=_words(labels.get(_LABELS[0], "")),
            daemons=_words(labels.get(_LABELS[1], "")),
        )

    # Links

    def _links(self, value: Any, nodes: Mapping[str, Node]) -> dict[str, Link]:
        links: dict[str, Link] = {}
        taken: set[Endpoint] = set()
        for index, item in enumerate(value if isinstance(value, list) else ()):
            link = self._link(("topology", "links", index), item, nodes, taken)
            if link and link.id in links:
                self._note(
                    ("topology", "links", index, "vars", "id"), _("link id {id!r} stands twice").format(id=link.id)
                )
            elif link:
                links[link.id] = link
        if value is not None and not isinstance(value, list):
            self._note(("topology", "links"), _("must be {what}").format(what=_("a list of links")))
        return links

    def _link(self, path: KeyPath, value: Any, nodes: Mapping[str, Node], taken: set[Endpoint]) -> Link | None:
        if isinstance(value, dict) and value.get("type", "veth") != "veth":
            self._note((*path, "type"), _("the lab does not know link type {type!r}").format(type=value["type"]),
                       _("it knows brief links: `endpoints: [a:eth1, b:eth1]`"))  # fmt: skip
            return None
        body = self._mapping(path, value, _LINK_KEYS, required=("endpoints",), what=_("link key"))
        ends = self._endpoints((*path, "endpoints"), body.get("endpoints"), nodes, taken)
        at = (*path, "vars")
        given = self._mapping(at, body.get("vars"), _VAR_KEYS, what=_("link variable"))
        mtu = body.get("mtu", 1500)
        if not isinstance(mtu, int) or not 576 <= mtu <= 9216:
            self._note((*path, "mtu"), _("must be {what}").format(what=_("a number of bytes from 576 to 9216")))
        media = str(given.get("media", Media.COPPER.value))
        if media not in set(Media):
            self._unknown((*at, "media"), _("media"), media, [m.value for m in Media], at_key=False)
        impairment = self._impairment(at, given, satellite=media == Media.SATELLITE.value)
        srgs = self._srgs((*at, "srg"), given.get("srg", []))
        link_id = str(given.get("id", "-".join(map(str, ends or ())).replace(":", "-").lower()))
        if ends is not None:
            self._identifier((*at, "id"), link_id)
        if ends is None or self.findings:
            return None
        return Link(link_id, *ends, Media(media), srgs, impairment, mtu)

    def _srgs(self, path: KeyPath, value: Any) -> tuple[str, ...]:
        names = [value] if isinstance(value, str) else value
        if not _is_list_of_words(names):
            self._note(path, _("must be {what}").format(what=_("a text or a list of texts")))
            return ()
        for name in names:
            self._identifier(path, name)
        return tuple(names)

    def _identifier(self, path: KeyPath, name: str) -> None:
        if not _NODE_NAME.fullmatch(name):
            text = _("{name!r} is no identifier: lower-case letters, digits and hyphens")
            self._note(path, text.format(name=name))

    def _endpoints(
        self, path: KeyPath, value: Any, nodes: Mapping[str, Node], taken: set[Endpoint]
    ) -> tuple[Endpoint, Endpoint] | None:
        if not _is_list_of_words(value) or len(value) != 2 or not all(text.count(":") == 1 for text in value):
            if value is not None:
                self._note(path, _("must be {what}").format(what=_("two endpoints such as [a:eth1, b:eth1]")))
            return None
        hub, site = (Endpoint(*text.split(":")) for text in value)
        for index, end in enumerate((hub, site)):
            where = (*path, index)
            if end.node not in nodes:
                self._unknown(where, _("node"), end.node, nodes, at_key=False)
            if not _INTERFACE.fullmatch(end.interface):
                self._note(where, _("an interface's name has at most 15 letters, digits, dots, hyphens, underscores"))
            if end.interface in (_MGMT_INTERFACE, "lo"):
                self._note(where, _("interface {name} is not for links").format(name=end.interface))
            if end in taken:
                self._note(where, _("{end} is an end of another link already").format(end=end))
            taken.add(end)
        return hub, site

    def _impairment(self, path: KeyPath, given: Mapping[str, Any], *, satellite: bool) -> Impairment | None:
        values: dict[str, float] = {}
        for key in IMPAIRMENT_KEYS:
            if key not in given:
                continue
            value = given[key]
            if not satellite:
                self._note((*path, key), _("only a satellite link has {key}").format(key=key), at_key=True)
            elif isinstance(value, bool) or not isinstance(value, int | float):
                self._note((*path, key), _("must be {what}").format(what=_("a number")))
            else:
                values[key] = float(value)
        if not satellite:
            return None
        try:
            return Impairment(**values)
        except ValueError as error:
            wrong = str(error).partition(" ")[0]
            self._note((*path, wrong), str(error))
            return None

    # Common

    def _mapping(
        self,
        path: KeyPath,
        value: Any,
        known: Iterable[str] | None,
        *,
        required: tuple[str, ...] = (),
        what: str = "",
    ) -> dict[str, Any]:
        """Return a mapping with known keys only; absent is empty."""
        if value is None and not required:
            return {}
        if not isinstance(value, dict):
            self._note(path, _("must be {what}").format(what=_("a mapping")))
            return {}
        kept = {}
        for key, item in value.items():
            if known is None or key in known:
                kept[key] = item
            else:
                self._unknown((*path, key), what or _("key"), key, known)
        for key in required:
            if value.get(key) is None:
                self._note(path, _("{key!r} is missing").format(key=key))
        return kept

    def _name(self, path: KeyPath, value: Any, pattern: re.Pattern[str]) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            if value is not None:
                self._note(path, _("a lab's name is lower-case letters, digits and hyphens, at most 32"))
            return ""
        return value

    def _subnet(self, path: KeyPath, value: Any) -> str | None:
        try:
            return None if value is None else str(IPv4Network(str(value)))
        except ValueError as error:
            self._note(path, str(error))
            return None

    def _unknown(self, path: KeyPath, what: str, word: Any, known: Iterable[str], *, at_key: bool = True) -> None:
        _guess, hint = did_you_mean(str(word), known, _("it knows"))
        self._note(path, _("the lab does not know {what} {word!r}").format(what=what, word=word), hint, at_key=at_key)

    def _note(self, path: KeyPath, message: str, hint: str = "", *, at_key: bool = False) -> None:
        self.findings.append(Finding(path, message, hint, at_key))


def _inherit(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return node settings merged from the farthest layer to the nearest, as containerlab merges them."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if key in _LISTS:
                merged[key] = [*merged.get(key, ()), *value]
            elif key in _MAPPINGS:
                merged[key] = {**merged.get(key, {}), **value}
            else:
                merged[key] = value
    return merged


def _words(text: Any) -> tuple[str, ...]:
    return tuple(word.strip() for word in str(text).split(",") if word.strip())


def _is_list_of_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_flat_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str | int | float) for item in value.values())


def _is_inside(address: str, subnet: str | None) -> bool:
    try:
        return subnet is not None and ip_address(address) in IPv4Network(subnet)
    except ValueError:
        return False
