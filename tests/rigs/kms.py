"""Run moto's KMS as a server of its own, with the refusals that moto forgets, and tell what it was asked."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

import botocore.session
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from tests.rigs.processes import free_port

ACCOUNT, REGION = "123456789012", "eu-west-1"
USES = ("Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext")
Start = Callable[[str, list[tuple[str, str]]], object]


class Kms:
    """A running KMS; `refuse` makes it answer with that code, `calls` are the uses of keys that it was asked."""

    def __init__(self) -> None:
        self.port = free_port("127.0.0.1")
        self.refuse = ""
        self.status = 400
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what every AWS program reads."""
        return {
            "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def start(self) -> None:
        """Listen, again where it did before, with the keys of before."""
        self._server = make_server("127.0.0.1", self.port, self, threaded=True)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Is away: nobody listens."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request."""
        action = environ.get("HTTP_X_AMZ_TARGET", "").removeprefix("TrentService.")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if action in USES:
            asked = json.loads(body)
            self.calls.append((action, asked))
            if code := self.refuse or self._state(asked["KeyId"]):
                said = json.dumps({"__type": code, "message": f"{code} of {asked['KeyId']}"}).encode()
                start(f"{self.status} said", [("Content-Type", "application/x-amz-json-1.1")])
                return [said]
        answer: Iterable[bytes] = self._moto({**environ, "wsgi.input": io.BytesIO(body)}, start)
        return answer

    def _state(self, key_id: str) -> str:
        """Say what AWS answers for a key that is off; moto uses it all the same."""
        backend = kms_backends[ACCOUNT][REGION]
        key = backend.keys.get(backend.any_id_to_key_id(key_id))
        if key is None or key.enabled:
            return ""
        return "DisabledException" if key.key_state == "Disabled" else "KMSInvalidStateException"

    def client(self) -> Any:
        """Return Amazon's own client, as the operator's."""
        return botocore.session.get_session().create_client(
            "kms", region_name=REGION, endpoint_url=self.environment["AWS_ENDPOINT_URL_KMS"],
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )  # fmt: skip

    def key(self) -> str:
        """Make a key and return its ARN."""
        return str(self.client().create_key()["KeyMetadata"]["Arn"])


@contextmanager
def running() -> Iterator[Kms]:
    """Run a KMS until the block ends."""
    kms = Kms()
    kms.start()
    try:
        yield kms
    finally:
        kms.stop()
