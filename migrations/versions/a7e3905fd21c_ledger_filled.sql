-- revision: a7e3905fd21c
-- down_revision: 8d2f6b0c4e17
-- message: the tables of the protocol filled with the jobs that were there
-- no-transaction

-- upgrade
-- What an earlier way down from 8d2f6b0c4e17 kept. Jobs in batches, and taken from what is kept as they are done.
do $$
declare
    last uuid;
    batch uuid[];
    n bigint;
    gone bigint := 0;
begin
    if to_regclass('job_type_kept') is not null then
        insert into job_type select * from job_type_kept on conflict do nothing;
        drop table job_type_kept;
    end if;
    if to_regclass('quarantine_kept') is not null then
        insert into quarantine select * from quarantine_kept;
        drop table quarantine_kept;
    end if;
    if to_regclass('outbox_kept') is not null then
        insert into outbox (kind, ids, due, tries, created_at) select kind, ids, due, tries, created_at from outbox_kept;
        drop table outbox_kept;
    end if;
    if to_regclass('job_event_kept') is not null then
        insert into job_event select (jsonb_populate_record(null::job_event, to_jsonb(k))).* from job_event_kept k;
        drop table job_event_kept;
    end if;
    if to_regclass('waiting_kept') is not null then
        insert into waiting
        select w.* from waiting_kept w join job j on j.id = w.job_id where j.status in ('queued', 'failed') for share of j
        on conflict do nothing;
        drop table waiting_kept;
    end if;
    if to_regclass('job_kept') is null then
        return;
    end if;
    commit;
    loop
        batch := array(select id from job_kept where last is null or id > last order by id limit 1000);
        exit when batch = '{}';
        update job j
           set payload = k.payload, fence = k.fence, max_attempts = k.max_attempts, crash_count = k.crash_count, timeout_ms = k.timeout_ms,
               run_at = k.run_at, traceparent = k.traceparent
          from job_kept k where k.id = j.id and k.id = any (batch);
        get diagnostics n = row_count;
        gone := gone + cardinality(batch) - n;
        delete from job_kept where id = any (batch);
        last := batch[cardinality(batch)];
        commit;
    end loop;
    drop table job_kept;
    if gone > 0 then
        raise notice 'job_kept: % of its jobs are no longer there', gone;
    end if;
end
$$;

-- Jobs of the predecessor in batches, while its workers go on: what they change meanwhile, the trigger of 8d2f6b0c4e17 writes down.
-- A lock on the job keeps its status until its row in `waiting`, or its claim, is there: small batches, so that nobody waits for
-- long. An end without a code would be found by no list.
--
-- What runs shows no sign of life that we know: it is given to a worker that shows none. The first scheduler that watches it for a lease
-- takes its jobs back. So the predecessor's workers must have ended before the fleet starts.
--
-- Done again from the start, it finds what it did before.
do $$
declare
    stand_in integer := (select min(id) from worker where host = 'predecessor' and not dead);
    last uuid;
    batch uuid[];
    done boolean := false;
begin
    loop
        batch := array(select id from job
                        where (status in ('queued', 'running', 'failed') or status in ('canceled', 'dead_letter') and last_error_code is null)
                          and (last is null or id > last) order by id limit 200);
        if batch = '{}' then
            -- One snapshot: what the trigger had written down by then is in the count, what it writes later isn't.
            with counted as (
                delete from delta
            )
            insert into job_count as c select org_id, type, status, count(*) from job group by 1, 2, 3
            on conflict (org_id, type, status) do update set count = excluded.count;
            commit;
            -- At last with nobody at work: what began to run behind our back, found by the index.
            perform heimdex_lock('job');
            batch := array(select id from job where status in ('queued', 'running', 'failed') and status = 'running' and worker is null);
            done := true;
        end if;
        insert into waiting (job_id, type, queue, priority, due, reason)
        select j.id, j.type, 'default', j.priority, greatest(now(), j.run_at), 'migrated'
          from (select * from job where id = any (batch) and status in ('queued', 'failed') for share) as j
        on conflict do nothing;
        if stand_in is null and exists (select from job where id = any (batch) and status = 'running' and worker is null) then
            insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types)
            values ('predecessor', 'predecessor', 'predecessor', 0, gen_random_uuid(), '', 0, '', '{}') returning id into stand_in;
        end if;
        with adopted as (
            update job set worker = stand_in, max_attempts = greatest(attempt + 1, coalesce(max_attempts, 5))
             where id = any (batch) and status = 'running' and worker is null returning id
        )
        insert into claim (token, worker, ids)
        select gen_random_uuid(), stand_in, array_agg(id order by id) from adopted having count(*) > 0;
        update job set last_error_code = case status when 'canceled' then 'canceled' else 'legacy' end
         where id = any (batch) and status in ('canceled', 'dead_letter') and last_error_code is null;
        exit when done;
        last := batch[cardinality(batch)];
        commit;
    end loop;
    drop trigger if exists heimdex_predecessor on job;
    drop index if exists job_open;
end
$$;

-- downgrade
delete from delta;
delete from job_count;
create index job_open on job (id) where status in ('queued', 'running', 'failed')
    or status in ('canceled', 'dead_letter') and last_error_code is null;
create trigger heimdex_predecessor after insert or update of status or delete on job for each row execute function heimdex_predecessor();
