-- revision: 001_job_ledger_init
-- down_revision:
-- message: Initial job ledger schema with job and job_event tables

-- upgrade
-- What d94b6e0c83f5 could not carry over is said before anything changes.
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

-- The predecessor dropped `jobs` here and lost its rows. It is set aside instead; a later revision carries them over.
do $$
begin
    if to_regclass('jobs') is not null then
        alter table jobs rename to jobs_before_ledger;
    end if;
end
$$;

create table job (
    id              uuid primary key default gen_random_uuid(),
    org_id          uuid not null,
    type            varchar(100) not null,
    status          varchar(50) not null default 'queued',
    attempt         integer not null default 0,
    priority        integer not null default 0,
    idempotency_key varchar(255),
    requested_by    varchar(255),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    started_at      timestamptz,
    finished_at     timestamptz,
    last_error_code varchar(100),
    last_error_message text,
    constraint ck_job_status check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter'))
);
create unique index uq_job_org_idempotency on job (org_id, idempotency_key) where idempotency_key is not null;
create index idx_job_org_status on job (org_id, status, created_at);
create index idx_job_type_status on job (type, status);

create table job_event (
    id          uuid primary key,
    job_id      uuid not null references job (id) on delete cascade,
    ts          timestamptz not null default now(),
    prev_status varchar(50),
    next_status varchar(50) not null,
    detail_json jsonb
);
create index idx_job_event_job_ts on job_event (job_id, ts desc);
create index idx_job_event_ts on job_event (ts desc);

-- downgrade
drop table job_event;
drop table job;
do $$
begin
    if to_regclass('jobs_before_ledger') is not null then
        alter table jobs_before_ledger rename to jobs;
    end if;
    -- What 8d2f6b0c4e17 kept of the jobs that are gone now.
    if to_regclass('job_kept') is not null then
        drop table job_kept;
    end if;
    if to_regclass('waiting_kept') is not null then
        drop table waiting_kept;
    end if;
end
$$;
