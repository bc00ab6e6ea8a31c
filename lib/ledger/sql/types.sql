select type, queue, announce, concurrency, max_attempts, limits::text, paused from job_type order by type
