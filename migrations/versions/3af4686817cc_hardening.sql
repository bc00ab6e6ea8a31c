-- revision: 3af4686817cc
-- down_revision: 001_job_ledger_init
-- message: hardening: job ledger enums/indexes/idempotency
-- no-transaction

-- upgrade
-- Statuses that older code wrote are normalised, each said with its count; what is no status stops here, before anything changed.
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
         where (c.oid, a.attname) in (('job'::regclass, 'status'), ('job_event'::regclass, 'prev_status'), ('job_event'::regclass, 'next_status'))
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

do $$
begin
    create type job_status as enum ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter');
exception when duplicate_object then null;
end
$$;

-- Locks that wait a tenth of a second at most, again and again, so that nobody has to queue up behind them. The weaker lock comes
-- first: it hinders no reader and no writer, and sends an autovacuum away.
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

-- job.status becomes the enum. A large table isn't rewritten while everybody waits: a second column is filled beside the first one
-- in batches, and takes its name. Done again from the start, it finds what it did before.
do $$
declare
    few constant bigint := coalesce(nullif(current_setting('heimdex.small_table', true), ''), '20000')::bigint;
    last uuid;
    batch uuid[];
begin
    if (select t.typtype from pg_attribute a join pg_type t on t.oid = a.atttypid
         where a.attrelid = 'job'::regclass and a.attname = 'status') = 'e' then
        if exists (select from pg_constraint where conrelid = 'job'::regclass and conname = 'ck_job_status' and not convalidated) then
            alter table job validate constraint ck_job_status;
        end if;
        return;
    end if;
    if (select count(*) from (select from job limit few + 1) as r) <= few
       and not exists (select from pg_attribute where attrelid = 'job'::regclass and attname = 'status_next') then
        perform heimdex_lock('job');
        alter table job drop constraint if exists ck_job_status;
        alter table job alter column status drop default;
        alter table job alter column status type job_status using status::job_status;
        alter table job alter column status set default 'queued';
        alter table job add constraint ck_job_status
            check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter'));
        return;
    end if;

    if not exists (select from pg_attribute where attrelid = 'job'::regclass and attname = 'status_next') then
        perform heimdex_lock('job');
        alter table job add column status_next job_status;
        create function heimdex_status_next() returns trigger language plpgsql as
            'begin new.status_next := new.status::job_status; return new; end';
        create trigger heimdex_status_next before insert or update of status on job for each row execute function heimdex_status_next();
        commit;
    end if;
    loop
        batch := array(select id from job where last is null or id > last order by id limit 5000);
        exit when batch = '{}';
        update job set status_next = status::job_status where id = any (batch) and status_next is null;
        last := batch[cardinality(batch)];
        commit;
    end loop;
    perform heimdex_lock('job');
    if exists (select from pg_constraint where conrelid = 'job'::regclass and conname = 'job_status_next') then
        alter table job drop constraint job_status_next; -- of an earlier try
    end if;
    alter table job add constraint job_status_next check (status_next is not null) not valid;
    commit;
    alter table job validate constraint job_status_next;
    commit;
    perform heimdex_lock('job');
    drop trigger heimdex_status_next on job;
    drop function heimdex_status_next;
    alter table job drop column status; -- with ck_job_status, idx_job_org_status and idx_job_type_status
    alter table job rename column status_next to status;
    alter table job alter column status set default 'queued', alter column status set not null, drop constraint job_status_next;
    alter table job add constraint ck_job_status
        check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter')) not valid;
    commit;
    alter table job validate constraint ck_job_status;
    raise notice 'job: too large to be rewritten at once; status is its last column now, idx_job_org_status and idx_job_type_status are '
                 'left out, the next revisions would drop them';
end
$$;

-- Events of a large table stay as they are: to cast them would be to copy them.
do $$
declare
    few constant bigint := coalesce(nullif(current_setting('heimdex.small_table', true), ''), '20000')::bigint;
    named record;
begin
    if (select count(*) from (select from job_event limit few + 1) as r) > few then
        raise notice 'job_event: its statuses stay varchar, it is too large to be rewritten';
        return;
    end if;
    for named in
        select a.attname from pg_attribute a join pg_type t on t.oid = a.atttypid
         where a.attrelid = 'job_event'::regclass and a.attname in ('prev_status', 'next_status') and t.typcategory = 'S'
    loop
        perform heimdex_lock('job_event');
        execute format('alter table job_event alter column %1$I type job_status using %1$I::job_status', named.attname);
    end loop;
end
$$;

drop function heimdex_lock;

-- downgrade
select set_config('client_min_messages', 'warning', true);
alter table job_event alter column next_status type varchar(50) using next_status::text;
alter table job_event alter column prev_status type varchar(50) using prev_status::text;
do $$
declare
    named constant regtype := (select atttypid from pg_attribute where attrelid = 'job'::regclass and attname = 'status'); -- Alembic's may differ
begin
    alter table job drop constraint ck_job_status;
    alter table job alter column status drop default;
    alter table job alter column status type varchar(50) using status::text;
    alter table job alter column status set default 'queued';
    alter table job add constraint ck_job_status
        check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter'));
    execute format('drop type %s', named);
end
$$;
create index if not exists idx_job_org_status on job (org_id, status, created_at); -- a large table was left without them
create index if not exists idx_job_type_status on job (type, status);
