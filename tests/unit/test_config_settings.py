"""The config file becomes settings: every form of every value, secrets, relative paths, embedded defaults."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config import load_settings
from gateway.config.schema import config_schema, rules_schema
from gateway.config.words import octets, seconds
from gateway.errors import ConfigError
from gateway.model.network import Network
from gateway.model.settings import Listen, Settings
from tests.bad_configs.specs import SPECS

SHOP = """\
shop:
  name: 和み工房
  contact: support@shop.example
  addresses: [Shop@Shop.example, "@order.shop.example"]
  owner: owner@shop.example
"""
ROOT = Path(__file__).parent.parent.parent


def load(folder: Path, text: str, **environ: str) -> Settings:
    (folder / "config.yaml").write_text(text, "utf-8")
    return load_settings(folder / "config.yaml", environ)


def fault(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as raised:
        load(folder, text, **environ)
    return raised.value.in_("en")


def test_the_contracts_example_loads(tmp_path: Path) -> None:
    for name in ("fullchain.pem", "key.pem"):
        (tmp_path / "tls").mkdir(exist_ok=True)
        (tmp_path / "tls" / name).write_text("")
    text = (ROOT / "config.example.yaml").read_text("utf-8")
    text = text.replace("  # tls: {", "  tls: {")
    plain, full = "outgoing: smtp://127.0.0.1:587", "# outgoing: smtp://user:${SMTP_PASSWORD}@smtp.shop.example:587"
    text = text.replace(plain, f"# {plain}").replace(full, full.removeprefix("# ")).replace("# rules:", "rules:")
    text = "\n".join(
        line[2:] if line.startswith(("# imap:", "#   - name", "#     ")) else line for line in text.split("\n")
    )
    settings = load(tmp_path, text, SMTP_PASSWORD="p@ss/:%w#", SHOP_IMAP_PASSWORD="secret")
    assert settings.shop.addresses == ("shop@shop.example", "@order.shop.example")
    assert settings.shop.timezone == ZoneInfo("Asia/Tokyo")
    assert settings.storage.database == f"sqlite:///{tmp_path}/data/sekisho.db"
    assert settings.storage.keep == 7 * 365 * 86400
    assert settings.smtp is not None
    assert settings.smtp.listen == (Listen("0.0.0.0", 25),)
    assert settings.smtp.tls is not None
    assert settings.smtp.tls.key == tmp_path / "tls/key.pem"
    assert settings.smtp.limits.max_size == 50 * 1024 * 1024
    assert settings.mailbox.name == "lmtp://127.0.0.1:24"
    assert settings.outgoing is not None
    assert settings.outgoing.target.name == "smtp://smtp.shop.example:587"
    assert (settings.outgoing.target.user, settings.outgoing.target.password) == ("user", "p@ss/:%w#")
    (account,) = settings.imap
    assert (account.server.name, account.password, account.sent) == (
        "imaps://imap.shop.example:993",
        "secret",
        ("Sent",),
    )
    assert (account.folders.quarantine, account.folders.refused) == ("保留", "拒否")
    assert settings.rules == tmp_path / "rules.yaml"
    assert settings.templates == tmp_path / "templates"
    assert settings.source == tmp_path / "config.yaml"


def test_no_secret_is_shown_in_a_repr_or_a_fault(tmp_path: Path) -> None:
    text = SHOP + "mailbox: smtp://user:${PW}@host.example\nstorage: {database: 'postgresql://u:${PW}@db/x'}\n"
    assert "hunter2" not in repr(load(tmp_path, text, PW="hunter2"))
    for wrong in ("mailbox: ${URL}", "mailbox: maildir:x\nimap: [{name: a, user: b, password: c, server: '${URL}'}]"):
        assert "hunter2" not in fault(tmp_path, SHOP + wrong, URL="smtp://user:hunter2@bad_host:x/y")
        assert "hunter2" not in fault(tmp_path, SHOP + wrong, URL="user:hunter2@host")
        assert "hunter2" not in fault(tmp_path, SHOP + wrong, URL="foo://user:hunter2@host")


def test_a_secret_file_is_read_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("geheim\n")
    settings = load(tmp_path, SHOP + "mailbox: smtps://shop:${file:pw}@mail.example\n")
    assert (settings.mailbox.password, settings.mailbox.port) == ("geheim", 465)
    (tmp_path / "pw").write_text("\n")
    assert "is empty" in fault(tmp_path, SHOP + "mailbox: smtps://shop:${file:pw}@mail.example\n")


def test_a_config_read_from_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pw")
    assert "not a regular file" in fault(tmp_path, SHOP + "mailbox: smtps://shop:${file:pw}@mail.example\n")


def test_a_password_never_travels_in_the_clear_unless_said(tmp_path: Path) -> None:
    def starttls(mailbox: str) -> str:
        return load(tmp_path, f"{SHOP}mailbox: {mailbox}\n").mailbox.starttls

    assert starttls("smtp://user:pw@mail.example") == "required"
    assert starttls("smtp://user:pw@127.0.0.1:2525") == "auto"
    assert starttls("smtp://mail.example") == "auto"
    assert starttls('{server: "smtp://user:pw@mail.example", starttls: never}') == "never"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("lmtp://127.0.0.1", "lmtp://127.0.0.1:24"),
        ("smtp://mail.example", "smtp://mail.example:25"),
        ("smtp://user:pw@mail.example", "smtp://mail.example:587"),
        ("smtp://[::1]:2525", "smtp://::1:2525"),
        ("maildir:/var/mail/shop", "maildir:/var/mail/shop"),
        ("maildir:///var/mail/shop", "maildir:/var/mail/shop"),
        ("maildir:mail", "maildir:{base}/mail"),
    ],
)
def test_targets(url: str, name: str, tmp_path: Path) -> None:
    assert load(tmp_path, f'{SHOP}mailbox: "{url}"\n').mailbox.name == name.format(base=tmp_path)


def test_scalars_are_read_as_text_yaml_no_and_octal_trap(tmp_path: Path) -> None:
    settings = load(tmp_path, SHOP.replace("和み工房", "no") + "mailbox: maildir:012\nreplies: {per_day: 0120}\n")
    assert settings.shop.name == "no"
    assert settings.mailbox.path == tmp_path / "012"
    assert settings.replies.per_day == 120


def test_networks_listeners_and_limits(tmp_path: Path) -> None:
    text = """\
mailbox: maildir:mail
smtp:
  listen: ["[::]:25", "127.0.0.1:0"]
  trusted_relays: [192.0.2.7, "192.0.2.*", "2001:db8::/32"]
  limits: {command_timeout: 500ms, memory: 1GB, connections_per_ip: 5}
delivery: {first_retry: 10s, longest_retry: 1h, give_up_after: 5d}
storage: {keep: forever}
dns: {servers: [127.0.0.1:5353, "::1"]}
"""
    settings = load(tmp_path, SHOP + text)
    assert settings.smtp is not None
    assert settings.smtp.listen == (Listen("::", 25), Listen("127.0.0.1", 0))
    assert settings.smtp.trusted_relays[1] == Network(4, 0xC0000200, 24)
    assert settings.smtp.limits.command_timeout == 0.5
    assert settings.smtp.limits.memory == 1024**3
    assert settings.smtp.limits.recipients == 100
    assert settings.storage.keep is None
    assert settings.dns.servers == (("127.0.0.1", 5353), ("::1", 53))


def test_a_shop_that_only_watches_imap_has_no_listener(tmp_path: Path) -> None:
    account = "imap: [{name: a, server: 'imaps://imap.example', user: b, oauth2: {provider: google, client_id: c}}]\n"
    settings = load(tmp_path, SHOP + account)
    assert settings.smtp is None
    assert settings.imap[0].oauth2 is not None


def test_byte_order_mark_and_crlf_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(
        b"\xef\xbb\xbf" + (SHOP + "mailbox: maildir:x\n").replace("\n", "\r\n").encode()
    )
    assert load_settings(tmp_path / "config.yaml", {}).shop.name == "和み工房"


def test_a_file_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    assert "too large" in fault(tmp_path, SHOP + "# " + "x" * 1024 * 1024)


def test_many_faults_are_counted_not_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, SHOP + "mailbox: maildir:x\n" + "\n".join(f"wrong{i}: x" for i in range(500)))
    assert len(raised.value.faults) == 51


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    text = SHOP + "mailbox: &place maildir:mail\noutgoing: *place\n"
    settings = load(tmp_path, text)
    assert settings.outgoing is not None
    assert settings.outgoing.target == settings.mailbox


def test_embedded_settings_stay_on_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {})
    assert settings.smtp is not None
    assert {listen.host for listen in settings.smtp.listen} == {"127.0.0.1"}
    assert settings.mailbox.path == tmp_path / "data/maildir"
    assert settings.rules.is_file()
    assert settings.templates.is_dir()


@pytest.mark.parametrize(
    ("text", "value"),
    [("7d", 604800), ("24h", 86400), ("90m", 5400), ("7y", 220752000), ("1.5s", 1.5), ("７ｄ", 604800)],
)
def test_lengths_of_time(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["7", "d7", "-1d", "0s", "7 days", "1000y", "", "1e9s"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        seconds(text)


def test_sizes() -> None:
    assert [octets(text) for text in ("50MB", "1 GiB", "512k", "10")] == [52428800, 1024**3, 524288, 10]
    with pytest.raises(ValueError, match="5XB"):
        octets("5XB")


def test_the_schemas_describe_the_same_keys() -> None:
    schema = json.loads(json.dumps(config_schema()))
    assert set(schema["properties"]["shop"]["required"]) == {"name", "contact", "addresses", "owner"}
    assert schema["properties"]["smtp"]["properties"]["limits"]["properties"]["memory"]["description"]
    rules = json.loads(json.dumps(rules_schema(SPECS)))
    when = rules["properties"]["rules"]["items"]["properties"]["when"]["anyOf"][0]
    assert set(SPECS) - {"header"} == set(when["properties"])
    assert list(when["patternProperties"]) == [r"^header\..+$"]
