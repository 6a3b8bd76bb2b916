"""A small provider of OpenID Connect, which signs in whomever a test names."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT, SECRET = "dodona", "the secret of the client"


class OpenIdProvider(ThreadingHTTPServer):
    """The provider; `claims` are those of the next person, and `forge` changes the token before it is signed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, private=True)
        self.signing = self.key
        self.claims: dict[str, Any] = {"sub": "ada", "groups": ["team"]}
        self.forged: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        # Whether it gives tokens to ask again with, and those that it has given; each counts once.
        self.refreshes = False
        self.refresh_tokens: set[str] = set()
        self.all_given: list[str] = []
        self.used_again: list[str] = []
        # What it says besides, to whoever has an access token.
        self.userinfo: dict[str, Any] = {}
        # What it answers instead of tokens.
        self.broken: tuple[int, dict[str, Any]] | None = None


class _Handler(BaseHTTPRequestHandler):
    server: OpenIdProvider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        provider = self.server
        if parts.path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
            if provider.userinfo:
                places["userinfo_endpoint"] = "/userinfo"
            described = {name: provider.issuer + at for name, at in places.items()}
            scopes = ["openid", *(["offline_access"] if provider.refreshes else [])]
            self._answer({"issuer": provider.issuer, "scopes_supported": scopes, **described})
        elif parts.path == "/userinfo":
            assert self.headers["Authorization"] == "Bearer x"
            self._answer(provider.userinfo)
        elif parts.path == "/keys":
            self._answer(dict(KeySet([provider.key]).as_dict(private=False)))
        elif parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (
                CLIENT,
                "code",
                "S256",
            )
            assert ("offline_access" in asked["scope"].split()) == provider.refreshes
            code = secrets.token_urlsafe(8)
            provider.codes[code] = asked
            self.send_response(302)
            self.send_header(
                "Location", f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            )
            self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        if self.server.broken:
            self._answer(self.server.broken[1], self.server.broken[0])
        elif sent["grant_type"] == "refresh_token":
            self._refresh(sent["refresh_token"])
        else:
            self._exchange(sent)

    def _refresh(self, token: str) -> None:
        if token not in self.server.refresh_tokens:
            self.server.used_again.append(token)
            self._answer({"error": "invalid_grant"}, 400)
            return
        self.server.refresh_tokens.remove(token)
        self._give({})

    def _exchange(self, sent: dict[str, str]) -> None:
        asked = self.server.codes.pop(sent["code"], None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            asked is None
            or self.headers["Authorization"] != f"Basic {basic}"
            or challenge.decode() != asked["code_challenge"]
            or sent["redirect_uri"] != asked["redirect_uri"]
        ):
            self._answer({"error": "invalid_grant"}, 400)
            return
        self._give({"nonce": asked["nonce"]})

    def _give(self, more: dict[str, Any]) -> None:
        now = int(time.time())
        claims = {"iss": self.server.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, **more}
        claims = {**claims, **self.server.claims, **self.server.forged}
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.server.signing)
        answer = {"access_token": "x", "token_type": "Bearer", "id_token": token}
        if self.server.refreshes:
            answer["refresh_token"] = secrets.token_urlsafe(16)
            self.server.refresh_tokens.add(answer["refresh_token"])
            self.server.all_given.append(answer["refresh_token"])
        self._answer(answer)

    def _answer(self, content: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """Yield a running provider."""
    with OpenIdProvider() as provider:
        thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield provider
        provider.shutdown()
        thread.join()
