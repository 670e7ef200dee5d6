"""What the mailer and the smart host share: an SMTP client that holds no socket, and the text of its failures."""

import asyncio

import aiosmtplib

LONGEST_TEXT = 500


class SmtpClient(aiosmtplib.SMTP):
    """A client that closes at once: a close by TLS holds its socket for 30 s where the server says nothing any more."""

    def close(self) -> None:
        """Close the connection; its socket goes with the next turn of the loop."""
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


def error_text(error: Exception) -> str:
    """Return a failure's text: the server's reply where there is one."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"[:LONGEST_TEXT]
    return (str(error) or type(error).__name__)[:LONGEST_TEXT]
