-- revision: a7e3905fd21c
-- down_revision: 8d2f6b0c4e17
-- message: the tables of the protocol filled with the jobs that were there
-- no-transaction

-- upgrade
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
            update job set worker = stand_in, max_attempts = greatest(attempt + 1, 5)
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
