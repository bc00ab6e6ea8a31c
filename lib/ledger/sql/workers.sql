-- Each worker with what it holds: claims, and jobs of them that still run.
select to_json(r)::text as worker
  from (select w.id, w.host, w.hostname, w.instance, w.slot, w.incarnation, w.boot_id, w.pid, w.version, w.types, w.lease, w.lease_ms, w.running,
               w.dead, heimdex_time(w.started_at) as started_at, heimdex_time(w.renewed_at) as renewed_at,
               (select count(*) from claim c where c.worker = w.id) as claims,
               (select count(distinct u.id)
                  from claim c cross join unnest(c.ids) as u (id)
                 cross join lateral (select j.worker, j.status from job j where j.id = u.id offset 0) as j
                 where c.worker = w.id and j.worker = w.id and j.status = 'running') as jobs
          from worker w order by w.dead, w.hostname, w.instance, w.slot, w.id) as r
