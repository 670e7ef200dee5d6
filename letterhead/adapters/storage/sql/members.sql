-- name: members(account_id)
-- Return the members of an account, the oldest first.
SELECT id, account_id, issuer, subject, email, role, created_at, invited_by, signed_in_at FROM members
WHERE account_id = :account_id ORDER BY created_at, id;

-- name: memberships(issuer, subject)
-- Return the memberships of one person in all accounts.
SELECT id, account_id, issuer, subject, email, role, created_at, invited_by, signed_in_at FROM members
WHERE issuer = :issuer AND subject = :subject ORDER BY account_id;

-- name: add_member(id, account_id, issuer, subject, email, role, created_at, invited_by, signed_in_at)
-- Add a member, unless the person is one already.
INSERT INTO members (id, account_id, issuer, subject, email, role, created_at, invited_by, signed_in_at)
VALUES (:id, :account_id, :issuer, :subject, :email, :role, :created_at, :invited_by, :signed_in_at)
ON CONFLICT (account_id, issuer, subject) DO NOTHING
RETURNING id;

-- name: change_member_role(account_id, id, role)
-- Give a member another role.
UPDATE members SET role = :role WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: delete_member(account_id, id)
-- Remove a member from an account.
DELETE FROM members WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: note_member_signed_in(id, at)
-- Set when a member signed in, and return the role; the row is locked until the transaction ends.
UPDATE members SET signed_in_at = :at WHERE id = :id RETURNING role;

-- name: change_members_sessions(member_id, scope)
-- Have the sessions of a member follow their role.
UPDATE sessions SET scope = :scope WHERE member_id = :member_id RETURNING digest;

-- name: end_members_sessions(member_id)
-- Delete all sessions of a member.
DELETE FROM sessions WHERE member_id = :member_id RETURNING digest;

-- name: end_sessions_by_rules(account_id)
-- Delete the sessions of people who signed in with OpenID Connect and are no members.
DELETE FROM sessions WHERE account_id = :account_id AND key_id IS NULL AND member_id IS NULL RETURNING digest;

-- name: invitations(account_id, now)
-- Return the invitations of an account that have not ended, the oldest first.
SELECT id, account_id, email, role, created_at, ends_at, invited_by FROM invitations
WHERE account_id = :account_id AND ends_at > :now ORDER BY created_at, id;

-- name: invitation(digest)
-- Return an invitation by the digest of its token, ended or not.
SELECT id, account_id, email, role, created_at, ends_at, invited_by FROM invitations WHERE digest = :digest;

-- name: add_invitation(id, account_id, email, role, digest, created_at, ends_at, invited_by)
-- Add an invitation.
INSERT INTO invitations (id, account_id, email, role, digest, created_at, ends_at, invited_by)
VALUES (:id, :account_id, :email, :role, :digest, :created_at, :ends_at, :invited_by)
RETURNING id;

-- name: delete_invitations_to(account_id, email)
-- Delete the invitations of an account to an address, before another takes their place.
DELETE FROM invitations WHERE account_id = :account_id AND lower(email) = lower(:email) RETURNING id;

-- name: take_invitation(digest, now)
-- Delete an invitation that has not ended, since it is accepted.
DELETE FROM invitations WHERE digest = :digest AND ends_at > :now RETURNING id;

-- name: delete_invitation(account_id, id)
-- Delete an invitation of an account.
DELETE FROM invitations WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: sign_in_rules(account_id)
-- Return the rules by which people sign in to an account.
SELECT kind, value, role FROM sign_in_rules WHERE account_id = :account_id ORDER BY kind, value;

-- name: add_sign_in_rule(kind, value, account_id, role)
-- Add a rule by which people sign in to an account.
INSERT INTO sign_in_rules (kind, value, account_id, role) VALUES (:kind, :value, :account_id, :role) RETURNING kind;

-- name: delete_sign_in_rules(account_id)
-- Delete the rules of an account, before others take their place.
DELETE FROM sign_in_rules WHERE account_id = :account_id RETURNING kind;

-- name: matching_rules(email_domain, groups)
-- Return the rules of all accounts that somebody of a mail domain and of some groups meets.
SELECT account_id, role FROM sign_in_rules
WHERE kind = 'email-domain' AND value = :email_domain
UNION ALL
SELECT account_id, role FROM sign_in_rules
WHERE kind = 'group' AND value
    /*sqlite IN (SELECT value FROM json_each(:groups)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:groups AS JSON)))) */;
