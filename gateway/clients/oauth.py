"""OAuth 2 for mailboxes: the device flow (RFC 8628), refreshing (RFC 6749 §6), and the file that keeps the tokens."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from gateway.errors import SekishoError
from gateway.model.settings import OAuth2
from gateway.text import Text

KEY = "SEKISHO_TOKEN_KEY"  # environment: with it the token file is encrypted
EARLY = 300.0  # seconds before its end at which an access token is renewed
TIMEOUT = 20.0  # seconds for one request
LARGEST = 256 * 1024  # bytes of an answer

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_GONE = ("invalid_grant", "access_denied", "unauthorized_client", "interaction_required", "consent_required")

_REVOKED = Text(
    "メールボックスを読む許可が取り消されているか、期限が切れています（{why}）。",
    "the permission to read the mailbox was withdrawn or has run out ({why})",
)
_LOGIN = Text("「sekisho imap login {name}」で許可してください。", "give the permission: `sekisho imap login {name}`")
_NONE = Text(
    "メールボックス「{name}」を読む許可がまだありません。", "there is no permission to read the mailbox {name} yet"
)
_UNUSABLE = Text("トークンのファイル {path} を読めません。", "the token file {path} cannot be read")
_UNUSABLE_MEND = Text(
    "環境変数 {key} が保存したときと同じか確かめるか、もう一度「sekisho imap login」を行ってください。",
    "check that {key} in the environment is as when it was saved, or run `sekisho imap login` again",
)
_AWAY = Text(
    "認可サーバー {host} から応答を得られません（{why}）。", "no answer from the authorization server {host}: {why}"
)
_REFUSED = Text("認可サーバーが断りました（{why}）。", "the authorization server refused: {why}")
_REFUSED_MEND = Text("client_id と client_secret を確かめてください。", "check client_id and client_secret")
_DENIED = Text("ブラウザーで「許可しない」が選ばれました。", "the permission was refused in the browser")
_LATE = Text("時間内に許可されませんでした。", "the permission was not given in time")
_INSECURE = Text("{url} は https ではありません。", "{url} is not https")


@dataclass(frozen=True, slots=True)
class Provider:
    """The endpoints of a provider and the scope that reading mail needs; `{tenant}` is Microsoft's directory."""

    device_endpoint: str
    token_endpoint: str
    scope: str


PROVIDERS: Mapping[str, Provider] = {
    "google": Provider(
        "https://oauth2.googleapis.com/device/code",
        "https://oauth2.googleapis.com/token",
        "https://mail.google.com/",
    ),
    "microsoft": Provider(
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
    ),
}


class OAuthError(SekishoError):
    """Something about the permission to read a mailbox."""


class OAuthRevoked(OAuthError):
    """Only a person can help: the permission is missing, withdrawn or has run out."""


class OAuthAway(OAuthError):
    """The authorization server gave no usable answer; trying again later may help."""


@dataclass(frozen=True)
class TokenSet:
    """What is kept of a permission; `expires_at` in seconds since 1970."""

    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0

    def __repr__(self) -> str:
        return f"TokenSet(expires_at={self.expires_at:.0f})"


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the person has to do: open `url` and type `user_code`, within `seconds`."""

    url: str
    user_code: str
    device_code: str
    seconds: float
    interval: float


class TokenFile:
    """The tokens of one account on disk, mode 0600; encrypted (Fernet) where `key` is not ""."""

    def __init__(self, path: Path, key: str = "") -> None:
        self.path = path
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) if key else None

    def load(self) -> TokenSet | None:
        """The tokens, None where there are none; raises `OAuthError` where the file cannot be read."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable() from error
        try:
            kept = json.loads(self._fernet.decrypt(data) if self._fernet else data)
            return TokenSet(str(kept["refresh_token"]), str(kept["access_token"]), float(kept["expires_at"]))
        except (InvalidToken, ValueError, KeyError, TypeError) as error:
            raise self._unusable() from error

    def save(self, tokens: TokenSet) -> None:
        """Write the tokens in one step; nobody but the owner can read them at any moment. Raises OSError."""
        data = json.dumps(asdict(tokens)).encode()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)  # made with mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._fernet.encrypt(data) if self._fernet else data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _unusable(self) -> OAuthError:
        return OAuthRevoked(_UNUSABLE.with_(path=self.path), _UNUSABLE_MEND.with_(key=KEY))


class OAuthClient:
    """Talks to one provider for one account; `name` is the account's, for what is told to people."""

    def __init__(self, name: str, settings: OAuth2, file: TokenFile, clock: Callable[[], float] = time.time) -> None:
        self._name = name
        self._settings = settings
        self._file = file
        self._clock = clock
        self._lock = asyncio.Lock()
        provider = PROVIDERS[settings.provider]
        self._device_endpoint = settings.device_endpoint or provider.device_endpoint.format(tenant=settings.tenant)
        self._token_endpoint = settings.token_endpoint or provider.token_endpoint.format(tenant=settings.tenant)
        self._scope = provider.scope

    @property
    def path(self) -> Path:
        """Where the tokens are kept."""
        return self._file.path

    async def access_token(self, *, fresh: bool = False) -> str:
        """A token that is valid for some minutes yet, renewed where needed (always with `fresh`).

        Raises `OAuthRevoked` where a person must act, `OAuthAway` where it may work later.
        """
        async with self._lock:
            kept = await asyncio.to_thread(self._file.load)
            if kept is None:
                raise OAuthRevoked(_NONE.with_(name=self._name), _LOGIN.with_(name=self._name))
            if not fresh and kept.access_token and self._clock() < kept.expires_at - EARLY:
                return kept.access_token
            form = {"grant_type": "refresh_token", "refresh_token": kept.refresh_token}
            status, said = await self._post(self._token_endpoint, form)
            if status != 200:
                raise self._refused(said)
            return (await self._keep(said, kept.refresh_token)).access_token

    async def begin(self) -> DeviceCode:
        """Ask for a code that a person confirms in a browser."""
        status, said = await self._post(self._device_endpoint, {"scope": self._scope})
        url = said.get("verification_uri") or said.get("verification_url")
        if status != 200 or not url or not said.get("device_code") or not said.get("user_code"):
            raise self._refused(said)
        seconds, interval = _seconds(said.get("expires_in"), 900), _seconds(said.get("interval"), 5)
        return DeviceCode(str(url), str(said["user_code"]), str(said["device_code"]), seconds, interval)

    async def finish(self, code: DeviceCode) -> None:
        """Wait until the person has confirmed, and keep the tokens; raises `OAuthError` where that did not happen."""
        deadline = self._clock() + code.seconds
        interval = code.interval
        while self._clock() < deadline:
            await asyncio.sleep(interval)
            form = {"grant_type": _DEVICE_GRANT, "device_code": code.device_code}
            status, said = await self._post(self._token_endpoint, form)
            if status == 200:
                await self._keep(said, "")
                return
            if said.get("error") == "slow_down":
                interval += 5  # RFC 8628 §3.5
            elif said.get("error") == "access_denied":
                raise OAuthRevoked(_DENIED, _LOGIN.with_(name=self._name))
            elif said.get("error") != "authorization_pending":
                raise self._refused(said)
        raise OAuthRevoked(_LATE, _LOGIN.with_(name=self._name))

    async def _keep(self, said: Mapping[str, Any], refresh_token: str) -> TokenSet:
        access, refresh = str(said.get("access_token") or ""), str(said.get("refresh_token") or refresh_token)
        if not access or not refresh:
            raise OAuthAway(_REFUSED.with_(why="no token in the answer"), _REFUSED_MEND)
        tokens = TokenSet(refresh, access, self._clock() + _seconds(said.get("expires_in"), 3600))
        try:
            await asyncio.to_thread(self._file.save, tokens)
        except OSError as error:
            raise OAuthAway(_UNUSABLE.with_(path=self._file.path), Text(str(error), str(error))) from error
        return tokens

    def _refused(self, said: Mapping[str, Any]) -> OAuthError:
        code = str(said.get("error") or "?")[:100]
        if code in _GONE or code == "expired_token":
            return OAuthRevoked(_REVOKED.with_(why=code), _LOGIN.with_(name=self._name))
        if code in ("invalid_client", "invalid_request", "invalid_scope", "unsupported_grant_type"):
            return OAuthRevoked(_REFUSED.with_(why=code), _REFUSED_MEND)
        return OAuthAway(_REFUSED.with_(why=code))

    async def _post(self, url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        host = urllib.parse.urlsplit(url).hostname or ""
        if not url.startswith("https://") and host not in ("127.0.0.1", "::1", "localhost"):
            raise OAuthRevoked(_INSECURE.with_(url=url[:200]))
        fields = {"client_id": self._settings.client_id, **form}
        if self._settings.client_secret:
            fields["client_secret"] = self._settings.client_secret
        try:
            async with asyncio.timeout(2 * TIMEOUT):
                return await asyncio.to_thread(_request, url, urllib.parse.urlencode(fields).encode())
        except (OSError, TimeoutError, ValueError) as error:
            raise OAuthAway(_AWAY.with_(host=host, why=str(error) or "timeout")) from error


def _request(url: str, data: bytes) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, data, {"Accept": "application/json"})  # noqa: S310 - checked by the caller
    try:
        with _OPENER.open(request, timeout=TIMEOUT) as answer:
            status, body = answer.status, answer.read(LARGEST)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            status, body = error.code, error.read(LARGEST)
    said = json.loads(body)
    return status, said if isinstance(said, dict) else {}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Secrets go to the endpoint that is configured, and nowhere else."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        """Follow none."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _seconds(value: object, default: float) -> float:
    try:
        return min(max(float(str(value)), 0.05), 90 * 86400.0)
    except ValueError:
        return default


def client_for(name: str, settings: OAuth2, folder: Path, environ: Mapping[str, str] = os.environ) -> OAuthClient:
    """The client of an account; its tokens lie in `folder` where the config does not name a file."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else f"%{ord(c):x}" for c in name)
    path = settings.tokens or folder / f"oauth-{safe}.json"
    return OAuthClient(name, settings, TokenFile(path, environ.get(KEY, "")))
