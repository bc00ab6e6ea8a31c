-- The floor: what this PostgreSQL, on this machine, can do for jobs with nothing else in the way.
--
-- One lifecycle is a job inserted, taken and finished: three transactions a batch, one event a
-- transition, every commit durable. No Kafka, no handlers, no claims, no duplicates, no guard. Nothing
-- that keeps the same history can be faster here, so the bench prints Heimdex as a ratio to it.
--
-- The tables are the floor's own and stay as they are, whatever becomes of the product's schema:
-- UUIDv7 keys made in ascending order, no index on status, HOT updates (fillfactor 50), BRIN on the
-- events' time, no foreign key.

set client_min_messages = warning;
drop schema if exists floor cascade;
create schema floor;

create table floor.job (
    id          uuid primary key,
    org_id      uuid not null,
    type        varchar(100) not null,
    status      smallint not null,
    attempt     integer not null default 0,
    priority    integer not null default 0,
    payload     jsonb not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    started_at  timestamptz,
    finished_at timestamptz
) with (fillfactor = 50);

create table floor.job_event (
    id          uuid not null,
    job_id      uuid not null,
    ts          timestamptz not null,
    prev_status smallint,
    next_status smallint not null,
    detail_json jsonb
);
create index on floor.job_event (job_id, ts);
create index on floor.job_event using brin (ts);

-- A client's batch of ascending UUIDv7s: 48 bits of milliseconds, the version, a counter, random bits.
create function floor.ids(n integer) returns uuid[] language sql volatile as $$
    select array_agg((ms || '7' || lpad(to_hex(i), 3, '0') || '8' || substr(md5(random()::text), 1, 15))::uuid order by i)
      from (select lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') as ms) as now,
           generate_series(1, n) as i
$$;

-- One batch of n jobs from insert to succeeded; n is at most 4095 (the counter's 12 bits).
create procedure floor.lifecycles(n integer, payload jsonb) language plpgsql as $$
declare
    batch uuid[] := floor.ids(n);
begin
    with made as (
        insert into floor.job (id, org_id, type, status, payload, created_at, updated_at)
        select id, '00000000-0000-0000-0000-000000000000', 'mock_process', 1, payload, clock_timestamp(), clock_timestamp()
          from unnest(batch) as id
        returning id, updated_at)
    insert into floor.job_event (id, job_id, ts, prev_status, next_status)
    select gen_random_uuid(), id, updated_at, null, 1 from made;
    commit;

    with taken as (
        update floor.job set status = 2, attempt = attempt + 1, updated_at = clock_timestamp(), started_at = clock_timestamp()
         where id = any(batch) and status = 1
        returning id, updated_at)
    insert into floor.job_event (id, job_id, ts, prev_status, next_status)
    select gen_random_uuid(), id, updated_at, 1, 2 from taken;
    commit;

    with done as (
        update floor.job set status = 3, updated_at = clock_timestamp(), finished_at = clock_timestamp()
         where id = any(batch) and status = 2
        returning id, updated_at)
    insert into floor.job_event (id, job_id, ts, prev_status, next_status, detail_json)
    select gen_random_uuid(), id, updated_at, 2, 3, '{"result": {"ok": true, "stages": 4}}' from done;
    commit;
end
$$;
