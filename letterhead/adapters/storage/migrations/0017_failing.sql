-- What the operator selects domains by, across all accounts: since when a domain fails, and whether the mail provider
-- refuses it. Few domains do, so that the indexes stay small; those of one account have its order.
ALTER TABLE domains ADD COLUMN failing_since BIGINT;

ALTER TABLE domains ADD COLUMN refused SMALLINT NOT NULL DEFAULT 0;

-- Domains that fail now. The time of a miss before the state was entered is left to their next check.
UPDATE domains SET failing_since =
    /*sqlite CAST(strftime('%s', json_extract(life, '$.dkim.since')) AS BIGINT) * 1000 */
    /*postgresql CAST(EXTRACT(EPOCH FROM CAST(CAST(life AS JSON) #>> '{dkim,since}' AS TIMESTAMPTZ)) * 1000 AS BIGINT) */
WHERE status IN ('TEMPORARY_FAILURE', 'FAILED');

CREATE INDEX domains_failing ON domains (account_id, sender) WHERE failing_since IS NOT NULL;

CREATE INDEX domains_refused ON domains (account_id, sender) WHERE refused = 1;

CREATE INDEX domains_unverified ON domains (account_id, sender) WHERE status <> 'SUCCESS';

-- Work at the provider that it did not do when it was asked.
CREATE INDEX intents_refused ON intents (account_id, sender) WHERE attempts > 0;
