"""A local ElevenLabs server for development, tests and demos. It imports nothing of the project.

How to start it, its switches, magic values and faults: docs/sandbox.md. What had to be assumed about the real
service: docs/assumptions.md; comments here name those lines as "assumption n".
"""
