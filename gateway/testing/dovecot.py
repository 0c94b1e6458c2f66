"""A Dovecot of one's own in a folder, for the demo and for tests: started, killed, started again on the same mail."""

from __future__ import annotations

import contextlib
import grp
import imaplib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.clients.imap.names import mailbox
from gateway.errors import Refused
from gateway.text import Text

PASSWORD = "secret"  # noqa: S105 - of a server on loopback that holds samples alone

_WANT = Text("Dovecot がインストールされていません。", "Dovecot is not installed")
_WANT_MEND = Text("インストールしてください: apt install dovecot-imapd", "install it: apt install dovecot-imapd")
_DIED = Text("Dovecot が起動しませんでした: {said}", "Dovecot did not start: {said}")
_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
{tls}
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
mail_home = {folder}/mail/%u
mail_location = {location}
mail_fsync = never
auth_failure_delay = 0
first_valid_uid = 0
first_valid_gid = 0
{users}
{passdb}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  {namespace}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
{more}
"""
_PASSDB = """
passdb {{
  driver = static
  args = password={password}
}}
"""


@dataclass
class DovecotServer:
    """Every user name is known and has the password `PASSWORD`. `more` is Dovecot configuration of one's own."""

    folder: Path
    more: str = ""
    mechanisms: str = "plain login"
    passdb: str = ""
    tls: tuple[Path, Path] | None = None  # certificate and key
    location: str = "maildir:~/Maildir"
    namespace: str = "separator = /"
    port: int = 0
    tls_port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @staticmethod
    def installed() -> bool:
        """Whether this machine has what is needed."""
        return _program() is not None and Path("/usr/lib/dovecot/imap").exists()

    def start(self) -> DovecotServer:
        """Start it and wait until it answers; raises `Refused` where it cannot."""
        binary = _program()
        if binary is None or not self.installed():
            raise Refused(_WANT, _WANT_MEND)
        self.port = self.port or _free_port()
        self.tls_port = self.tls_port or (_free_port() if self.tls else 0)
        root = os.geteuid() == 0
        me = pwd.getpwnam("mail") if root else pwd.getpwuid(os.geteuid())  # Dovecot keeps no mail as root
        group = grp.getgrgid(me.pw_gid).gr_name
        users = f"default_internal_user = {me.pw_name}\ndefault_login_user = {me.pw_name}\n"
        home = self.folder / "mail"
        if not home.exists():
            home.mkdir(parents=True)
            os.chown(home, me.pw_uid, me.pw_gid)
        config = self.folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                tls=f"ssl = yes\nssl_cert = <{self.tls[0]}\nssl_key = <{self.tls[1]}" if self.tls else "ssl = no",
                mechanisms=self.mechanisms,
                location=self.location,
                namespace=self.namespace,
                users="" if root else f"{users}default_internal_group = {group}",
                passdb=self.passdb or _PASSDB.format(password=PASSWORD),
                uid=me.pw_uid,
                gid=me.pw_gid,
                port=self.port,
                tls_port=self.tls_port,
                more=self.more,
            )
        )
        with (self.folder / "start.log").open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - a program of the system
                [binary, "-F", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                said = (self.folder / "start.log").read_text("utf-8", "replace")[-800:]
                raise Refused(_DIED.with_(said=said))
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Stop it in good order."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def kill(self) -> None:
        """kill -9, the server and every process that it started."""
        process, self.process = self.process, None
        if process is None:
            return
        children = _descendants(process.pid)
        process.kill()  # first: it would make new children
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        deadline = time.monotonic() + 5
        while self._answers() and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextlib.contextmanager
    def imap(self, user: str) -> Iterator[imaplib.IMAP4]:
        """A logged-in session of `user`, as a mail program has one."""
        session = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
        try:
            session.login(user, PASSWORD)
            yield session
        finally:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                session.logout()

    def put(self, user: str, *raws: bytes, folder: str = "INBOX", flags: str = "", at: datetime | None = None) -> None:
        """Put mails into a folder, which is made where it is missing."""
        name = mailbox(folder)
        date = imaplib.Time2Internaldate(at or datetime.now(UTC))
        with self.imap(user) as session:
            if folder != "INBOX":
                session.create(name)
            for raw in raws:
                status, said = session.append(name, flags, date, raw)
                if status != "OK":
                    raise OSError(f"APPEND: {said!r}")

    def mails(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """The raw mails in a folder; none where it is missing."""
        with self.imap(user) as session:
            status, data = session.select(mailbox(folder), readonly=True)
            if status != "OK" or not int(data[0] or 0):
                return []
            parts = session.fetch("1:*", "(BODY.PEEK[])")[1]
            return [part[1] for part in parts if isinstance(part, tuple)]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _program() -> str | None:
    return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _descendants(pid: int) -> list[int]:
    """The children of a process and theirs, by /proc."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found
