"""The operator's view of the mail provider, over HTTP."""

import httpx2
import pytest

from letterhead.adapters.providers.simulated import SimulatedBehaviour
from letterhead.core.domain.provider_identity import IdentityWish
from letterhead.core.secret import Secret
from tests.web.conftest import Installation

WISH = IdentityWish(sender="there.dev", owner="elsewhere/a/b", selector="s1", public_key="MIIB", mail_from=None)
PATHS = ("/identities/reconcile", "/identities/acme.dev/adopt")


@pytest.mark.parametrize("path", PATHS)
async def test_it_is_the_operators_alone(acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient, path: str) -> None:
    """No account sees or changes what lies in the operator's own account at the provider."""
    assert (await nobody.post(path, json={})).status_code == 401
    assert (await acme.post(path, json={"apply": True})).status_code == 401


async def test_a_stranger_is_told_and_left(house: Installation, operator: httpx2.AsyncClient) -> None:
    """Dry unless asked; what is somebody else's is told as such and never mended."""
    await house.provider.register(WISH, Secret(b"key"))
    for body in ({}, {"apply": True}):
        told = (await operator.post(PATHS[0], json=body)).json()
        assert (told["held"], told["listed"], told["unread"]) == (0, 1, 0)
        (only,) = told["differences"]
        assert (only["sender"], only["differs"], only["mended"]) == ("there.dev", "stranger", False)
    assert await house.provider.find_holding("there.dev") is not None


async def test_trouble_is_502_with_the_providers_code(house: Installation, operator: httpx2.AsyncClient) -> None:
    """The whole envelope: who caused it, by which of their codes, and what to do."""
    await house.provider.register(WISH, Secret(b"key"))
    house.provider._behaviours = {"there.dev": SimulatedBehaviour.THROTTLED}
    answer = await operator.post(PATHS[0], json={})
    assert answer.status_code == 502
    error = answer.json()["error"]
    assert (error["provider"], error["providerCode"]) == ("simulated", "TooManyRequests")
    assert error["fix"]


async def test_nobody_to_adopt_for_is_404(operator: httpx2.AsyncClient) -> None:
    """A name that nobody has proven is adopted for nobody."""
    answer = await operator.post(PATHS[1], json={"apply": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found")
