-- $1 worker
select job_id, reason from signal where worker = $1::int4
