-- A worker that ends by itself with nothing left to do needs no reaper.
-- $1 worker
delete from worker w where w.id = $1::int4 and not exists (select from claim c where c.worker = w.id)
