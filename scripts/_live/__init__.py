"""What scripts/live_check is made of: from requests to the real service to what they say about the spec.

spec     the spec's facts, each with its place, its level and its source
watch    the transport that keeps what went over the wire, and lets one send through at most
walk     the requests, in order, and what each is expected to show
judge    an answer compared with the spec
book     the verdicts
scrub    what went over the wire as cassettes, without what is anybody's business
report   the verdicts for people and for programs
command  the arguments, the environment, the exit code
"""
