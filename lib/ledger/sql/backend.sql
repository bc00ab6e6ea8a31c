-- Does the old backend still live, which may commit what is in doubt? Asked ahead of the tokens: what a backend that is gone has
-- committed is in the snapshot of every statement behind this one.
-- $1 backend pid of the broken connection
select exists (select from pg_stat_activity a where a.pid = $1::int4 and a.backend_type = 'client backend'
                and a.application_name = current_setting('application_name') and a.pid <> pg_backend_pid()) as alive
