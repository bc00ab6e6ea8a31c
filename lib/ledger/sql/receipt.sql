-- A claim without jobs: the proof that a transaction has committed, for one whose repetition would show (progress is told twice). The
-- worker deletes it with its next transaction; for a dead worker none is written, because nobody would.
-- $1 token $2 worker
with alive as materialized (
    select id from worker where id = $2::int4 and not dead for key share
)
insert into claim (token, worker, ids) select $1::uuid, id, '{}' from alive
