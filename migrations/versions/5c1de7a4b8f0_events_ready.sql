-- revision: 5c1de7a4b8f0
-- down_revision: 3af4686817cc
-- message: job_event made ready to be a partition, however many events it has
-- no-transaction

-- upgrade
-- As in 001_job_ledger_init, which Alembic may have applied.
do $$
declare
    jobs constant regclass := coalesce(to_regclass('jobs'), to_regclass('jobs_before_ledger'));
    map constant text := coalesce(current_setting('heimdex.status_map', true), '');
    unknown text;
begin
    if jobs is null then
        return;
    end if;
    execute format($query$
        select string_agg(format('%%L (%%s)%%s', old, n, case when old is null then ' with NULL=NEW' when old = '' then ' with =NEW' end),
                          ', ' order by old)
          from (select status::text as old, count(*) as n from %s group by 1) as s
         where coalesce(old, 'NULL') not in ('pending', 'processing', 'completed', 'failed')
           and coalesce(old, 'NULL') not in (select split_part(pair, '=', 1) from unnest(string_to_array($1, ',')) as pair)
    $query$, jobs) into unknown using map;
    if unknown is not null then
        raise invalid_parameter_value using message = format('jobs: unknown statuses, map each with --map-status OLD=NEW: %s', unknown);
    end if;
end
$$;

-- Events may still be varchar, where Alembic applied 3af4686817cc: their statuses are normalised as it would have done.
do $$
declare
    words jsonb := '{"queued":"queued","pending":"queued","running":"running","processing":"running","succeeded":"succeeded",
                     "completed":"succeeded","failed":"failed","canceled":"canceled","cancelled":"canceled","dead_letter":"dead_letter"}';
    pair text;
    place record;
    found record;
    unknown text[] := '{}';
begin
    foreach pair in array string_to_array(coalesce(current_setting('heimdex.status_map', true), ''), ',') loop
        if words ->> lower(split_part(pair, '=', 2)) is null then
            raise invalid_parameter_value using message = format('--map-status %s: %s is no status', pair, split_part(pair, '=', 2));
        end if;
        words := words || jsonb_build_object(lower(split_part(pair, '=', 1)), words ->> lower(split_part(pair, '=', 2)));
    end loop;
    for place in
        select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid join pg_type t on t.oid = a.atttypid
         where (c.oid, a.attname) in (('job_event'::regclass, 'prev_status'), ('job_event'::regclass, 'next_status'))
           and t.typcategory = 'S'
    loop
        for found in execute format('select %2$I::text as old, count(*) as n from %1$I where %2$I not in (''queued'', ''running'', '
                                    '''succeeded'', ''failed'', ''canceled'', ''dead_letter'') group by 1 order by 1',
                                    place.relname, place.attname)
        loop
            if words ->> lower(btrim(found.old)) is null then
                unknown := unknown || format('%s.%s %L (%s)%s', place.relname, place.attname, found.old, found.n,
                                             case btrim(found.old) when '' then ' with =NEW' end);
            else
                execute format('update %1$I set %2$I = $1 where %2$I = $2', place.relname, place.attname)
                  using words ->> lower(btrim(found.old)), found.old;
                raise notice '%.%: "%" became "%" in % rows', place.relname, place.attname, found.old, words ->> lower(btrim(found.old)), found.n;
            end if;
        end loop;
    end loop;
    if unknown <> '{}' then
        raise invalid_parameter_value using
            message = format('unknown statuses, map each with --map-status OLD=NEW: %s', array_to_string(unknown, ', '));
    end if;
end
$$;

-- Deployed databases name the enum differently: one name from here on. The way down gives its own back, which is what Alembic will drop.
do $$
declare
    named record;
begin
    select t.typname, t.typtype into named from pg_attribute a join pg_type t on t.oid = a.atttypid
     where a.attrelid = 'job'::regclass and a.attname = 'status';
    if named.typtype <> 'e' then
        raise exception 'job.status: its type is %, not an enum: not all of 3af4686817cc was applied', named.typname;
    elsif named.typname <> 'job_status' then
        execute format('alter type %I rename to job_status', named.typname);
        execute format('comment on type job_status is %L', 'Before 5c1de7a4b8f0: ' || named.typname);
    end if;
end
$$;

-- As in 3af4686817cc, which Alembic may have applied. This one stays, for every later revision that has to lock a busy table.
create or replace function heimdex_lock(variadic tables text[]) returns void language plpgsql as $$
declare
    list constant text := (select string_agg(quote_ident(t), ', ') from unnest(tables) as t);
    usual constant text := current_setting('lock_timeout');
begin
    execute format('lock table %s in share update exclusive mode', list);
    for i in 1..600 loop
        begin
            perform set_config('lock_timeout', '100ms', true);
            execute format('lock table %s in access exclusive mode', list);
            perform set_config('lock_timeout', usual, true);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.2 + random() * 0.3);
        end;
    end loop;
    raise lock_not_available using message = format('%s: somebody keeps a lock on it for minutes', list);
end
$$;

-- What the partitioned table's indexes need of their first partition, and what the next revisions look for in job: built while
-- everybody goes on reading and writing.
create unique index concurrently job_event_before_key on job_event (job_id, ts, id);
create index concurrently job_event_before_ts on job_event using brin (ts) with (autosummarize = on);
create index concurrently job_troubled on job (last_error_code, id) where last_error_code is not null;
-- In which pages there may be jobs of a type, or of an organisation: a filter for every 32 pages, 8 MB for ten million jobs. Neither
-- column ever changes, so updates stay HOT. Vacuum brings it up to date.
create index concurrently job_ranges on job using brin (type text_bloom_ops (n_distinct_per_range = 64, false_positive_rate = 0.0005),
    org_id uuid_bloom_ops (n_distinct_per_range = 256)) with (pages_per_range = 32);
create index concurrently job_open on job (id) where status in ('queued', 'running', 'failed')
    or status in ('canceled', 'dead_letter') and last_error_code is null;

-- The bound of the first partition, known to hold before it is attached, so that attaching needn't look. It lies at least a week
-- ahead, because the events of the predecessor's workers must go on passing it until then.
do $$
declare
    bound timestamptz := (date_trunc('month', (now() + interval '7 days') at time zone 'UTC') + interval '1 month') at time zone 'UTC';
    latest timestamptz := (select max(ts) from job_event);
begin
    if latest >= bound then
        bound := (date_trunc('month', latest at time zone 'UTC') + interval '1 month') at time zone 'UTC';
    end if;
    perform heimdex_lock('job_event');
    if exists (select from pg_constraint where conrelid = 'job_event'::regclass and conname = 'job_event_before_bound') then
        alter table job_event drop constraint job_event_before_bound; -- of an earlier try
    end if;
    execute format('alter table job_event add constraint job_event_before_bound check (ts < %L) not valid', bound);
end
$$;
alter table job_event validate constraint job_event_before_bound;

-- downgrade
alter table job_event drop constraint job_event_before_bound;
drop index job_open;
drop index job_ranges;
drop index job_troubled;
drop index job_event_before_ts;
drop index job_event_before_key;
drop function heimdex_lock;
do $$
declare
    named constant text := substring(obj_description('job_status'::regtype, 'pg_type') from '^Before 5c1de7a4b8f0: (.+)$');
begin
    if named is not null then
        comment on type job_status is null;
        execute format('alter type job_status rename to %I', named);
    end if;
end
$$;
