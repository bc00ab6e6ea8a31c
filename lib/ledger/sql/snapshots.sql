-- Who holds the oldest snapshot? While it is held, no dead row version may go, and every update makes one. Only sessions of
-- whom this login may see that much (pg_read_all_stats sees all).
-- $1 seconds: younger ones don't matter
select a.pid, coalesce(a.usename::text, '?') as login, coalesce(nullif(a.application_name, ''), '?') as application,
       extract(epoch from clock_timestamp() - a.xact_start)::int8 as seconds
  from pg_stat_activity a
 where a.backend_xmin is not null and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
   and a.datid = (select oid from pg_database where datname = current_database())
   and a.xact_start < clock_timestamp() - make_interval(secs => $1::int4)
 order by a.xact_start limit 1
