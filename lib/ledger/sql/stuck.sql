-- What an operator needs at a glance: everything that should move, and for how long it hasn't. Ages in seconds, null where there
-- is nothing. What was reserved by an idle worker has its due time moved ahead, so what needs no moment to come is timed from `since`.
with running as materialized (
    select distinct u.id, j.started_at
      from claim c cross join unnest(c.ids) as u (id)
     cross join lateral (select j.status, j.started_at from job j where j.id = u.id offset 0) as j
     where j.status = 'running'
), waits as materialized (
    select w.type, w.reason, count(*) as count,
           max(extract(epoch from clock_timestamp() -
                   case when w.reason in ('delayed', 'snoozed', 'retry') then w.due else w.since end)) as age
      from waiting w group by w.type, w.reason
), unwalked as materialized (
    select j.created_at from job j
     where j.id > (select position from sweep) and j.id < (select heimdex_uuid_floor(clock_timestamp()))
     order by j.id limit 1
)
select to_json(r)::text as stuck
  from (select (select to_json(o) from (
                   select count(*) as rows, round(extract(epoch from clock_timestamp() - min(created_at)), 3) as oldest_age_s,
                          coalesce(max(tries), 0) as tries from outbox) as o) as outbox,
               round(coalesce((select extract(epoch from clock_timestamp() - created_at) from unwalked), 0), 3) as sweep_lag_s,
               (select count(*) from quarantine) as quarantine,
               (select coalesce(to_json(array_agg(x)), '[]') from (
                   select w.type, w.reason, w.count, round(greatest(w.age, 0), 3) as oldest_age_s, coalesce(t.paused, false) as paused,
                          exists (select from worker k where not k.dead and w.type = any(k.types)) as handled
                     from waits w left join job_type t on t.type = w.type order by w.type, w.reason) as x) as waiting,
               (select count(*) from running) as running,
               (select round(extract(epoch from clock_timestamp() - min(started_at)), 3) from running) as oldest_running_age_s,
               (select count(*) from worker w where not w.dead) as workers,
               (select round(extract(epoch from clock_timestamp() - min(renewed_at)), 3) from worker w where not w.dead) as oldest_renewal_age_s,
               (select count(*) from worker w where w.dead and exists (select from claim c where c.worker = w.id)) as dead_workers_with_claims,
               (select count(*) from claim c where not exists (select from worker w where w.id = c.worker)) as claims_without_worker,
               (select round(extract(epoch from clock_timestamp() - min(created_at)), 3) from signal) as oldest_signal_age_s,
               (select count(*) from delta) as delta_rows,
               exists (select from job_event_default) as events_in_default_partition) as r
