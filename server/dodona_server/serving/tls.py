"""Certificate of the server, read again when its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger("dodona")

LOOK_SECONDS = 5.0


class UnusableCertificate(Exception):
    """The files of a certificate cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its private key, in PEM files without a password."""

    chain: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> None:
        """Load both into `context`; new connections use them.

        Raises:
            UnusableCertificate: a file cannot be read, or the two do not belong together.
        """
        try:
            # Without a password: OpenSSL would ask for it at the terminal.
            context.load_cert_chain(self.chain, self.key, password="")
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnusableCertificate(
                f"cannot use the certificate {self.chain} with the key {self.key}: {reason}"
            ) from None

    def check(self) -> None:
        """Load both once, to find out whether it is possible; see `load`."""
        self.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    async def keep_current(self, context: ssl.SSLContext) -> None:
        """Load both again whenever a file changes. New ones that cannot be used are logged; the old ones stay."""
        seen = self._state()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (now := self._state()) == seen:
                continue
            seen = now
            try:
                # A failure must not leave half of a pair in the context that serves.
                self.check()
                self.load(context)
            except UnusableCertificate as error:
                logger.error("the old certificate stays in use: %s", error)
            else:
                logger.info("new connections use the new certificate %s", self.chain)

    def _state(self) -> list[tuple[int, int] | None]:
        """Return a state that changes with the files, also if they are links to others, as in a Kubernetes secret."""
        return [_changed(path) for path in (self.chain, self.key)]


def _changed(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns
