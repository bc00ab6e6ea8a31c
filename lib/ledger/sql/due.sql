-- The scheduler's share of waiting: what has become due and was not announced yet is announced; what had failed becomes queued.
-- The rows are found again by an array, not a join: a join was once planned for a waiting of one row, and walked through all of it per row.
-- $1 how many
with picked as materialized (
    select job_id, type from waiting where not announced and due <= (select clock_timestamp()) order by due limit $1::int4
       for update skip locked
), marked as (
    update waiting w set announced = true where w.job_id = any(array(select job_id from picked))
), woken as (
    update job j set status = 'queued', updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select job_id from picked order by job_id) as p
     where j.id = p.job_id and j.status = 'failed'
    returning j.id, j.org_id, j.type, j.updated_at
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, 'failed', 'queued', '{"reason": "retry"}' from woken
), announced as (
    insert into outbox (kind, ids, due)
    select 'announce', array_agg(job_id), clock_timestamp() from picked having count(*) > 0
), counted as (
    insert into delta (org_id, type, status, count)
    select org_id, type, s.status, s.sign * count(*) from woken, (values ('failed'::job_status, -1), ('queued'::job_status, 1)) as s (status, sign)
     group by 1, 2, s.status, s.sign
)
select count(*) as due from picked
