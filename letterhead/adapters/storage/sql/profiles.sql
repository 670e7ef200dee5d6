-- name: profile(domain_id)
-- Return what an account keeps about a domain; nothing where it keeps nothing.
SELECT note, copy_account, contact, contact_asked_at, contact_confirmed_at, contact_reminders, contact_language,
    /*sqlite (SELECT json_group_array(label) FROM domain_labels WHERE domain_id = :domain_id) */
    /*postgresql CAST((SELECT json_agg(label) FROM domain_labels WHERE domain_id = :domain_id) AS TEXT) */ AS labels
FROM domain_profiles WHERE domain_id = :domain_id;

-- name: add_profile(domain_id, account_id, note, copy_account, contact, contact_asked_at, contact_confirmed_at, contact_reminders, contact_language)
-- Add what an account keeps about a domain, but for its labels.
INSERT INTO domain_profiles (
    domain_id, account_id, note, copy_account, contact, contact_asked_at, contact_confirmed_at, contact_reminders,
    contact_language
) VALUES (
    :domain_id, :account_id, :note, :copy_account, :contact, :contact_asked_at, :contact_confirmed_at,
    :contact_reminders, :contact_language
)
RETURNING domain_id;

-- name: add_label(account_id, label, sender, domain_id)
-- Add a label to a domain.
INSERT INTO domain_labels (account_id, label, sender, domain_id) VALUES (:account_id, :label, :sender, :domain_id)
RETURNING domain_id;

-- name: delete_labels(domain_id)
-- Delete the labels of a domain.
DELETE FROM domain_labels WHERE domain_id = :domain_id RETURNING label;

-- name: delete_profile(domain_id)
-- Delete what an account keeps about a domain, but for its labels.
DELETE FROM domain_profiles WHERE domain_id = :domain_id RETURNING domain_id;

-- name: labelled_domains(account_id, label, others, after, status, not_status, contains, problem, limit)
-- Return a page of those of `domains` that have a label and all `others`, a JSON array.
SELECT d.life FROM domain_labels AS l JOIN domains AS d ON d.id = l.domain_id
WHERE l.label = :label AND l.account_id = :account_id AND l.sender > :after
  AND NOT EXISTS (
    SELECT 1 FROM
        /*sqlite (SELECT value FROM json_each(:others)) AS other */
        /*postgresql (SELECT json_array_elements_text(CAST(:others AS JSON)) AS value) AS other */
    WHERE NOT EXISTS (
        SELECT 1 FROM domain_labels AS x
        WHERE x.label = other.value AND x.account_id = l.account_id AND x.sender = l.sender
    )
  )
  AND (CAST(:status AS TEXT) IS NULL OR d.status = :status)
  AND (CAST(:not_status AS TEXT) IS NULL OR d.status <> :not_status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(l.sender, :contains, '') <> l.sender)
  AND (CAST(:problem AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM checkups WHERE domain_id = d.id
      AND /*sqlite instr(body, :problem) */ /*postgresql strpos(body, :problem) */ > 0
  ))
ORDER BY l.sender
LIMIT :limit;

-- name: labelled_domains_of_all(label, others, after_account, after_sender, account_id, status, before, only_refused, contains, limit)
-- Return a page of those of `all_domains` that have a label and all `others`, a JSON array.
-- A `before` that is not NULL leaves those that have failed since then or longer, `only_refused` those of `refused_domains`.
SELECT d.life, (SELECT name FROM accounts WHERE id = d.account_id) AS account_name,
    (SELECT min(reason) FROM intents
     WHERE account_id = d.account_id AND sender = d.sender AND domain_id = d.id AND attempts > 0 AND effect <> 'publish'
    ) AS refusal
FROM domain_labels AS l JOIN domains AS d ON d.id = l.domain_id
WHERE l.label = :label AND (l.account_id, l.sender) > (:after_account, :after_sender)
  AND NOT EXISTS (
    SELECT 1 FROM
        /*sqlite (SELECT value FROM json_each(:others)) AS other */
        /*postgresql (SELECT json_array_elements_text(CAST(:others AS JSON)) AS value) AS other */
    WHERE NOT EXISTS (
        SELECT 1 FROM domain_labels AS x
        WHERE x.label = other.value AND x.account_id = l.account_id AND x.sender = l.sender
    )
  )
  AND (CAST(:account_id AS TEXT) IS NULL OR l.account_id = :account_id)
  AND (CAST(:status AS TEXT) IS NULL OR d.status = :status)
  AND (CAST(:before AS BIGINT) IS NULL OR d.failing_since <= :before)
  AND (:only_refused = 0 OR d.refused = 1 OR EXISTS (
    SELECT 1 FROM intents
    WHERE account_id = d.account_id AND sender = d.sender AND domain_id = d.id AND attempts > 0 AND effect <> 'publish'
  ))
  AND (CAST(:contains AS TEXT) IS NULL OR replace(d.sender, :contains, '') <> d.sender OR (
    SELECT replace(lower(name || ' ' || email), :contains, '') <> lower(name || ' ' || email)
    FROM accounts WHERE id = d.account_id
  ))
ORDER BY l.account_id, l.sender
LIMIT :limit;
