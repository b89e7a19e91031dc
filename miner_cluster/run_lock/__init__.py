"""One run at a time changes a cluster: a lock at the first server, held by a session of the run's own.

``on_server`` holds it there, ``keeper`` holds that session for as long as the run lives, ``take`` asks for
both. No file and no object of the API: the first run has no API yet, a teardown ends it, and another
controller may not know how to reach it.
"""
