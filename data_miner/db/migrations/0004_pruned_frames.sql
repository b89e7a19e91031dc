-- Frames that were removed to save space. Their results stay; nothing is done with the pictures again.
ALTER TABLE frameset ADD COLUMN pruned_at timestamptz;
