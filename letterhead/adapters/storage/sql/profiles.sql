-- name: profile(domain_id)
-- Return what an account keeps about a domain; nothing where it keeps nothing.
SELECT note, copy_account, contact, contact_asked_at, contact_confirmed_at, contact_reminders,
    /*sqlite (SELECT json_group_array(label) FROM domain_labels WHERE domain_id = :domain_id) */
    /*postgresql CAST((SELECT json_agg(label) FROM domain_labels WHERE domain_id = :domain_id) AS TEXT) */ AS labels
FROM domain_profiles WHERE domain_id = :domain_id;

-- name: add_profile(domain_id, account_id, note, copy_account, contact, contact_asked_at, contact_confirmed_at, contact_reminders)
-- Add what an account keeps about a domain, but for its labels.
INSERT INTO domain_profiles (
    domain_id, account_id, note, copy_account, contact, contact_asked_at, contact_confirmed_at, contact_reminders
) VALUES (
    :domain_id, :account_id, :note, :copy_account, :contact, :contact_asked_at, :contact_confirmed_at,
    :contact_reminders
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
