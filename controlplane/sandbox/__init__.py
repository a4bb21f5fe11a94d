"""A local ElevenLabs for development, tests and demos: a server of its own, which imports nothing of ours.

How to start it, its switches, magic values and faults: docs/sandbox.md. What had to be assumed about the real
service: docs/assumptions.md; comments here name those lines as "assumption n".
"""
