-- revision: d94b6e0c83f5
-- down_revision: a7e3905fd21c
-- message: the rows of the old table jobs carried over

-- upgrade
-- The table is `jobs`, or the copy that 001_job_ledger_init set aside. Its rows become jobs whose events replay to their status; only
-- when the counts agree it is dropped. How it was made is kept in the comment on `job`, what the ledger has no place for in each job's
-- latest event as `legacy`: so the way down brings every row back.
select set_config('timezone', 'UTC', true); -- times without a zone are read as that

-- The jobs that the ledger had before: every other one came from `jobs`, or was made since.
create table job_before_jobs (id uuid primary key);

do $$
declare
    words jsonb := '{"pending":"queued","processing":"running","completed":"succeeded","failed":"failed"}';
    known constant jsonb := '{"pending":"queued","queued":"queued","processing":"running","running":"running","completed":"succeeded",
        "succeeded":"succeeded","failed":"failed","canceled":"canceled","cancelled":"canceled","dead_letter":"dead_letter"}';
    pair text;
    found record;
    unknown text[] := '{}';
    had bigint;
    got bigint;
    twice bigint;
    script text;
    stand_in integer;
begin
    if to_regclass('jobs_before_ledger') is not null then
        if to_regclass('jobs') is not null then
            raise exception 'jobs and jobs_before_ledger are both there: which of them is to be carried over? Rename or drop the other';
        end if;
        alter table jobs_before_ledger rename to jobs;
    end if;
    if to_regclass('jobs') is null then
        return;
    end if;
    lock table jobs in access exclusive mode;

    -- --- statuses
    foreach pair in array string_to_array(coalesce(current_setting('heimdex.status_map', true), ''), ',') loop
        if known ->> lower(split_part(pair, '=', 2)) is null then
            raise invalid_parameter_value using message = format('--map-status %s: %s is no status', pair, split_part(pair, '=', 2));
        end if;
        words := words || jsonb_build_object(split_part(pair, '=', 1), known ->> lower(split_part(pair, '=', 2)));
    end loop;
    for found in select status::text as old, count(*) as n from jobs group by 1 order by 1 loop
        if words ->> coalesce(found.old, 'NULL') is null then
            unknown := unknown || format('%L (%s)%s', found.old, found.n,
                                         case when found.old is null then ' with NULL=NEW' when found.old = '' then ' with =NEW' end);
        elsif coalesce(found.old, 'NULL') not in ('pending', 'processing', 'completed', 'failed') then
            raise notice 'jobs.status: "%" became "%" in % rows', coalesce(found.old, 'NULL'), words ->> coalesce(found.old, 'NULL'), found.n;
        end if;
    end loop;
    if unknown <> '{}' then
        raise invalid_parameter_value using
            message = format('jobs: unknown statuses, map each with --map-status OLD=NEW: %s', array_to_string(unknown, ', '));
    end if;
    select count(*) into had from jobs;
    select count(*) into twice from jobs o join job j on j.id = o.id;
    if twice > 0 then
        raise exception 'jobs: % of its ids are in job already: drop these rows in one of the two', twice using detail =
            (select string_agg(id::text, ', ') from (select id from jobs join job using (id) order by id limit 5) as r);
    end if;

    -- --- how to make it again
    select format(E'create table jobs (%s);\n', string_agg(concat(quote_ident(a.attname), ' ', format_type(a.atttypid, a.atttypmod),
                      ' default ' || pg_get_expr(d.adbin, d.adrelid), case when a.attnotnull then ' not null' end), ', ' order by a.attnum))
      into script
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = 'jobs'::regclass and a.attnum > 0 and not a.attisdropped;
    script := script
        || coalesce((select string_agg(format(E'alter table jobs add constraint %I %s;\n', conname, pg_get_constraintdef(oid)), '' order by conname)
                       from pg_constraint where conrelid = 'jobs'::regclass and contype in ('p', 'u', 'c')), '')
        || coalesce((select string_agg(pg_get_indexdef(i.indexrelid, 0, true) || E';\n', '' order by i.indexrelid)
                       from pg_index i
                      where i.indrelid = 'jobs'::regclass
                        and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u'))), '');
    execute format('comment on table job is %L', E'-- Carried over from the old table jobs, which this made:\n' || script);

    -- --- the rows
    insert into job_before_jobs select id from job;
    create temporary table carried as
    select o.id, o.status::text as old, (words ->> coalesce(o.status::text, 'NULL'))::job_status as status,
           coalesce(t.created, t.updated, now()) as created, coalesce(t.updated, t.created, now()) as updated, o.error,
           jsonb_strip_nulls(jsonb_build_object('stage', o.stage, 'progress', o.progress))
               || case when o.result is not null then jsonb_build_object('result', o.result) else '{}' end
               || jsonb_build_object('carried_over', now(), 'legacy', to_jsonb(o) - array['id', 'stage', 'progress', 'result', 'error', 'created_at', 'updated_at']
                      || case when t.created is null then jsonb_build_object('created_at', o.created_at) else '{}' end
                      || case when t.updated is null then jsonb_build_object('updated_at', o.updated_at) else '{}' end) as detail
      from jobs o
     cross join lateral (select case when isfinite(o.created_at::timestamptz) then o.created_at::timestamptz end as created,
                                case when isfinite(o.updated_at::timestamptz) then o.updated_at::timestamptz end as updated) as t;
    select count(*) into got from jobs where not isfinite(created_at::timestamptz) or not isfinite(updated_at::timestamptz);
    if got > 0 then
        raise notice 'jobs: % rows have an infinite created_at or updated_at, which became the other one, or now', got;
    end if;
    if exists (select from carried where status = 'running') then
        -- As in a7e3905fd21c: the first scheduler that watches it for a lease takes its jobs back.
        insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types)
        values ('predecessor', 'predecessor', 'predecessor', 0, gen_random_uuid(), '', 0, '', '{}') returning id into stand_in;
    end if;
    insert into job (id, org_id, type, status, created_at, updated_at, last_error_code, last_error_message, worker)
    select id, '00000000-0000-0000-0000-000000000000', 'mock_process', status, created, updated,
           case when error is not null then 'legacy' when status in ('canceled', 'dead_letter') then status::text end, error,
           case when status = 'running' then stand_in end
      from carried;
    insert into claim (token, worker, ids)
    select gen_random_uuid(), stand_in, array_agg(id order by id)
      from (select id, row_number() over (order by id) as n from carried where status = 'running') as r group by (n - 1) / 500;
    insert into waiting (job_id, type, queue, priority, due, reason)
    select id, 'mock_process', 'default', 0, now(), 'migrated' from carried where status in ('queued', 'failed');
    insert into delta select '00000000-0000-0000-0000-000000000000', 'mock_process', status, count(*) from carried group by status;

    -- The latest event bears the row's updated_at; when those before it were isn't known, only that it was before.
    insert into job_event (id, job_id, ts, prev_status, next_status, detail_json)
    select case e.n when 1 then c.id else gen_random_uuid() end, c.id,
           case when e.n = e.last then c.updated
                when e.n = 1 then least(c.created, c.updated - (e.last - 1) * interval '1 microsecond')
                else c.updated - interval '1 microsecond' end,
           case when e.n = 1 then null when e.n = 2 then 'queued'::job_status else 'running'::job_status end,
           case when e.n = e.last then c.status when e.n = 1 then 'queued'::job_status else 'running'::job_status end,
           case when e.n = e.last then c.detail end
      from carried c
     cross join lateral (
           select n, case when c.status = 'queued' then case when c.updated > c.created then 2 else 1 end
                          when c.status in ('running', 'canceled') then 2 else 3 end as last
             from generate_series(1, 3) as n) as e
     where e.n <= e.last;

    -- --- the counts
    create temporary table lost as
    select o.id from jobs o where not exists (
        select from job j
          join lateral (select e.next_status from job_event e where e.job_id = j.id order by e.ts desc, e.id desc limit 1) as e
            on e.next_status::text = j.status::text
         where j.id = o.id and j.status::text = words ->> coalesce(o.status::text, 'NULL'));
    select had - count(*) into got from lost;
    if got <> had then
        raise exception 'jobs: it has % rows, % of them were carried over: nothing was changed', had, got using detail =
            'no job of their status, or no events that lead to it: '
            || (select string_agg(id::text, ', ') from (select id from lost order by id limit 5) as r);
    end if;
    drop table jobs, carried, lost;
    raise notice 'jobs: % rows carried over to job', had;
end
$$;

-- What an earlier way down kept.
do $$
begin
    if to_regclass('jobs_made_since') is null then
        return;
    end if;
    insert into job select (jsonb_populate_record(null::job, k.job)).* from jobs_made_since k;
    insert into job_event select (jsonb_populate_record(null::job_event, e.event)).*
      from jobs_made_since k cross join jsonb_array_elements(k.events) as e (event);
    insert into waiting (job_id, type, queue, priority, due, reason)
    select j.id, j.type, 'default', j.priority, greatest(now(), j.run_at), 'migrated'
      from jobs_made_since k join job j on j.id = k.id where j.status in ('queued', 'failed');
    insert into delta select j.org_id, j.type, j.status, count(*) from jobs_made_since k join job j on j.id = k.id group by 1, 2, 3;
    drop table jobs_made_since;
end
$$;

-- downgrade
select set_config('timezone', 'UTC', true);
do $$
declare
    script constant text := obj_description('job'::regclass, 'pg_class');
    had bigint;
    got bigint;
begin
    if script is null or script not like '-- Carried over from the old table jobs%' then
        return;
    end if;
    if exists (select from job where status = 'running' and worker in (select id from worker where host <> 'predecessor')) then
        raise exception 'job: some are running; stop the fleet first';
    end if;
    execute script;

    create temporary table carried as
    select j.id, e.ts, e.detail_json -> 'legacy' as legacy
      from job_event e join job j on j.id = e.job_id where e.detail_json ? 'carried_over';
    select count(*) into had from carried;
    insert into jobs
    select (jsonb_populate_record(null::jobs, jsonb_build_object(
               'id', j.id, 'error', j.last_error_message, 'created_at', j.created_at, 'updated_at', j.updated_at,
               'stage', last.stage, 'progress', last.progress, 'result', last.result,
               'status', case j.status when 'queued' then 'pending' when 'running' then 'processing' when 'succeeded' then 'completed'
                                       when 'dead_letter' then 'failed' else j.status::text end)
           || case when j.updated_at = c.ts then c.legacy else c.legacy - array['status', 'updated_at'] end)).*
      from carried c
      join job j on j.id = c.id
     cross join lateral (
           select (array_agg(e.detail_json -> 'stage' order by e.ts desc, e.id desc) filter (where e.detail_json ? 'stage'))[1] as stage,
                  (array_agg(e.detail_json -> 'progress' order by e.ts desc, e.id desc) filter (where e.detail_json ? 'progress'))[1] as progress,
                  (array_agg(e.detail_json -> 'result' order by e.ts desc, e.id desc) filter (where e.detail_json ? 'result'))[1] as result
             from job_event e where e.job_id = c.id) as last;
    -- A null of JSON reads as one of SQL above.
    update jobs set result = 'null'
     where id in (select c.id from carried c join job_event e on e.job_id = c.id and e.ts = c.ts where e.detail_json -> 'result' = 'null')
       and result is null;
    select count(*) into got from jobs;
    if got <> had then
        raise exception 'jobs: % rows were carried over once, % are back: nothing was changed', had, got using detail =
            (select string_agg(id::text, ', ') from (select id from carried except select id from jobs order by id limit 5) as r);
    end if;
    raise notice 'jobs: % rows are back', had;

    -- Jobs made since then have no place in it.
    create table jobs_made_since (id uuid primary key, job jsonb not null, events jsonb not null);
    insert into jobs_made_since
    select j.id, to_jsonb(j), coalesce((select jsonb_agg(to_jsonb(e) order by e.ts, e.id) from job_event e where e.job_id = j.id), '[]')
      from job j
     where not exists (select from carried c where c.id = j.id) and not exists (select from job_before_jobs b where b.id = j.id);
    get diagnostics got = row_count;
    if got > 0 then
        raise notice 'jobs_made_since: keeps % jobs that were made since jobs had been carried over, with their events', got;
    else
        drop table jobs_made_since;
    end if;

    create temporary table leaving as select id from carried;
    if to_regclass('jobs_made_since') is not null then
        insert into leaving select id from jobs_made_since;
    end if;
    delete from waiting w using leaving l where w.job_id = l.id;
    delete from claim where worker in (select id from worker where host = 'predecessor') and ids <@ array(select id from leaving);
    insert into delta select j.org_id, j.type, j.status, -count(*) from job j join leaving l on l.id = j.id group by 1, 2, 3;
    delete from job_event e using leaving l where e.job_id = l.id;
    delete from job j using leaving l where j.id = l.id;
    drop table carried, leaving;
    comment on table job is null;
end
$$;
drop table job_before_jobs;
