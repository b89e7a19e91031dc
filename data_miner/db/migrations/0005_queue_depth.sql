-- Items of each stage that a worker could take now, and those that are worked on: what pods are needed for. A stage
-- without any has no row.
CREATE VIEW queue_depth AS
SELECT stage, count(*) AS items FROM item
WHERE state = 'leased'
    OR state = 'ready' AND ready_at <= now()
        AND NOT EXISTS (SELECT FROM pause WHERE pause.project = item.project AND pause.stage = item.stage)
        AND NOT EXISTS (
            SELECT FROM site_block WHERE site_block.site = item.site AND site_block.blocked_until > now()
        )
GROUP BY stage;
