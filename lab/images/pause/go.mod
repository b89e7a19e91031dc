module data-miner/lab/pause

go 1.22
