"""Run the textbook's GET /domains: FastAPI, SQLAlchemy's ORM, pydantic, uvicorn, as their tutorials have it.

DATABASE_URL=… uvicorn benchmarks.textbook:app. The same octets as ours and the floor, from the floor's tables.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import BigInteger, ForeignKey, LargeBinary, Text, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.floor import MX_HOST, MX_PRIORITY, PEPPER, SPF

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=10, max_overflow=0
)
Session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    type_annotation_map = {int: BigInteger, str: Text, bytes: LargeBinary}  # noqa: RUF012 as SQLAlchemy wants it


class ApiKey(Base):
    __tablename__ = "floor_keys"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[str]


class Domain(Base):
    __tablename__ = "floor_domains"
    account_id: Mapped[str] = mapped_column(ForeignKey("floor_keys.account_id"), primary_key=True)
    sender: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    last_sync: Mapped[int]
    created_at: Mapped[int]
    selector: Mapped[str]
    public_key: Mapped[str]
    mail_from: Mapped[str]
    mail_from_status: Mapped[str]
    tokens: Mapped[str]


class Out(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Record(Out):
    record_type: str
    record_name: str
    host: str
    record_value: str
    required: bool
    priority: int | None = None


class Records(BaseModel):
    dkim: Record
    mail_from_spf: Record
    mail_from_mx: Record
    dmarc: Record


class DomainOut(Out):
    sender: str
    status: str
    last_sync: datetime
    created_at: datetime
    selector: str
    verification_tokens: list[str]
    mail_from_domain_status: str
    verification_records: Records


async def session() -> AsyncIterator[AsyncSession]:
    async with Session() as opened:
        yield opened


Opened = Annotated[AsyncSession, Depends(session)]
Bearer = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


async def account(session: Opened, bearer: Bearer) -> str:
    digest = hmac.digest(PEPPER, bearer.credentials.encode(), hashlib.sha256)
    key = (await session.execute(select(ApiKey).where(ApiKey.digest == digest))).scalar_one_or_none()
    if key is None:
        raise HTTPException(401, "invalid API key")
    return key.account_id


app = FastAPI()


@app.get("/domains", response_model=list[DomainOut], response_model_exclude_none=True)
async def list_domains(session: Opened, account_id: Annotated[str, Depends(account)]) -> list[DomainOut]:
    wanted = select(Domain).where(Domain.account_id == account_id).order_by(Domain.sender)
    return [shown(each) for each in (await session.scalars(wanted)).all()]


def shown(each: Domain) -> DomainOut:
    key, bounce = f"{each.selector}._domainkey", each.mail_from.removesuffix("." + each.sender)
    return DomainOut(
        sender=each.sender,
        status=each.status,
        last_sync=datetime.fromtimestamp(each.last_sync / 1000, UTC),
        created_at=datetime.fromtimestamp(each.created_at / 1000, UTC),
        selector=each.selector,
        verification_tokens=each.tokens.split(),
        mail_from_domain_status=each.mail_from_status,
        verification_records=Records(
            dkim=record("TXT", key, f"{key}.{each.sender}", f"v=DKIM1; k=rsa; p={each.public_key}", required=True),
            mail_from_spf=record("TXT", bounce, each.mail_from, f"v=spf1 {SPF} ~all"),
            mail_from_mx=record("MX", bounce, each.mail_from, MX_HOST, priority=MX_PRIORITY),
            dmarc=record("TXT", "_dmarc", f"_dmarc.{each.sender}", "v=DMARC1; p=none;"),
        ),
    )


def record(
    rdtype: str, name: str, host: str, value: str, *, required: bool = False, priority: int | None = None
) -> Record:
    return Record(
        record_type=rdtype, record_name=name, host=host, record_value=value, required=required, priority=priority
    )
