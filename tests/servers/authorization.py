"""An authorization server of our own on loopback: device flow, refreshing, token information, and withdrawal."""

from __future__ import annotations

import json
import secrets
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class AuthorizationServer:
    """`granted` says whether the person has confirmed; `lifetime` is that of access tokens, in seconds."""

    user: str = "shop"
    lifetime: int = 3600
    granted: bool = False
    revoked: bool = False
    denied: bool = False
    rotate: bool = True
    fail: int = 0  # so many requests get 500
    slow_down: int = 0
    forms: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    access: set[str] = field(default_factory=set)
    refresh: str = ""
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> AuthorizationServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                form = dict(urllib.parse.parse_qsl(self.rfile.read(size).decode()))
                self._say(*outer.answer(self.path, form))

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                self._say(*outer.answer(path, dict(urllib.parse.parse_qsl(query))))

            def _say(self, status: int, said: dict[str, Any]) -> None:
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        """An endpoint."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """What is said to a request."""
        self.forms.append((path, form))
        if self.fail:
            self.fail -= 1
            return 500, {}
        if path == "/device":
            shown = {"user_code": "ABCD-EFGH", "verification_url": "https://authorize.example/device"}
            return 200, {"device_code": "device-1", "expires_in": 60, "interval": 0.1, **shown}
        if path == "/tokeninfo":
            token = form.get("access_token", "")
            return (200, {"email": self.user, "active": True}) if token in self.access else (401, {"error": "invalid"})
        if form.get("grant_type") == "refresh_token":
            good = form.get("refresh_token") == self.refresh and not self.revoked
            return self._tokens() if good else (400, {"error": "invalid_grant"})
        if self.denied:
            return 400, {"error": "access_denied"}
        if self.slow_down:
            self.slow_down -= 1
            return 400, {"error": "slow_down"}
        return self._tokens() if self.granted else (400, {"error": "authorization_pending"})

    def _tokens(self) -> tuple[int, dict[str, Any]]:
        token = secrets.token_urlsafe(24)
        self.access.add(token)
        if self.rotate or not self.refresh:
            self.refresh = secrets.token_urlsafe(24)
        return 200, {"access_token": token, "refresh_token": self.refresh, "expires_in": self.lifetime}

    def revoke(self) -> None:
        """The person withdraws the permission."""
        self.revoked = True
        self.access.clear()
