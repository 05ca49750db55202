"""Habits of the house that no linter knows."""

import io
import re
import tokenize

import pytest
from arch_tree import PACKAGES, ROOT, committed, modules

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = re.compile(
    "|".join(
        [
            *(rf"\b{name}\.{top}\b" for name, top in [
                ("pypi", "org"), ("python" + "hosted", "org"), ("npm" + "js", "(?:org|com)"), ("crates", "io"),
                ("ruby" + "gems", "org"), ("proxy.go" + "lang", "org"), ("docker", "io"), ("gh" + "cr", "io"),
                ("quay", "io"), ("conda", "anaconda"), ("debian", "org"),
            ]),
            r"\bmirrors?\.[a-z0-9-]+\.[a-z]{2,}\b",
            r"https?://[^\s'\"<>]+/simple\b",
            rf"\b(?:index|extra-index)-{'url'}[ =]+\S*[:/.]",
            rf"\bPIP_(?:EXTRA_)?INDEX_{'URL'}\b",
        ]
    ),
    re.IGNORECASE,
)  # fmt: skip
SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b.*")
WITH_REASON = re.compile(
    r"# (?:noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*|type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\])\s+(?:-|#) \S.+"
)


def test_no_committed_file_names_a_package_registry():
    """The environment says where packages come from; an address in a file would go round it."""
    found = []
    for path in committed():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a compiled catalogue
        found += [f"{path}: {match.group()}" for match in REGISTRIES.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "https://" + "pypi" + ".org/simple/x",
        "files.python" + "hosted.org",
        "--index-" + "url https://packages.example/x",
        "PIP_INDEX_" + "URL=x",
        "mirrors." + "example.cn",
        "http://10.0.0.1:8081/repository/p/" + "simple",
    ],
)
def test_a_registry_address_would_be_noticed(text):
    assert REGISTRIES.search(text)


def test_every_suppression_carries_its_reason():
    bare = []
    for path in modules(*PACKAGES, "tests", "bench"):
        source = (ROOT / path).read_text(encoding="utf-8")
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            suppression = SUPPRESSION.search(token.string) if token.type == tokenize.COMMENT else None
            if suppression and not WITH_REASON.fullmatch(suppression.group()):
                bare.append(f"{path}:{token.start[0]}: {token.string}")
    assert bare == []


def test_no_module_is_longer_than_500_lines():
    long = [
        str(path) for path in modules(*PACKAGES) if len((ROOT / path).read_text(encoding="utf-8").splitlines()) > 500
    ]
    assert long == []
