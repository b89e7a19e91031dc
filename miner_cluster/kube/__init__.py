"""The cluster's API as the playbooks use it: apply and prune objects, wait for them, look at everything."""
