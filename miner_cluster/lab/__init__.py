"""The lab's machines: containers with systemd on this machine, each with a disk and an address of its own.

``model``     what a lab is, and what was found of one
``plan``      what to do about the difference: pure
``look``      finds out what is there
``act``       does what the plan says
``machine``   what happens inside a running machine, and SSH to it
"""
