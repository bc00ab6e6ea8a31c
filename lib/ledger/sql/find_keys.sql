-- The jobs that already have these keys. A statement of its own behind submit: its snapshot is taken after the insert has
-- waited for whoever was inserting the same key.
-- $1 orgs $2 keys
select j.id, u.n::int4
  from unnest($1::uuid[], $2::varchar[]) with ordinality as u (org_id, key, n)
  join job j on j.org_id = u.org_id and j.idempotency_key = u.key
