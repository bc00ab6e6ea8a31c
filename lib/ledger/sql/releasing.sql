-- Between a worker's burial and the release of its jobs, in the same transaction: locks them, so that the release's snapshot is younger
-- than every request to cancel one of them.
-- $1 worker
select j.id from job j
 where j.id = any(array(select u.id from claim c cross join unnest(c.ids) as u (id) where c.worker = $1::int4))
   and j.status = 'running' and j.worker = $1::int4
 order by j.id for no key update
