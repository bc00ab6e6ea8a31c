-- $1 worker
select token from claim where worker = $1::int4
