"""Keyed hashes of tokens: what the database keeps instead of them."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from dodona_server.domain.access.credentials import Secret
from dodona_server.storage.access.accounts import Digest

if TYPE_CHECKING:
    from joserfc.jwk import OctKey


class Keys:
    """Makes and compares digests.

    Args:
        secret: the server's; see `storage.access.secret`.
    """

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"dodona tokens " + secret.encode()).digest()
        self.key_id = hmac.digest(self._key, b"id", "sha256").hex()[:16]

    def digest(self, secret: Secret) -> Digest:
        """Return the digest of a token, to store."""
        return Digest(self.raw(secret).hex(), self.key_id)

    def signed(self, text: str) -> str:
        """Return a text for a cookie, with a signature that only this server can make."""
        return f"{text}.{self._signature(text)}"

    def verified(self, cookie: str) -> str | None:
        """Return the text of a signed cookie; None if this server has not signed it."""
        text, _, signature = cookie.rpartition(".")
        return text if hmac.compare_digest(signature.encode(), self._signature(text).encode()) else None

    def sealed(self, text: str) -> str:
        """Return a text so that only this server can read it; needs the packages for OpenID Connect."""
        from joserfc import jwe

        return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, text, self._sealing())

    def opened(self, sealed: str) -> str:
        """Return the text that was sealed with the same secret."""
        from joserfc import jwe

        return (jwe.decrypt_compact(sealed, self._sealing()).plaintext or b"").decode()

    def _sealing(self) -> OctKey:
        from joserfc.jwk import OctKey

        return OctKey.import_key(hmac.digest(self._key, b"sealing", "sha256"))

    def _signature(self, text: str) -> str:
        return hmac.digest(self._key, b"cookie " + text.encode(), "sha256").hex()

    def raw(self, secret: Secret) -> bytes:
        """Return the keyed hash of a token."""
        return hmac.digest(self._key, f"{secret.token_id}.{secret.secret}".encode(), "sha256")
