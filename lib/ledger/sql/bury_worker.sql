-- First statement of a reap: waits for the worker's claims in flight, and stops later ones. The release behind it, in the same
-- transaction, has a snapshot that sees them.
-- $1 worker
with it as materialized (select id from worker where id = $1::int4 for update)
update worker w set dead = true from it where w.id = it.id and not w.dead
