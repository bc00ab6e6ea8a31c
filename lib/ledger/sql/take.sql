-- Work straight from PostgreSQL: due waiting rows of the types handled here, reserved for ten seconds so that two idle workers
-- don't claim the same ones. What had failed becomes queued. The claim that follows deletes the rows. Priorities above 0 go first, but
-- a tenth is the rest's, so that it is never starved; the longest due first within a priority.
-- As in due.sql, the rows are found again by an array.
-- $1 types $2 how many
with found as materialized (
    select w.job_id, w.type, w.priority, w.due, row_number() over (partition by w.priority > 0 order by w.priority desc, w.due) as place
      from unnest($1::varchar[]) as h (type)
      join job_type t on t.type = h.type and not t.paused
     cross join (values (true), (false)) as band (high)
     cross join lateral (
           select w.job_id, w.type, w.priority, w.due from waiting w
            where w.type = h.type and (w.priority > 0) = band.high and w.due <= (select clock_timestamp())
            order by w.due
            limit case when t.concurrency is null then $2::int4
                       else least($2::int4, (select count(*) from permit p where p.type = h.type and p.job_id is null and p.n <= t.concurrency)) end
              for update skip locked) as w
), picked as materialized (
    select job_id, type, priority from found
     order by case when priority > 0 then 1 when $2::int4 > 1 and place <= ($2::int4 + 9) / 10 then 0 else 2 end, priority desc, due
     limit $2::int4
), reserved as (
    update waiting w set due = clock_timestamp() + interval '10 s', announced = true where w.job_id = any(array(select job_id from picked))
), woken as (
    update job j set status = 'queued', updated_at = greatest(clock_timestamp(), j.updated_at + interval '1 microsecond')
      from (select job_id from picked order by job_id) as p
     where j.id = p.job_id and j.status = 'failed'
    returning j.id, j.org_id, j.type, j.updated_at
), events as (
    insert into job_event (job_id, ts, prev_status, next_status, detail_json)
    select id, updated_at, 'failed', 'queued', '{"reason": "retry"}' from woken
), counted as (
    insert into delta (org_id, type, status, count)
    select org_id, type, s.status, s.sign * count(*) from woken, (values ('failed'::job_status, -1), ('queued'::job_status, 1)) as s (status, sign)
     group by 1, 2, s.status, s.sign
)
select job_id, type, priority from picked
