"""Dovecot in a folder of its own: LMTP takes mail in, IMAP shows it, Maildir holds it."""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.process import answers, free_port, program, running, server_folder, wait_until, want

PASSWORD = "secret"

_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Lu
mail_home = {folder}/mail/%u
mail_location = maildir:~/Maildir
mail_fsync = never
first_valid_uid = 0
first_valid_gid = 0
{users}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
protocol lmtp {{
  postmaster_address = postmaster@shop.example
  auth_username_format = %Lu
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running Dovecot. Every user name is known and has the password `PASSWORD`."""

    folder: Path
    lmtp_port: int
    imap_port: int

    @property
    def lmtp_socket(self) -> Path:
        """The unix socket on which LMTP listens as well."""
        return self.folder / "run" / "lmtp"

    def imap(self, user: str) -> imaplib.IMAP4:
        """A logged-in IMAP session of `user`."""
        session = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=20)
        session.login(user, PASSWORD)
        return session

    def messages(self, user: str, mailbox: str = "INBOX") -> list[bytes]:
        """The raw messages in a mailbox of `user`, as IMAP gives them (lines end in CRLF)."""
        with self.imap(user) as session:
            kind, data = session.select(mailbox, readonly=True)
            if kind != "OK" or not int(data[0] or 0):
                return []
            parts = session.fetch("1:*", "(BODY.PEEK[])")[1]
            return [part[1] for part in parts if isinstance(part, tuple)]

    def wait_for(self, user: str, count: int = 1, *, timeout: float = 20.0) -> list[bytes]:
        """The messages of `user` as soon as there are `count`; TimeoutError otherwise."""
        end = time.monotonic() + timeout
        while len(found := self.messages(user)) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(found)} of {count} messages for {user}")
            time.sleep(0.05)
        return found


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """Dovecot with LMTP and IMAP on free ports."""
    binary = program("dovecot")
    if binary is None or not Path("/usr/lib/dovecot/lmtp").exists() or not Path("/usr/lib/dovecot/imap").exists():
        want("dovecot", "packages dovecot-imapd and dovecot-lmtpd")
    root = os.geteuid() == 0
    me = pwd.getpwnam("mail") if root else pwd.getpwuid(os.geteuid())  # Dovecot keeps no mail as root
    group = grp.getgrgid(me.pw_gid).gr_name
    users = f"default_internal_user = {me.pw_name}\ndefault_login_user = {me.pw_name}\ndefault_internal_group = {group}"
    users = "" if root else users
    with server_folder("dovecot") as folder:
        server = Dovecot(folder, free_port(), free_port())
        (folder / "mail").mkdir()
        os.chown(folder / "mail", me.pw_uid, me.pw_gid)
        config = folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                users=users,
                uid=me.pw_uid,
                gid=me.pw_gid,
                imap=server.imap_port,
                lmtp=server.lmtp_port,
                password=PASSWORD,
            )
        )
        with running([binary, "-F", "-c", str(config)], folder / "start.log", ("127.0.0.1", server.lmtp_port)):
            wait_until(lambda: answers(("127.0.0.1", server.imap_port)), "dovecot's imap answers")
            yield server
