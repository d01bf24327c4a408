"""Tokens: their file, the commands that change it, and what a running server accepts."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import fail_after, to_thread

from rover.cli import main
from rover.errors import AccessEnded, TokenError, TokensUnavailable, TokensUnreadable
from rover.identity import EVERYONE, LOCAL, SCOPES
from rover.sessions import SignIns
from rover.settings import Settings
from rover.tokens import Tokens
from rover.tokens.commands import add_token, list_tokens, revoke_token, tokens_file
from rover.tokens.terms import expiry_of, scopes_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

NOW = 1_795_881_600.0  # 2026-11-28T16:00:00Z
DAY_S = 86_400.0
SHARED = "shared-token-16-characters"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def running(settings: Settings, clock: Callable[[], float]) -> Tokens:
    return Tokens(tokens_file(settings.data_dir).path, clock=clock)


def add(settings: Settings, name: str = "Ada", scopes: str = "view", **more: Any) -> str:
    return add_token(settings, name, scopes, now=NOW, **more).text


def test_a_token_gives_its_name_scopes_and_role(settings: Settings, clock: Clock) -> None:
    text = add(settings, "Ada", "view, say:flight-*,view", role="CAPCOM")
    identity = running(settings, clock).identify(text.encode())
    assert identity is not None
    assert (identity.name, identity.role) == ("Ada", "CAPCOM")
    assert identity.scopes == {"view", "say:flight-*"}
    assert text.startswith(f"rvr_{identity.token}_")
    assert len(text.rpartition("_")[2]) * 4 >= 128


def test_the_file_is_private_and_has_no_secret(settings: Settings) -> None:
    text = add(settings)
    path = tokens_file(settings.data_dir).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    secret = text.rpartition("_")[2]
    for file in (*path.parent.iterdir(), *path.parent.rglob("*.jsonl")):
        if file.is_file():
            assert secret not in file.read_text()


def test_a_wrong_token_is_refused(settings: Settings, clock: Clock) -> None:
    text, other = add(settings), add(settings, "Bob")
    prefix, token_id, secret = text.split("_")
    tokens = running(settings, clock)
    wrong = [
        *(text[:count] for count in (0, 3, 4, 12, 13, len(text) - 1)),
        *(f"{text}0", f" {text}", f"{text}\0", text.upper(), text.replace("rvr", "RVR")),
        f"{prefix}_{token_id}_{other.split('_')[2]}",
        f"{prefix}_{other.split('_')[1]}_{secret}",
        f"{prefix}__{secret}",
        f"_{token_id}_{secret}",
        f"{prefix}_{token_id}",
        f"{prefix}_ffffffff_{secret}",
        "rvr_" * 10_000,
        "é",
    ]
    assert [one for one in wrong if tokens.identify(one.encode()) is not None] == []
    assert tokens.identify(b"\xff_\0_\xff") is None


def test_the_hash_in_the_file_is_no_token(settings: Settings, clock: Clock) -> None:
    token = add_token(settings, "Ada", "view", now=NOW).token
    given = f"rvr_{token.id}_{token.digest.hex()}"
    assert running(settings, clock).identify(given.encode()) is None


def test_a_token_is_refused_from_its_time_of_expiry(settings: Settings, clock: Clock) -> None:
    text = add(settings, expires="30d").encode()
    tokens = running(settings, clock)
    clock.now = NOW + 30 * DAY_S - 1
    assert tokens.identify(text) is not None
    clock.now += 1
    assert tokens.identify(text) is None


@pytest.mark.parametrize("clock_s", [0.0, 1.0, NOW - 3_600])
def test_a_clock_before_the_creation_of_a_token_does_not_revive_it(
    settings: Settings, clock: Clock, clock_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    expiring, lasting = add(settings, expires="30d").encode(), add(settings).encode()
    clock.now = clock_s
    tokens = running(settings, clock)
    assert tokens.identify(expiring) is None
    assert tokens.identify(lasting) is not None
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 1


def test_a_clock_that_is_slightly_slow_does_not_matter(settings: Settings, clock: Clock) -> None:
    text = add(settings, expires="30d").encode()
    clock.now = NOW - 60
    assert running(settings, clock).identify(text) is not None


async def test_the_first_token_closes_the_door_of_a_running_server(
    settings: Settings, clock: Clock
) -> None:
    tokens = running(settings, clock)
    required_before = tokens.required
    ended: list[AccessEnded] = []
    with tokens.grants.hold(LOCAL, ended.append):
        text = add(settings)
        await tokens.refresh()
    assert (required_before, tokens.required) == (False, True)
    assert [error.reason for error in ended] == ["token_required"]
    assert tokens.identify(text.encode()) is not None


async def test_a_revoked_token_is_refused_and_its_streams_end(
    settings: Settings, clock: Clock
) -> None:
    ada, bob = add(settings).encode(), add(settings, "Bob").encode()
    tokens = running(settings, clock)
    identities = [tokens.identify(ada), tokens.identify(bob)]
    ended: list[AccessEnded] = []
    others: list[AccessEnded] = []
    with (
        tokens.grants.hold(identities[0], ended.append),
        tokens.grants.hold(identities[1], others.append),
        tokens.grants.hold(EVERYONE, others.append),
    ):
        revoke_token(settings, ada.decode().split("_")[1])
        await tokens.refresh()
        await tokens.refresh()
    assert [error.reason for error in ended] == ["revoked"]
    assert others == []
    assert tokens.identify(ada) is None
    assert tokens.identify(bob) is not None


async def test_a_stream_that_opens_during_a_revocation_ends_at_once(
    settings: Settings, clock: Clock
) -> None:
    text = add(settings)
    tokens = running(settings, clock)
    identity = tokens.identify(text.encode())
    revoke_token(settings, text)
    await tokens.refresh()
    ended: list[AccessEnded] = []
    with tokens.grants.hold(identity, ended.append):
        assert [error.reason for error in ended] == ["revoked"]
    assert len(tokens.grants) == 0


async def test_streams_end_when_their_token_expires(settings: Settings, clock: Clock) -> None:
    text = add(settings, expires="12h")
    tokens = running(settings, clock)
    ended: list[AccessEnded] = []
    with tokens.grants.hold(tokens.identify(text.encode()), ended.append):
        clock.now = NOW + DAY_S / 2 - 0.1
        await tokens.refresh()
        assert ended == []
        clock.now += 0.2
        await tokens.refresh()
    assert [error.reason for error in ended] == ["expired"]


async def test_changed_scopes_take_effect(settings: Settings, clock: Clock) -> None:
    text = add(settings, scopes="view,admin").encode()
    tokens = running(settings, clock)
    path = tokens_file(settings.data_dir).path
    ended: list[AccessEnded] = []
    with tokens.grants.hold(tokens.identify(text), ended.append):
        content = json.loads(path.read_text())
        content["tokens"][0]["scopes"] = ["view"]
        path.write_text(json.dumps(content))
        await tokens.refresh()
    assert [error.reason for error in ended] == ["changed"]
    identity = tokens.identify(text)
    assert identity is not None
    assert identity.scopes == {"view"}


def entry(**fields: Any) -> bytes:
    good = {
        "id": "01234567",
        "sha256": "0" * 64,
        "name": "Eve",
        "scopes": ["admin"],
        "created": "2026-11-28T15:00:00Z",
    }
    return json.dumps({"version": 1, "tokens": [{**good, **fields}]}).encode()


def test_a_token_can_be_revoked_while_the_disk_is_full(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [add(settings, name).split("_")[1] for name in ("Ada", "Bo")]
    write = os.open

    def fail_to_create(path: Path, flags: int, *mode: int) -> int:
        if Path(path).name.endswith(".new"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, flags, *mode)

    monkeypatch.setattr(os, "open", fail_to_create)
    revoke_token(settings, ids[0])
    with pytest.raises(TokenError, match="No space left"):
        add(settings, "Eve")
    monkeypatch.undo()
    assert [token.id for token in list_tokens(settings)] == ids[1:]


DAMAGED = [
    *(b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"version": 1}'),
    *(b'{"version": 2, "tokens": []}', b'{"version": 1, "tokens": [1]}', b"x" * (4 * 2**20 + 1)),
    *(entry(id="1"), entry(id=None), entry(sha256="0"), entry(name=7), entry(name="a\nb")),
    *(entry(scopes="admin"), entry(scopes=[1]), entry(created="soon"), entry(expires="soon")),
    *(entry(created="2026-11-28T15:00:00"), entry(expires=1795881600), entry(role=["x"])),
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
async def test_a_damaged_file_gives_nobody_access_and_the_log_says_so(
    settings: Settings, clock: Clock, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    text = add(settings).encode()
    path = tokens_file(settings.data_dir).path
    good = path.read_bytes()
    tokens = running(settings, clock)
    path.write_bytes(content)
    ended: list[AccessEnded] = []
    with tokens.grants.hold(tokens.identify(text), ended.append):
        await tokens.refresh()
        await tokens.refresh()
    assert [error.reason for error in ended] == ["unavailable"]
    assert tokens.required
    assert "tokens.json" in (tokens.failure or "")
    assert tokens.identify(text) is None
    with pytest.raises(TokensUnavailable):
        await SignIns(tokens, settings).check_token(text, "10.0.0.7")
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 1
    assert running(settings, clock).required
    with pytest.raises(TokensUnreadable):
        add(settings)
    assert path.read_bytes() == content
    for _ in range(20):  # it may be right, so it does not count as wrong
        assert isinstance(SignIns(tokens, settings).failure("10.0.0.7", text), TokensUnavailable)
    path.write_bytes(good)
    await tokens.refresh()
    assert tokens.failure is None
    assert tokens.identify(text) is not None


async def test_a_deleted_file_gives_nobody_access(settings: Settings, clock: Clock) -> None:
    text = add(settings).encode()
    tokens = running(settings, clock)
    tokens_file(settings.data_dir).path.unlink()
    await tokens.refresh()
    assert tokens.required
    assert tokens.identify(text) is None


async def test_revoking_the_last_token_does_not_open_the_door(
    settings: Settings, clock: Clock
) -> None:
    revoke_token(settings, add(settings))
    assert running(settings, clock).required


async def test_a_revocation_does_not_wait_for_threads_of_others(
    settings: Settings, clock: Clock
) -> None:
    text = add(settings)
    tokens = running(settings, clock)
    revoke_token(settings, text)
    threads = to_thread.current_default_thread_limiter()
    borrowers = [object() for _ in range(int(threads.total_tokens))]
    for borrower in borrowers:
        threads.acquire_on_behalf_of_nowait(borrower)
    try:
        with fail_after(5):
            await tokens.refresh()
    finally:
        for borrower in borrowers:
            threads.release_on_behalf_of(borrower)
    assert tokens.identify(text.encode()) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
async def test_an_unreadable_file_gives_nobody_access(settings: Settings, clock: Clock) -> None:
    text = add(settings).encode()
    path = tokens_file(settings.data_dir).path
    path.chmod(0)
    tokens = running(settings, clock)
    assert tokens.required
    path.chmod(0o600)
    await tokens.refresh()
    assert tokens.identify(text) is not None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_a_file_that_is_none_does_not_block(
    settings: Settings, clock: Clock, make: Callable[[Path], None]
) -> None:
    settings.data_dir.mkdir()
    make(tokens_file(settings.data_dir).path)
    tokens = running(settings, clock)
    assert tokens.required
    await tokens.refresh()


def test_a_lock_that_is_a_link_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    settings.data_dir.mkdir()
    (settings.data_dir / "tokens.json.lock").symlink_to(other)
    with pytest.raises(TokenError):
        add(settings)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_files_that_root_creates_belong_to_the_owner_of_the_folder(settings: Settings) -> None:
    settings.data_dir.mkdir()
    os.chown(settings.data_dir, 4_321, 4_321)
    add(settings)
    for path in settings.data_dir.glob("tokens.json*"):
        assert (path.stat().st_uid, path.stat().st_gid) == (4_321, 4_321)


def _add_some(settings: Settings) -> None:
    for _ in range(10):
        add(settings)


def test_two_processes_add_tokens_at_the_same_time(settings: Settings) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add_some, args=(settings,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len({token.id for token in list_tokens(settings)}) == 20


def test_a_shared_token_has_all_scopes(settings: Settings) -> None:
    tokens = Tokens(tokens_file(settings.data_dir).path, [SHARED])
    assert tokens.required
    assert tokens.identify(SHARED.encode()) is EVERYONE
    assert tokens.identify(SHARED[:-1].encode()) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "view,", "View", "view:x", "say:", "say:flight/1", "say:a,b c", "all", "*"),
        *(f"say:{'a' * 65}", "say :flight", "admin*"),
    ],
)
def test_a_scope_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        scopes_of(text)


@pytest.mark.parametrize("scope", [*SCOPES, "say:flight-*", "say:[a-c]?", "say:*"])
def test_each_scope_can_be_given(scope: str) -> None:
    assert scopes_of(scope) == (scope,)


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("90m", NOW + 5_400),
        ("12h", NOW + DAY_S / 2),
        ("30d", NOW + 30 * DAY_S),
        ("2w", NOW + 14 * DAY_S),
        ("2026-11-28", NOW + DAY_S / 3),  # the whole day
        ("2026-11-28T18:00:00+01:00", NOW + 3_600),
    ],
)
def test_a_token_expires_after_a_duration_a_day_or_at_a_time(text: str, expires: float) -> None:
    assert expiry_of(text, NOW) == expires


@pytest.mark.parametrize(
    "text",
    [
        *("", "0d", "-1d", "30", "d", "1y", "soon", "2026-11-27", "2026-13-01", "9999-12-31"),
        *("2026-12-31T18:00", "1e9d", "999999d", "٣d"),
    ],
)
def test_a_time_of_expiry_that_is_past_or_unclear_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        expiry_of(text, NOW)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "x" * 65, "\u202eadA"])
def test_a_name_that_cannot_be_shown_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(TokenError):
        add(settings, name)
    with pytest.raises(TokenError):
        add(settings, role=name or "\n")
    assert list_tokens(settings) == []


@pytest.mark.parametrize(
    ("name", "same"),
    [
        *(("Ada L", True), ("ADA L", True), (" ada  l ", True), ("\uff21da\u00a0L", True)),
        *(("Ada\u3164 L", True), ("Adam", False), ("Ada", False), ("AdaL", True), ("", False)),
    ],
)
def test_names_that_look_the_same_belong_to_a_token(
    settings: Settings, clock: Clock, name: str, *, same: bool
) -> None:
    add(settings, "Ada L")
    assert running(settings, clock).has_name(name) is same


def test_the_command_line_adds_lists_and_revokes_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROVER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert main(["token", "add", "Ada", "--scope", "view", "--expires", "30d"]) == 0
    text = capsys.readouterr().out.strip()
    token_id, secret = text.split("_")[1:]
    assert main(["token", "list"]) == 0
    listed = capsys.readouterr().out
    assert token_id in listed
    assert secret not in listed
    assert main(["token", "revoke", token_id]) == 0
    assert main(["token", "revoke", token_id]) == 2
    assert main(["token", "add", "Ada", "--scope", "everything"]) == 2


def test_what_a_person_did_with_a_token_counts_while_the_token_allows_it(
    settings: Settings, clock: Clock
) -> None:
    ids = {}
    for name, scopes, expires in (
        ("Ada", "release", None),
        ("Grace", "release", "12h"),
        ("Hedy", "view", None),
        ("Mary", "admin", None),
    ):
        new = add_token(settings, name, scopes, expires=expires, now=NOW)
        ids[name] = new.token.id

    def counting() -> set[str]:
        tokens = running(settings, clock)
        return {name for name, one in ids.items() if tokens.lapsed(one, "release") is None}

    assert counting() == {"Ada", "Grace", "Mary"}
    clock.now += DAY_S
    assert counting() == {"Ada", "Mary"}
    revoke_token(settings, ids["Ada"])
    assert counting() == {"Mary"}
    tokens_file(settings.data_dir).path.write_bytes(b"damaged")
    assert counting() == set()
