-- What this fleet has handlers for. `paused` is the operators' and stays.
-- $1 types $2 queues $3 announce $4 concurrency $5 max_attempts $6 limits
with registered as (
    insert into job_type (type, queue, announce, concurrency, max_attempts, limits)
    select * from unnest($1::varchar[], $2::varchar[], $3::int4[], $4::int4[], $5::int4[], $6::jsonb[])
     order by 1
    on conflict (type) do update
       set queue = excluded.queue, announce = excluded.announce, concurrency = excluded.concurrency,
           max_attempts = excluded.max_attempts, limits = excluded.limits, updated_at = now()
     where (job_type.queue, job_type.announce, job_type.concurrency, job_type.max_attempts, job_type.limits)
        is distinct from (excluded.queue, excluded.announce, excluded.concurrency, excluded.max_attempts, excluded.limits)
)
insert into permit (type, n)
select u.type, g.n from unnest($1::varchar[], $4::int4[]) as u (type, concurrency), generate_series(1, u.concurrency) as g (n)
on conflict do nothing
