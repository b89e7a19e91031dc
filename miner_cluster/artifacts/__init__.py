"""The artifact store: what a cluster needs from outside, built or fetched once per user and kept by content.

``recipe``     what an artifact is and how it is made
``store``      the cache on disk: keys, locks, manifests, checksums
``commands``   child processes that end when we do
``progress``   what the user sees meanwhile
``plan``       which artifacts a configuration needs, and the result that playbooks get
the rest       recipes, and the tools that they share
"""
