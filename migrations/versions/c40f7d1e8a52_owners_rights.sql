-- revision: c40f7d1e8a52
-- down_revision: d94b6e0c83f5
-- message: functions with the owner's rights look at no table of their caller's

-- upgrade
-- A caller's temporary tables come before all others where the path of a function doesn't name pg_temp: job_type, say, with a trigger of the
-- caller's, which would run with the owner's rights.
do $$
declare
    ours record;
begin
    for ours in
        select p.oid::regprocedure as name, substring(c.setting from '^search_path=(.*)$') as path
          from pg_proc p cross join unnest(p.proconfig) as c (setting)
         where p.prosecdef and p.proname like 'heimdex\_%' and
               p.pronamespace = (select oid from pg_namespace where nspname = current_schema()) and
               c.setting like 'search\_path=%'
         order by 1
    loop
        execute format('alter function %s set search_path = %s, pg_temp', ours.name, ours.path);
    end loop;
end
$$;

-- downgrade
do $$
declare
    ours record;
begin
    for ours in
        select p.oid::regprocedure as name, substring(c.setting from '^search_path=(.*), pg_temp$') as path
          from pg_proc p cross join unnest(p.proconfig) as c (setting)
         where p.prosecdef and p.proname like 'heimdex\_%' and
               p.pronamespace = (select oid from pg_namespace where nspname = current_schema()) and
               c.setting like 'search\_path=%, pg_temp'
         order by 1
    loop
        execute format('alter function %s set search_path = %s', ours.name, ours.path);
    end loop;
end
$$;
