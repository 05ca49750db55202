"""Tokens: shown once, kept as hashes, forgotten on request, and roles that include one another."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from noc import tokens
from noc.tokens import Role, TokenError, TokenStore


def test_a_token_is_found_by_its_secret_and_by_nothing_else(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    secret = store.create("desk", "operator")
    found = store.find(secret)
    assert found is not None
    assert (found.name, found.role) == ("desk", Role.OPERATOR)
    for other in ("", secret[:-1], secret + "x", found.sha256):
        assert store.find(other) is None


def test_only_hashes_are_kept_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    secret = tokens.create(tmp_path, "desk", "viewer")
    file = tmp_path / tokens.FILE
    assert secret not in file.read_text()
    assert secret.removeprefix("lifeline_") not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_secrets_have_256_random_bits(tmp_path: Path) -> None:
    secrets = {tokens.create(tmp_path, f"t{n}", "agent") for n in range(20)}
    assert len(secrets) == 20
    assert all(len(secret.removeprefix("lifeline_")) == 43 for secret in secrets)


def test_a_change_by_another_process_holds_at_once(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    assert store.all() == {}
    secret = tokens.create(tmp_path, "desk", "viewer")
    found = store.find(secret)
    assert found is not None
    assert store.stands(found)
    TokenStore(tmp_path).revoke("desk")
    assert store.find(secret) is None
    assert not store.stands(found)
    tokens.create(tmp_path, "desk", "viewer")
    assert not store.stands(found), "another token of the same name is another token"


def _create(directory: Path, n: int) -> None:
    for m in range(10):
        tokens.create(directory, f"t{n}-{m}", "agent")


def test_processes_that_make_tokens_at_once_lose_none(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_create, args=(tmp_path, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(TokenStore(tmp_path).all()) == 30


def test_the_first_token_is_made_once_ever(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    assert store.create_first() is not None
    assert store.create_first() is None
    store.revoke(tokens.FIRST_NAME)
    assert store.create_first() is None


@pytest.mark.parametrize(
    ("name", "role", "text"),
    [
        ("", "viewer", "cannot name a token"),
        ("a b", "viewer", "cannot name a token"),
        ("x" * 65, "viewer", "cannot name a token"),
        ("desk", "king", "there is no role 'king'; there are viewer, operator, approver, administrator, agent"),
    ],
)
def test_a_token_that_cannot_be_is_told(tmp_path: Path, name: str, role: str, text: str) -> None:
    with pytest.raises(TokenError, match=text):
        tokens.create(tmp_path, name, role)
    assert TokenStore(tmp_path).all() == {}


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}', '{"format": 1, "tokens": [{"name": "x"}]}', "[]"])
def test_a_damaged_file_admits_nobody_and_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / tokens.FILE).write_text(content)
    with pytest.raises(TokenError, match=tokens.FILE):
        TokenStore(tmp_path).find("x")
    with pytest.raises(TokenError):
        tokens.create(tmp_path, "desk", "viewer")
    assert (tmp_path / tokens.FILE).read_text() == content


def test_roles_include_what_stands_below_them_and_agents_stand_apart() -> None:
    may = {role: {other for other in Role if role.includes(other)} for role in Role}
    assert may == {
        Role.VIEWER: {Role.VIEWER},
        Role.OPERATOR: {Role.VIEWER, Role.OPERATOR},
        Role.APPROVER: {Role.VIEWER, Role.OPERATOR, Role.APPROVER},
        Role.ADMINISTRATOR: {Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMINISTRATOR},
        Role.AGENT: {Role.AGENT},
    }


def test_the_file_says_its_format(tmp_path: Path) -> None:
    tokens.create(tmp_path, "desk", "viewer")
    assert json.loads((tmp_path / tokens.FILE).read_text())["format"] == 1
