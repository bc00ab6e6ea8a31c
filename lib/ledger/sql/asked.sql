-- Did this claim commit? Asked when a connection broke in its COMMIT. Meaningless while the old backend still lives.
-- $1 token $2 backend pid of the broken connection
select (select c.ids from claim c where c.token = $1::uuid) as ids,
       exists (select from pg_stat_activity a where a.pid = $2::int4 and a.backend_type = 'client backend'
                and a.application_name = current_setting('application_name') and a.pid <> pg_backend_pid()) as alive
