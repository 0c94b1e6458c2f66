"""OAuth 2: an authorization server of our own, a Dovecot that takes XOAUTH2, and the files that keep the tokens."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gateway.clients.imap import open_session
from gateway.clients.oauth import (
    PROVIDERS,
    DeviceCode,
    OAuthAway,
    OAuthClient,
    OAuthError,
    OAuthRevoked,
    TokenFile,
    TokenSet,
)
from gateway.config import scaffold
from gateway.intake.imap import watcher
from gateway.model.settings import OAuth2
from gateway.testing.dovecot import DovecotServer
from tests.integration.imap_lab import account, mail, open_lab, until
from tests.servers.authorization import AuthorizationServer

NewServer = Callable[..., DovecotServer]


@pytest.fixture
def authority() -> Iterator[AuthorizationServer]:
    with AuthorizationServer() as server:
        yield server


def oauth(authority: AuthorizationServer, **more: object) -> OAuth2:
    endpoints = {"device_endpoint": authority.url("device"), "token_endpoint": authority.url("token")}
    return OAuth2("google", "client-1", "geheim", **endpoints, **more)  # type: ignore[arg-type]


def client(authority: AuthorizationServer, file: TokenFile, **more: object) -> OAuthClient:
    return OAuthClient("店", oauth(authority), file, **more)  # type: ignore[arg-type]


async def permitted(authority: AuthorizationServer, file: TokenFile) -> OAuthClient:
    made = client(authority, file)
    authority.granted = True
    await made.finish(await made.begin())
    return made


def xoauth2_server(new_mailserver: NewServer, authority: AuthorizationServer, tmp_path: Path) -> DovecotServer:
    settings = tmp_path / "oauth2.conf.ext"
    settings.write_text(
        f"tokeninfo_url = {authority.url('tokeninfo')}?access_token=\nusername_attribute = email\n"
        "active_attribute = active\nactive_value = true\n"
    )
    tmp_path.chmod(0o755)
    settings.chmod(0o644)
    for folder in tmp_path.parents:
        if str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    passdb = f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {settings}\n}}\n"
    return new_mailserver(
        mechanisms="xoauth2 oauthbearer plain",
        passdb=passdb + "passdb {\n  driver = static\n  mechanisms = plain login\n  args = password=secret\n}\n",
    )


async def test_the_device_flow_waits_for_the_person_and_keeps_the_tokens(
    authority: AuthorizationServer, tmp_path: Path
) -> None:
    file = TokenFile(tmp_path / "data" / "oauth.json")
    made = client(authority, file)
    code = await made.begin()
    assert code.user_code == "ABCD-EFGH"
    waiting = asyncio.create_task(made.finish(code))
    await asyncio.sleep(0.4)
    assert not waiting.done()
    authority.granted = True
    await waiting
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert await made.access_token() in authority.access
    first = authority.forms[0][1]
    assert (first["client_id"], first["client_secret"]) == ("client-1", "geheim")
    assert first["scope"] == PROVIDERS["google"].scope
    assert next(form for path, form in authority.forms if path == "/token")["device_code"] == "device-1"


async def test_slow_down_is_obeyed(
    authority: AuthorizationServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    waits: list[float] = []
    really = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await really(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    authority.slow_down, authority.granted = 2, True
    made = client(authority, TokenFile(tmp_path / "t"))
    await made.finish(DeviceCode("u", "c", "d", 60, 1))
    assert waits == [1, 6, 11]


async def test_a_refused_permission_is_told(authority: AuthorizationServer, tmp_path: Path) -> None:
    authority.denied = True
    made = client(authority, TokenFile(tmp_path / "t"))
    with pytest.raises(OAuthRevoked) as caught:
        await made.finish(await made.begin())
    assert "「許可しない」が選ばれました" in caught.value.in_("ja")
    assert "sekisho imap login 店" in caught.value.in_("ja")


async def test_tokens_are_renewed_before_they_end(authority: AuthorizationServer, tmp_path: Path) -> None:
    now = [1000.0]
    file = TokenFile(tmp_path / "t")
    await permitted(authority, file)
    kept = file.load()
    assert kept is not None
    file.save(replace(kept, expires_at=5000.0))
    made = client(authority, file, clock=lambda: now[0])
    first = await made.access_token()
    assert first == kept.access_token
    now[0] = 4800.0  # five minutes before its end
    second = await made.access_token()
    assert second != first
    renewed = file.load()
    assert renewed is not None
    assert renewed.refresh_token == authority.refresh  # the provider gave another one
    assert len({await made.access_token() for _ in range(3)}) == 1
    assert len(set(await asyncio.gather(*(made.access_token() for _ in range(20))))) == 1


async def test_an_authorization_server_that_fails_is_tried_again_later(
    authority: AuthorizationServer, tmp_path: Path
) -> None:
    made = await permitted(authority, TokenFile(tmp_path / "t"))
    authority.fail = 1
    with pytest.raises(OAuthAway):
        await made.access_token(fresh=True)
    assert await made.access_token(fresh=True)
    nowhere = OAuthClient(
        "店", replace(oauth(authority), token_endpoint="http://127.0.0.1:9/token"), TokenFile(tmp_path / "t")
    )
    with pytest.raises(OAuthAway, match=r"127\.0\.0\.1"):
        await nowhere.access_token(fresh=True)


async def test_secrets_never_travel_in_the_clear(authority: AuthorizationServer, tmp_path: Path) -> None:
    made = OAuthClient(
        "店", replace(oauth(authority), device_endpoint="http://login.example/device"), TokenFile(tmp_path / "t")
    )
    with pytest.raises(OAuthError, match="https"):
        await made.begin()


def test_a_key_of_the_environment_encrypts_the_file(tmp_path: Path) -> None:
    tokens = TokenSet("the-refresh-token", "the-access-token", 5.0)
    assert "token" not in repr(tokens).replace("TokenSet", "")
    file = TokenFile(tmp_path / "t", "a key of the shop")
    file.save(tokens)
    assert b"refresh" not in file.path.read_bytes()
    assert file.load() == tokens
    for wrong in ("", "another key"):
        with pytest.raises(OAuthError) as caught:
            TokenFile(tmp_path / "t", wrong).load()
        assert "SEKISHO_TOKEN_KEY" in caught.value.in_("en")
        assert "the-refresh" not in caught.value.in_("en")
    assert TokenFile(tmp_path / "none").load() is None


async def test_a_mailbox_is_watched_by_xoauth2(
    authority: AuthorizationServer, new_mailserver: NewServer, tmp_path: Path
) -> None:
    server = xoauth2_server(new_mailserver, authority, tmp_path)
    made = await permitted(authority, TokenFile(tmp_path / "t"))
    async with open_lab(tmp_path, replace(account(server), password="", oauth2=oauth(authority))) as lab:
        lab.watch(tokens=made.access_token)
        await lab.caught_up()
        await asyncio.to_thread(server.put, "shop", mail("脅迫"))
        await lab.wait_rows(1, state="held")
        await lab.settled()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.put, "shop", mail("質問"))
        await lab.wait_rows(2, direction="in")


async def test_a_withdrawn_permission_is_told_to_the_owner_in_plain_words(
    authority: AuthorizationServer, new_mailserver: NewServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "LOGIN_WAIT", 0.2)
    server = xoauth2_server(new_mailserver, authority, tmp_path)
    file = TokenFile(tmp_path / "t")
    made = await permitted(authority, file)
    token = await made.access_token()
    authority.revoke()
    with pytest.raises(OAuthRevoked):  # the server says no, and so does the provider when asked for another token
        await open_session(account(server, timeout=15.0), made.access_token)
    kept = file.load()
    assert kept is not None
    assert kept.access_token == token
    file.save(replace(kept, expires_at=0.0))
    async with open_lab(tmp_path, account(server)) as lab:
        lab.watch(tokens=made.access_token)
        rows = await until(lambda: lab.rows(direction="out", kind="notice"), lambda found: len(found) == 1)
        text = (await lab.raw(rows[0].id)).decode("ascii")
        assert "ログインできません" in rows[0].subject
        body = email.message_from_string(text, policy=email.policy.default).get_content()
        assert "許可が取り消されている" in body
        assert "sekisho imap login" in body
        await asyncio.sleep(0.6)
        assert len(await lab.rows(direction="out", kind="notice")) == 1


async def test_a_token_that_ran_out_early_is_renewed_once_before_anybody_is_told(
    authority: AuthorizationServer, new_mailserver: NewServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "LOGIN_WAIT", 0.2)
    server = xoauth2_server(new_mailserver, authority, tmp_path)
    made = await permitted(authority, TokenFile(tmp_path / "t"))
    authority.access.clear()  # the provider no longer takes it, though it says that it lives an hour
    async with open_lab(tmp_path, account(server, timeout=15.0)) as lab:
        lab.watch(tokens=made.access_token)
        await lab.caught_up()
        assert await lab.rows(direction="out", kind="notice") == []


async def test_the_command_gives_the_permission_and_check_uses_it(
    authority: AuthorizationServer, new_mailserver: NewServer, tmp_path: Path
) -> None:
    server = xoauth2_server(new_mailserver, authority, tmp_path)
    folder = tmp_path / "shop"
    scaffold.write(folder, "ja")
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    config.pop("smtp", None)
    config["imap"] = [
        {
            "name": "shop",
            "server": f"imap://127.0.0.1:{server.port}",
            "user": "shop",
            "oauth2": {
                "provider": "google",
                "client_id": "client-1",
                "device_endpoint": authority.url("device"),
                "token_endpoint": authority.url("token"),
            },
        }
    ]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")

    async def sekisho(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "gateway", "-c", str(folder / "config.yaml"), "--lang", "en", *words]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, out.decode("utf-8", "replace")

    code, said = await sekisho("imap", "check")
    assert code == 1
    assert "sekisho imap login shop" in said
    authority.granted = True
    code, said = await sekisho("imap", "login", "shop")
    assert (code, "ABCD-EFGH" in said, "permission given" in said) == (0, True, True), said
    await asyncio.to_thread(server.put, "shop", mail(), folder="保留")
    code, said = await sekisho("--json", "imap", "check", "shop")
    assert code == 0, said
    found = json.loads(said)
    assert {f["name"]: f["there"] for f in found["folders"]} == {"INBOX": True, "保留": True, "拒否": False}
    assert found["first"] == {"how": "from_now", "mails": 0}
    code, said = await sekisho("imap", "check")
    assert "only mail that comes from now on" in said
    assert server.mails("shop", "拒否") == []
    code, said = await sekisho("imap", "login", "nobody")
    assert (code, "the config has: shop" in said) == (1, True), said
