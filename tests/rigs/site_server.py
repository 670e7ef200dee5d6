"""Serve the built site on loopback, with its policy, and forward what is tried in the API reference to one server."""

from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
TRIED = "/try"
PASSED = {"accept", "authorization", "content-type", "idempotency-key", "if-none-match"}
HELD = {"connection", "content-encoding", "content-length", "date", "server", "transfer-encoding"}


class SiteHandler(SimpleHTTPRequestHandler):
    """Answers with a file of the site, with its page for what is not there, or with what the API answered."""

    api = ""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Print no line for each request."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the policy with every answer."""
        super().send_response(code, message)
        self.send_header("Content-Security-Policy", POLICY)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the page of the site where there is no such file."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            super().send_error(code, message, explain)
            return
        self._answer(404, {"Content-Type": "text/html; charset=utf-8"}, page.read_bytes())

    def do_GET(self) -> None:
        """Answer a request of a page, or forward it."""
        if urlsplit(self.path).path.startswith(f"{TRIED}/"):
            self._forward()
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Forward a request; the site itself takes none of this kind."""
        if not self.path.startswith(f"{TRIED}/"):
            self.send_error(405)
            return
        self._forward()

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() in PASSED}
        try:
            answer = httpx2.request(
                self.command, self.api + self.path.removeprefix(TRIED),
                headers=headers, content=body, timeout=70, trust_env=False,
            )  # fmt: skip
        except httpx2.HTTPError as fault:
            self._answer(502, {"Content-Type": "text/plain"}, f"{self.api} does not answer: {fault}\n".encode())
            return
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HELD}
        self._answer(answer.status_code, kept, answer.content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-security-policy":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def site_server(built: Path, api: str, port: int = 0) -> ThreadingHTTPServer:
    """Return a server for this folder, which has not begun."""
    handler = type("Handler", (SiteHandler,), {"api": api.rstrip("/")})

    def answer(*given: object) -> SimpleHTTPRequestHandler:
        return handler(*given, directory=str(built))  # type: ignore[no-any-return]

    return ThreadingHTTPServer(("127.0.0.1", port), answer)
