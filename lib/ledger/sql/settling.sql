-- Ahead of a settlement, in the same transaction: locks the jobs that it is to write, so that its snapshot is younger than every request
-- to cancel them. A request that comes later waits, and finds what the settlement made of the job.
-- $1 ids
select j.id from job j where j.id = any($1::uuid[]) and j.status = 'running' order by j.id for no key update
