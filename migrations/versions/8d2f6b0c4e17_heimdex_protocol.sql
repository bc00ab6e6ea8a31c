-- revision: 8d2f6b0c4e17
-- down_revision: 5c1de7a4b8f0
-- message: heimdex: the tables of the protocol, events by month, heimdex_submit

-- upgrade
select set_config('client_min_messages', 'warning', true);

-- --- the protocol --------------------------------------------------------------------------------------------------
create table job_type (
    type         varchar(100) primary key,
    queue        varchar(100) not null default 'default',
    announce     integer not null default 1 check (announce between 1 and 1000),
    concurrency  integer check (concurrency > 0),
    max_attempts integer,
    limits       jsonb not null default '{}',
    paused       boolean not null default false,
    updated_at   timestamptz not null default now()
);

create table worker (
    id          integer generated always as identity primary key,
    host        varchar(64) not null,
    hostname    varchar(255) not null,
    instance    varchar(255) not null,
    slot        integer not null,
    incarnation uuid not null,
    boot_id     varchar(64) not null,
    pid         integer not null,
    version     varchar(50) not null,
    types       varchar(100)[] not null,
    lease       bigint not null default 0,
    lease_ms    integer,
    running     integer not null default 0,
    dead        boolean not null default false,
    started_at  timestamptz not null default clock_timestamp(),
    renewed_at  timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
comment on column worker.incarnation is 'the run of the supervisor that started it';
comment on column worker.lease is 'a counter, not a time: it only has to move';
comment on column worker.lease_ms is 'how long it may stand still before the worker counts as lost; null: what the one who watches has configured';

create table claim (
    token      uuid primary key,
    worker     integer not null,
    ids        uuid[] not null,
    created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
alter table claim alter column ids set storage external; -- ids don't compress; trying costs more than a percent
create index claim_worker on claim (worker);

create table waiting (
    job_id    uuid primary key,
    type      varchar(100) not null,
    queue     varchar(100) not null,
    priority  integer not null default 0,
    due       timestamptz not null,
    reason    varchar(20) not null check (reason in ('delayed', 'snoozed', 'retry', 'released', 'redriven', 'paused', 'limited',
                                                     'no_handler', 'busy', 'migrated', 'sql', 'clock', 'swept')),
    announced boolean not null default true,
    since     timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
comment on column waiting.announced is 'false: the scheduler has still to announce it when it is due';
create index waiting_due on waiting (type, (priority > 0), due);
create index waiting_unannounced on waiting (due) where not announced;
-- Where failed jobs are found among millions that are merely delayed.
create index waiting_retry on waiting (job_id) where reason in ('retry', 'migrated');

create table outbox (
    id         bigint generated always as identity primary key,
    kind       varchar(20) not null check (kind in ('announce', 'dead_letter', 'quarantine')),
    ids        uuid[] not null,
    due        timestamptz not null,
    tries      integer not null default 0,
    created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
comment on column outbox.due is 'when the relay takes it over, unless its maker has published and deleted it by then';
alter table outbox alter column ids set storage external;
create index outbox_due on outbox (due);

create table permit (
    type   varchar(100) not null,
    n      integer not null,
    worker integer,
    job_id uuid,
    primary key (type, n)
) with (fillfactor = 50);
create index permit_job on permit (job_id) where job_id is not null;

create table signal (
    worker     integer not null,
    job_id     uuid not null,
    reason     text not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (worker, job_id)
);

create table delta (
    org_id uuid not null,
    type   varchar(100) not null,
    status job_status not null,
    count  bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

create table job_count (
    org_id uuid not null,
    type   varchar(100) not null,
    status job_status not null,
    count  bigint not null,
    primary key (org_id, type, status)
) with (fillfactor = 50);

create table sweep (
    only_row boolean primary key default true check (only_row),
    position uuid not null
);

create table quarantine (
    id         uuid primary key default gen_random_uuid(),
    topic      varchar(249) not null,
    partition  integer not null,
    "offset"   bigint not null,
    reason     text not null,
    record     bytea not null,
    size       bigint not null,
    created_at timestamptz not null default clock_timestamp(),
    unique (topic, partition, "offset", created_at)
);

-- Until the next revision has counted and listed what is there, changes made by the predecessor's workers are told by this trigger.
create function heimdex_predecessor() returns trigger language plpgsql security definer set search_path from current as $$
begin
    if tg_op <> 'INSERT' then
        insert into delta values (old.org_id, old.type, old.status, -1);
        delete from waiting where job_id = old.id;
    end if;
    if tg_op <> 'DELETE' then
        insert into delta values (new.org_id, new.type, new.status, 1);
        insert into waiting (job_id, type, queue, priority, due, reason)
        select new.id, new.type, 'default', new.priority, clock_timestamp(), 'migrated' where new.status in ('queued', 'failed');
    else
        delete from job_event where job_id = old.id; -- the foreign key did it
    end if;
    return null;
end
$$;
-- --- functions -----------------------------------------------------------------------------------------------------
-- The smallest UUIDv7 of a moment.
create function heimdex_uuid_floor(moment timestamptz) returns uuid language sql immutable strict parallel safe
    return (lpad(to_hex(greatest(0, extract(epoch from moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

create function heimdex_uuid_v7() returns uuid language sql volatile parallel safe
    return encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1),
        'hex')::uuid;

-- Rows as JSON objects with the table's column names, for programs: times in UTC, always with microseconds.
create function heimdex_time(moment timestamptz) returns text language sql stable strict parallel safe
    return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

insert into sweep (position) values (heimdex_uuid_floor(now() - interval '2 min')); -- slower clocks' ids come in behind now

-- Submits a job inside the caller's own transaction, which may commit much later: so the job gets a `waiting` row, and
-- doesn't depend on the sweep, whose position may have passed its id by then.
create function heimdex_submit(
    type text, payload jsonb default '{}', org_id uuid default '00000000-0000-0000-0000-000000000000',
    priority integer default 0, idempotency_key text default null, requested_by text default null,
    run_at timestamptz default null, max_attempts integer default null, timeout interval default null) returns uuid
    language plpgsql volatile security definer set search_path from current as $$
#variable_conflict use_column
declare
    made constant uuid := heimdex_uuid_v7();
    stamp constant timestamptz := clock_timestamp();
    due constant timestamptz := coalesce(heimdex_submit.run_at, stamp);
    -- jobs.max_payload is the programs'; for SQL it is a setting: alter database … set heimdex.max_payload = …
    max_payload constant bigint := coalesce(nullif(current_setting('heimdex.max_payload', true), '')::bigint, 1048576);
    size constant bigint := octet_length(heimdex_submit.payload::text);
    found_id uuid;
begin
    -- The rules of producer/field.c, in its words. What a class of characters is depends on the locale: this doesn't.
    if heimdex_submit.type is null or octet_length(heimdex_submit.type) not between 1 and 100
            or heimdex_submit.type ~ '[\x01-\x20\x7f]' then
        raise invalid_parameter_value using message = 'type: must be 1 to 100 bytes of printable text without spaces';
    elsif heimdex_submit.org_id is null then
        raise invalid_parameter_value using message = 'org_id: must not be null';
    elsif heimdex_submit.max_attempts not between 1 and 1000000 then
        raise invalid_parameter_value using message = 'max_attempts: must be 1 to 1000000';
    elsif heimdex_submit.timeout < interval '1 ms' or heimdex_submit.timeout > interval '365 days' then
        raise invalid_parameter_value using message = 'timeout: must be 1 ms to 365 days';
    elsif not isfinite(heimdex_submit.run_at) then
        raise invalid_parameter_value using message = 'run_at: must be a time';
    elsif length(heimdex_submit.idempotency_key) not between 1 and 255 then
        raise invalid_parameter_value using message = 'idempotency_key: must be 1 to 255 characters of UTF-8 text';
    elsif length(heimdex_submit.requested_by) not between 1 and 255 then
        raise invalid_parameter_value using message = 'requested_by: must be 1 to 255 characters of UTF-8 text';
    elsif size > max_payload then
        raise invalid_parameter_value using message = format('payload: %s bytes, over the limit of %s (heimdex.max_payload)', size,
            case when max_payload % 1048576 = 0 then max_payload / 1048576 || 'M'
                 when max_payload % 1024 = 0 then max_payload / 1024 || 'K' else max_payload::text end);
    elsif jsonb_path_exists(heimdex_submit.payload,
            '$.** ? (@.type() == "number" && (@ > 1.797693134862315e308 || @ < -1.797693134862315e308))') then
        raise invalid_parameter_value using message = 'payload: number out of range';
    elsif jsonb_path_exists(heimdex_submit.payload,
            'strict $.**{64} ? (@.type() == "object" || @.type() == "array")') then
        raise invalid_parameter_value using message = 'payload: nesting deeper than 64';
    end if;
    insert into job (id, org_id, type, payload, priority, idempotency_key, requested_by, run_at, max_attempts, timeout_ms,
                     created_at, updated_at)
    values (made, heimdex_submit.org_id, heimdex_submit.type, coalesce(heimdex_submit.payload, '{}'),
            coalesce(heimdex_submit.priority, 0), heimdex_submit.idempotency_key, heimdex_submit.requested_by,
            heimdex_submit.run_at, heimdex_submit.max_attempts,
            (extract(epoch from heimdex_submit.timeout) * 1000)::bigint, stamp, stamp)
    on conflict do nothing;
    if not found then
        select j.id into strict found_id from job j
         where j.org_id = heimdex_submit.org_id and j.idempotency_key = heimdex_submit.idempotency_key;
        return found_id;
    end if;
    insert into job_event (id, job_id, ts, next_status) values (made, made, stamp, 'queued');
    insert into delta values (heimdex_submit.org_id, heimdex_submit.type, 'queued', 1);
    insert into waiting (job_id, type, queue, priority, due, reason, announced)
    values (made, heimdex_submit.type,
            coalesce((select t.queue from job_type t where t.type = heimdex_submit.type), 'default'),
            coalesce(heimdex_submit.priority, 0), due, case when due > stamp then 'delayed' else 'sql' end, due <= stamp);
    if due <= stamp then
        insert into outbox (kind, ids, due) values ('announce', array[made], stamp);
        perform pg_notify('heimdex_outbox', '');
    end if;
    return made;
end
$$;
revoke all on function heimdex_submit from public;

-- --- roles ---------------------------------------------------------------------------------------------------------
-- heimdex_runtime runs the fleet and owns nothing; heimdex_api sees one organisation at a time. Where the login may not
-- make roles, the owner's login does everything.
do $$
begin
    if (select rolcreaterole or rolsuper from pg_roles where rolname = current_user) then
        if to_regrole('heimdex_runtime') is null then
            create role heimdex_runtime nologin;
        end if;
        if to_regrole('heimdex_api') is null then
            create role heimdex_api nologin;
        end if;
    end if;
exception when duplicate_object then null; -- another database of this server is being migrated at the same time
end
$$;

-- --- job and job_event ---------------------------------------------------------------------------------------------
-- From here on nobody else gets at the two tables, so it comes last, and is a change of the catalog only: no row is read or written.
select heimdex_lock('job', 'job_event');

-- --- job -----------------------------------------------------------------------------------------------------------
-- status is in no index: its two updates a job stay HOT. Lists by status go by `waiting`, `claim`, the primary key
-- (UUIDv7: its order is time's) and job_troubled; counts by job_count.
drop index if exists idx_job_org_status;
drop index if exists idx_job_type_status;
alter table job
    add column payload jsonb not null default '{}',
    add column fence integer not null default 0,
    add column max_attempts integer,
    add column crash_count integer not null default 0,
    add column timeout_ms bigint,
    add column run_at timestamptz,
    add column worker integer,
    add column traceparent varchar(55);
comment on column job.fence is 'raised by every claim; writes of an older fence are refused';
comment on column job.max_attempts is 'null until the first claim sets the handler''s';
alter table job set (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);
-- A server built without lz4 keeps its own default.
do $$
begin
    alter table job alter column payload set compression lz4;
exception when feature_not_supported then null;
end
$$;

-- --- job_event -----------------------------------------------------------------------------------------------------
alter table job_event rename to job_event_before;
alter table job_event_before drop constraint job_event_job_id_fkey;
alter table job_event_before drop constraint job_event_pkey;
drop index idx_job_event_job_ts;
drop index idx_job_event_ts;
alter table job_event_before add constraint job_event_before_pkey primary key using index job_event_before_key;

create table job_event (
    id          uuid not null default gen_random_uuid(),
    job_id      uuid not null,
    ts          timestamptz not null default clock_timestamp(),
    prev_status job_status,
    next_status job_status not null,
    detail_json jsonb,
    primary key (job_id, ts, id)
) partition by range (ts);
create index idx_job_event_ts on job_event using brin (ts) with (autosummarize = on);
create table job_event_default partition of job_event default;

-- Makes the partitions of this month and the next three. The owner's, so that the runtime role needs no DDL rights.
create function heimdex_upkeep_partitions() returns integer
    language plpgsql security definer set search_path from current as $$
declare
    month timestamptz;
    name text;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('heimdex_upkeep_partitions'));
    for i in 0..3 loop
        month := date_trunc('month', now() at time zone 'UTC') at time zone 'UTC' + make_interval(months => i);
        name := 'job_event_' || to_char(month at time zone 'UTC', 'YYYY_MM');
        continue when to_regclass(name) is not null;
        begin
            execute format('create table %I partition of job_event for values from (%L) to (%L)', name, month,
                           month + interval '1 month');
        exception
            when invalid_object_definition then continue; -- the first partition, made from the old table, covers it
            when check_violation then continue;           -- the default partition has events of it already and keeps them
        end;
        made := made + 1;
    end loop;
    return made;
end
$$;
revoke all on function heimdex_upkeep_partitions() from public;

-- The old table becomes the first partition as it is. Events that are still varchar stay so, or they would have to be copied: then
-- the partitioned table is of that type too, which takes the same statements; `check` reads it from the comment.
do $$
declare
    bound timestamptz := (select substring(pg_get_constraintdef(oid) from '''([^'']+)''')::timestamptz from pg_constraint
                           where conrelid = 'job_event_before'::regclass and conname = 'job_event_before_bound');
    named record;
begin
    if not exists (select from job_event_before) then
        drop table job_event_before;
        return;
    end if;
    for named in
        select a.attname, format_type(a.atttypid, a.atttypmod) as type from pg_attribute a
         where a.attrelid = 'job_event_before'::regclass and a.attname in ('prev_status', 'next_status') and a.atttypid <> 'job_status'::regtype
    loop
        execute format('alter table job_event alter column %I type %s using null', named.attname, named.type);
        execute format('comment on column job_event.%I is %L', named.attname, 'as the predecessor left it (check: job_status)');
    end loop;
    execute format('alter table job_event attach partition job_event_before for values from (minvalue) to (%L)', bound);
    alter table job_event_before drop constraint job_event_before_bound;
end
$$;
select heimdex_upkeep_partitions();

create trigger heimdex_predecessor after insert or update of status or delete on job for each row execute function heimdex_predecessor();

create function heimdex_job_json(j job) returns json language sql stable parallel safe
    return (select to_json(r) from (
        select j.id, j.org_id, j.type, j.status, j.attempt, j.priority, j.idempotency_key, j.requested_by,
               heimdex_time(j.created_at) as created_at, heimdex_time(j.updated_at) as updated_at,
               heimdex_time(j.started_at) as started_at, heimdex_time(j.finished_at) as finished_at,
               j.last_error_code, j.last_error_message, j.payload, j.fence, j.max_attempts, j.crash_count, j.timeout_ms,
               heimdex_time(j.run_at) as run_at, j.worker, j.traceparent) as r);

create function heimdex_event_json(e job_event) returns json language sql stable parallel safe
    return (select to_json(r) from (
        select e.id, e.job_id, heimdex_time(e.ts) as ts, e.prev_status, e.next_status, e.detail_json) as r);

do $$
begin
    if to_regrole('heimdex_runtime') is null or to_regrole('heimdex_api') is null then
        return;
    end if;
    execute format('grant usage on schema %I to heimdex_runtime, heimdex_api', current_schema());
    grant select, insert, update, delete on job, job_type, worker, claim, waiting, outbox, permit, signal, delta, job_count,
        sweep, quarantine to heimdex_runtime;
    grant select, insert on job_event to heimdex_runtime;
    grant execute on function heimdex_submit, heimdex_upkeep_partitions to heimdex_runtime;
    grant select on job, job_event to heimdex_api;

    alter table job enable row level security;
    alter table job_event enable row level security;
    create policy heimdex_org on job for all to heimdex_api
        using (org_id = nullif(current_setting('app.current_org_id', true), '')::uuid);
    create policy heimdex_org on job_event for all to heimdex_api
        using (exists (select from job j where j.id = job_id));
    create policy heimdex_others on job using (not pg_has_role(current_user, 'heimdex_api', 'usage'));
    create policy heimdex_others on job_event using (not pg_has_role(current_user, 'heimdex_api', 'usage'));
end
$$;

-- downgrade
-- What has no place below is kept in tables beside, until a7e3905fd21c takes it in again. Statuses as text: below, their type may go.
do $$
declare
    place record;
    kept bigint;
begin
    for place in
        select * from (values
            ('job_kept', 'payload, fence, max_attempts, crash_count, timeout_ms, run_at and traceparent of % jobs',
             'select id, payload, fence, max_attempts, crash_count, timeout_ms, run_at, traceparent from job
               where payload <> ''{}'' or fence <> 0 or max_attempts is not null or crash_count <> 0 or timeout_ms is not null
                  or run_at is not null or traceparent is not null'),
            ('waiting_kept', 'when % jobs are due', 'select * from waiting where due > now()'),
            ('job_type_kept', '% types', 'select * from job_type'),
            ('quarantine_kept', '% records in quarantine', 'select * from quarantine'),
            ('outbox_kept', '% records to be published', 'select kind, ids, due, tries, created_at from outbox where kind <> ''announce'''),
            ('job_event_kept', '% events without a job',
             'select e.id, e.job_id, e.ts, e.prev_status::text, e.next_status::text, e.detail_json
                from job_event e where not exists (select from job j where j.id = e.job_id)')) as t (name, what, query)
    loop
        execute format('create table if not exists %I as %s with no data', place.name, place.query); -- there: a7e3905fd21c was interrupted
        execute format('insert into %I %s', place.name, place.query);
        get diagnostics kept = row_count;
        if place.name = 'job_kept' then
            create unique index if not exists job_kept_id on job_kept (id);
        end if;
        if kept > 0 then
            raise notice '%: keeps %', place.name, replace(place.what, '%', kept::text);
        else
            execute format('select count(*) from (select from %I limit 1) as r', place.name) into kept;
            if kept = 0 then
                execute format('drop table %I', place.name);
            end if;
        end if;
    end loop;
end
$$;

drop policy if exists heimdex_others on job_event;
drop policy if exists heimdex_others on job;
drop policy if exists heimdex_org on job_event;
drop policy if exists heimdex_org on job;
alter table job disable row level security;
do $$
begin
    if to_regrole('heimdex_runtime') is not null and to_regrole('heimdex_api') is not null then
        revoke all on job from heimdex_runtime, heimdex_api;
        execute format('revoke usage on schema %I from heimdex_runtime, heimdex_api', current_schema());
    end if;
end
$$;
drop trigger heimdex_predecessor on job;
drop function heimdex_predecessor;
drop function heimdex_submit;
drop function heimdex_event_json, heimdex_job_json, heimdex_time;
drop function heimdex_uuid_v7;
drop function heimdex_uuid_floor;
drop table quarantine, sweep, job_count, delta, signal, permit, outbox, waiting, claim, worker, job_type;

-- Of the type that the statuses have here. Events without a job can't stand below a foreign key.
create table job_event_after (like job_event);
insert into job_event_after
select e.* from job_event e where exists (select from job j where j.id = e.job_id);
drop table job_event;
drop function heimdex_upkeep_partitions;
alter table job_event_after rename to job_event;
alter table job_event alter column id drop default, alter column ts set default now(), add constraint job_event_pkey primary key (id),
    add constraint job_event_job_id_fkey foreign key (job_id) references job (id) on delete cascade;
create index idx_job_event_job_ts on job_event (job_id, ts desc);
create index idx_job_event_ts on job_event (ts desc);
create unique index job_event_before_key on job_event (job_id, ts, id);
create index job_event_before_ts on job_event using brin (ts) with (autosummarize = on);
do $$
begin
    execute format('alter table job_event add constraint job_event_before_bound check (ts < %L)',
                   greatest((date_trunc('month', (now() + interval '7 days') at time zone 'UTC') + interval '1 month') at time zone 'UTC',
                            (select date_trunc('month', max(ts) at time zone 'UTC') + interval '1 month' from job_event) at time zone 'UTC'));
end
$$;

alter table job reset (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor, autovacuum_vacuum_cost_delay);
alter table job
    drop column payload, drop column fence, drop column max_attempts, drop column crash_count, drop column timeout_ms,
    drop column run_at, drop column worker, drop column traceparent;
create index idx_job_org_status on job (org_id, status, created_at);
create index idx_job_type_status on job (type, status);
