"""The dashboards and alert rules as code: a module for each, by Grafana's foundation SDK.

``python -m miner_cluster.dashboards`` writes them to templates/grafana, where a cluster's plan finds them.
They are committed because they depend on no configuration: deploying needs no SDK, and a change can be read
in its diff. A test compares the two.
"""
