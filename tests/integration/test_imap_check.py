"""`sekisho imap check` as its user: what it tells, in both languages, and that nothing in the mailbox changes by it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from gateway.config import scaffold
from gateway.store.imap import Begin, FolderState
from gateway.testing.dovecot import PASSWORD, DovecotServer
from tests.integration.cli_shop import Here, Shop
from tests.integration.imap_lab import mail
from tests.servers.trust import Trust

NewServer = Callable[..., DovecotServer]
ACL = """
mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
plugin {
  acl = vfile:%s
}
"""


def configured(folder: Path, server: str, **more: object) -> Shop:
    """A config as `init` writes it, with this mailbox in it."""
    scaffold.write(folder, "ja")
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    config.pop("smtp", None)
    config["imap"] = [{"name": "本店", "server": server, "user": "shop", "password": PASSWORD, **more}]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    return Shop(folder)


def of(server: DovecotServer) -> str:
    return f"imap://127.0.0.1:{server.port}"


def state(server: DovecotServer) -> dict[str, str]:
    """Every mail, list of UIDs and set of flags as they lie on the disk; caches and indexes aside."""
    home = server.folder / "mail" / "shop"
    files = (path for path in home.rglob("*") if path.is_file() and "index" not in path.name)
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_check_tells_all_and_changes_nothing(
    new_mailserver: NewServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = new_mailserver()
    now = datetime.now(UTC)
    server.put("shop", mail("古い"), at=now - timedelta(days=60))
    server.put("shop", mail("脅迫"), mail("質問"), at=now - timedelta(days=3))
    server.put("shop", mail("前の保留"), folder="保留")
    server.put("shop", mail("x"), folder="取引先")
    server.mails("shop", "Sent")
    sekisho = Here(configured(tmp_path / "shop", of(server), sent=["Sent"], since="30d"), capsys)
    before = state(server)
    ran = sekisho("imap", "check")
    assert (ran.code, ran.err) == (0, "")
    for said in (
        "IDLE, MOVE, UIDPLUS",
        "INBOX: 3 通、見張ります",
        "保留: 1 通、移し先",
        "拒否: ありません。必要になったら作ります。",
        "Sent: 0 通、送信済みとして記録します",
        "Drafts, 取引先",
        "ここ 30 日の 2 通は記録だけします",
        "「保留」に移します",
    ):
        assert said in ran.out
    ran = sekisho("--lang", "en", "imap", "check", "本店")
    assert "2 mails of the last 30 days are recorded only" in ran.out
    found = sekisho("--json", "imap", "check").one
    assert found["others"] == ["Drafts", "取引先"]
    assert found["first"] == {"how": "since", "mails": 2, "days": 30}
    assert state(server) == before
    assert not (tmp_path / "shop" / "data" / "sekisho.db").exists()
    with server.imap("shop") as session:  # nobody has seen it yet: it is still recent
        session.select("INBOX")
        assert session.search(None, "RECENT")[1] != [b""]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"inbox": "受信"}, "「受信」: ありません。フォルダーの名前を確かめてください。"),
        ({"sent": ["送信"]}, "「送信」: ありません。フォルダーの名前を確かめてください。"),
        ({"sent": ["Drafts"]}, "「Drafts」: 下書きのフォルダーです。"),
        ({"folders": {"quarantine": "別"}, "may_create": False}, "「別」: ありません。作るか、may_create"),
        ({"password": "nope"}, "shop として 127.0.0.1 にログインできません"),
    ],
)
def test_what_needs_a_person_is_told_once_with_where(
    more: dict[str, object], said: str, mailserver: DovecotServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mailserver.mails("shop", "Sent")
    sekisho = Here(configured(tmp_path / "shop", of(mailserver), **more), capsys)
    ran = sekisho("imap", "check")
    assert ran.code == 1
    assert said in ran.err
    assert "EXAMINE" not in ran.err
    assert any(said in fault for fault in sekisho("--json", "imap", "check").one["faults"])


def test_rights_that_are_missing_are_told_for_what_they_are_needed(
    new_mailserver: NewServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = new_mailserver()
    for folder in ("保留", "拒否", "Sent"):
        server.put("shop", mail("x"), folder=folder)
    rights = server.folder / "acl"
    rights.write_text("INBOX owner lrw\n保留 owner lr\n拒否 owner lri\nSent owner lr\n")
    server.stop()
    server.more = ACL % rights
    server.start()
    ran = Here(configured(tmp_path / "shop", of(server), sent=["Sent"]), capsys)("imap", "check")
    assert ran.code == 1
    assert "「INBOX」: 権限が足りず、メールを移せません（足りない権限: te）。" in ran.err
    assert "「保留」: 権限が足りず、メールを移せません（足りない権限: i）。" in ran.err
    assert "拒否" not in ran.err
    assert "Sent" not in ran.err
    assert "（権限 lr" in ran.out


def test_why_there_is_no_connection_is_told_in_plain_words(
    new_mailserver: NewServer, trust: Trust, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = new_mailserver(tls=(trust.certificate, trust.key))
    for number, (address, said) in enumerate(
        {
            "imap://127.0.0.1:9": "接続を受け付けていません",
            f"imaps://127.0.0.1:{server.port}": "imap:// と imaps:// を取り違えていませんか",
            f"imaps://localhost:{server.tls_port}": "証明書を信用できません",
            "imaps://imap.nowhere.invalid": "その名前のサーバーは見つかりません",
        }.items()
    ):
        ran = Here(configured(tmp_path / str(number), address), capsys)("imap", "check")
        assert ran.code == 1
        assert said in ran.err, address


def test_the_next_look_is_told_where_the_mailbox_is_known(
    new_mailserver: NewServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = new_mailserver()
    server.put("shop", mail("1"), mail("2"), mail("3"))
    with server.imap("shop") as session:
        session.select("INBOX")
        uidvalidity = int(session.response("UIDVALIDITY")[1][0])
    shop = configured(tmp_path / "shop", of(server))
    (tmp_path / "shop" / "data").mkdir(exist_ok=True)
    known = FolderState("本店", "INBOX", uidvalidity, 2, 1, None, False, datetime.now(UTC))
    shop.with_store(lambda store: store.committer.submit(Begin(known)))
    sekisho = Here(shop, capsys)
    assert "前回より後に届いた 2 通から始めます。" in sekisho("imap", "check").out
    renumbered = replace(known, uidvalidity=uidvalidity + 1)
    shop.with_store(lambda store: store.committer.submit(Begin(renumbered)))
    assert sekisho("--json", "imap", "check").one["first"] == {"how": "renumbered", "mails": 3}
    assert "番号が変わった" in sekisho("imap", "check").out
