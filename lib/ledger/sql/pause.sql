-- What waits as `paused` needs no waking: idle workers take it as soon as the type isn't paused any more.
-- $1 type $2 paused
update job_type set paused = $2::bool, updated_at = clock_timestamp() where type = $1::varchar
