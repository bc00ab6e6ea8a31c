-- revision: 5c1de7a4b8f0
-- down_revision: 3af4686817cc
-- message: job_event made ready to be a partition, however many events it has
-- no-transaction

-- upgrade
-- Deployed databases name the enum differently: one name from here on.
do $$
declare
    named text := (select t.typname from pg_attribute a join pg_type t on t.oid = a.atttypid
                    where a.attrelid = 'job'::regclass and a.attname = 'status');
begin
    if named <> 'job_status' then
        execute format('alter type %I rename to job_status', named);
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
