"""Stands in for Grafana in a lab that can't have its image.

It reads the files that Grafana would be provisioned with, runs the query of every panel and of every alert
rule against the real Loki and the real database, and shows the results as a page. It draws no diagrams worth
the name and sends no alerts. Its health fails where a query fails, and where one gives nothing although its
panel doesn't say what that would mean (Grafana's own setting ``noValue``).
"""
